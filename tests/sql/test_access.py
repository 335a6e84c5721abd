"""Asked as anon and as two people, with the roles and claims that a browser's key has."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.test_grants import TABLES
from tests.sql.turns import Begun, Turns

OWN = (
    "user_profiles",
    "conversations",
    "messages",
    "requests",
    "user_memories",
    "token_grants",
    "transactions",
    "purchases",
)
SHARED = ("document_metadata", "documents", "document_rows")
REFUSED = asyncpg.InsufficientPrivilegeError


@dataclass(frozen=True)
class Person:
    id: UUID
    turn: Begun


@dataclass(frozen=True)
class World:
    database: Database
    user: Person
    stranger: Person


async def add_person(database: Database, name: str) -> Person:
    user_id = await database.add_user(tokens=5, full_name=name, email=f"{name}@example.com")
    async with database.connect() as connection:
        turn = await Turns(connection, user_id).answer(f"{name}'s secret")
        await connection.execute(
            "insert into public.user_memories (user_id, content) values ($1, 'likes tea')", user_id
        )
        await connection.execute(
            "insert into public.purchases (id, user_id, tier, pack_tokens, price_minor, currency)"
            " values ($1, $2, 'tier_1', 100, 500, 'usd')",
            *(uuid4(), user_id),
        )
        await connection.execute("insert into public.document_metadata (id, owner_id) values ($1, $2)", name, user_id)
        await connection.execute("insert into public.document_rows (dataset_id, row_data) values ($1, '{}')", name)
        await connection.execute(
            "insert into public.documents (document_id, owner_id, content) values ($1, $2, $3)",
            *(name, user_id, f"tea of {name}"),
        )
    return Person(user_id, turn)


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database, await add_person(database, "user"), await add_person(database, "stranger"))
    async with database.connect() as connection:
        await connection.execute(
            "insert into public.document_metadata (id) values ('shared');"
            "insert into public.document_rows (dataset_id, row_data) values ('shared', '{}');"
            "insert into public.documents (document_id, content) values ('shared', 'tea for all');"
        )
    return world


async def refusal(connection: asyncpg.Connection, statement: str, *arguments: object) -> type[Exception] | None:
    """The error of a statement, which is undone; None when it went through."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement, *arguments)
    except asyncpg.PostgresError as error:
        return type(error)
    finally:
        await transaction.rollback()
    return None


async def test_anon_reads_and_writes_nothing(world: World) -> None:
    async with world.database.acting("anon") as connection:
        for table in TABLES:
            for statement in (
                f"select from public.{table}",
                f"insert into public.{table} default values",
                f"delete from public.{table}",
                f"truncate public.{table}",
            ):
                assert await refusal(connection, statement) is REFUSED, statement
        assert await refusal(connection, "update public.user_profiles set full_name = 'x'") is REFUSED
        assert await refusal(connection, "select public.is_admin()") is REFUSED
        assert await refusal(connection, "select private.is_admin()") is REFUSED


async def test_a_person_sees_their_own_rows_and_no_others(world: World) -> None:
    for me, other in ((world.user, world.stranger), (world.stranger, world.user)):
        async with world.database.acting("authenticated", me.id) as connection:
            for table in OWN:
                rows = await connection.fetch(f"select to_jsonb(t)::text as row from public.{table} as t")
                assert rows, table
                assert not any(str(other.id) in row["row"] or other.turn.session_id in row["row"] for row in rows), (
                    table
                )
            for table in SHARED:
                rows = await connection.fetch(f"select to_jsonb(t)::text as row from public.{table} as t")
                assert len(rows) == 2, table
                assert not any(str(other.id) in row["row"] for row in rows), table
            messages = await connection.fetch(
                "select message ->> 'content' as content from public.messages order by id"
            )
            assert len(messages) == 2


async def test_a_claim_without_a_person_sees_no_rows_of_people(world: World) -> None:
    async with world.database.acting("authenticated") as connection:
        for table in OWN:
            assert await connection.fetchval(f"select count(*) from public.{table}") == 0, table


async def test_a_person_changes_nothing_but_their_name(world: World) -> None:
    async with world.database.acting("authenticated", world.user.id) as connection:
        for column, value in {
            "tokens": "1000000",
            "is_admin": "true",
            "email": "'root@example.com'",
            "id": f"'{uuid4()}'",
            "created_at": "now()",
            "updated_at": "now()",
        }.items():
            assert await refusal(connection, f"update public.user_profiles set {column} = {value}") is REFUSED, column
        for statement in (
            f"insert into public.user_profiles (id, tokens) values ('{uuid4()}', 5)",
            "delete from public.user_profiles",
            "truncate public.user_profiles cascade",
        ):
            assert await refusal(connection, statement) is REFUSED, statement
        assert await connection.execute("update public.user_profiles set full_name = 'Sample P.'") == "UPDATE 1"
        profile = await connection.fetchrow(
            "select full_name, updated_at > created_at as is_touched from public.user_profiles"
        )
        assert profile is not None
        assert tuple(profile) == ("Sample P.", True)
        other = "update public.user_profiles set full_name = 'stolen' where id = $1"
        assert await connection.execute(other, world.stranger.id) == "UPDATE 0"
        assert await refusal(connection, "update public.user_profiles set full_name = repeat('x', 201)") is (
            asyncpg.CheckViolationError
        )


async def test_a_person_cannot_write_into_conversations_messages_or_turns(world: World) -> None:
    session = world.user.turn.session_id
    async with world.database.acting("authenticated", world.user.id) as connection:
        for statement in (
            f"insert into public.messages (session_id, message) values ('{session}', '{{\"type\": \"ai\"}}')",
            f"insert into public.messages (session_id, message) values ('{session}', '{{\"type\": \"human\"}}')",
            "update public.messages set message_data = '[]'",
            "delete from public.messages",
            f"insert into public.conversations (session_id, user_id) values ('{uuid4()}', '{world.user.id}')",
            f"update public.conversations set user_id = '{world.user.id}'",
            "delete from public.conversations",
            f"insert into public.requests (id, user_id, user_query) values ('{uuid4()}', '{world.user.id}', 'x')",
            "update public.requests set status = 'released'",
            "delete from public.requests",
        ):
            assert await refusal(connection, statement) is REFUSED, statement


async def test_a_person_cannot_write_into_money(world: World) -> None:
    async with world.database.acting("authenticated", world.user.id) as connection:
        for table in ("token_grants", "transactions", "purchases", "stripe_events", "app_settings", "job_leases"):
            for statement in (
                f"insert into public.{table} default values",
                f"delete from public.{table}",
                f"truncate public.{table}",
            ):
                assert await refusal(connection, statement) is REFUSED, statement
        for statement in (
            "update public.token_grants set remaining = 1000",
            "update public.transactions set tokens = 1000",
            "update public.purchases set paid_minor = 500",
            "update public.app_settings set value = '1000'",
            "select from public.stripe_events",
            "select from public.app_settings",
            "select from public.run_events",
            "select from public.rag_pipeline_state",
        ):
            assert await refusal(connection, statement) is REFUSED, statement


@pytest.mark.parametrize("amount", [-100, -1, 0, 1, 100])
@pytest.mark.parametrize("role", ["anon", "authenticated"])
async def test_no_browser_key_calls_a_function_that_moves_tokens(world: World, role: str, amount: int) -> None:
    me = world.user.id
    async with world.database.acting(role, me) as connection:
        for statement in (
            f"select public.grant_tokens('{me}', {amount}, 'adjustment', 'mine')",
            f"select public.grant_tokens_for_purchase('{me}', {amount}, 'evt', 'pi')",
            f"select public.deduct_token_if_sufficient('{world.stranger.id}')",
            f"select public.settle_purchase('{uuid4()}')",
            f"select public.settle_lost_request('{me}', '{world.user.turn.request_id}')",
            f"select private.move_tokens('{me}', 'grant', {amount}, 1, 'mine')",
            f"select private.add_grant('{me}', {amount}, 'adjustment', 'grant', 'mine')",
            f"select private.expire_due_grants('{me}', {amount})",
            f"select public.begin_request('{me}', '{me}', '', 'x', 'submit-message', null, null, null, '{me}', 9,5,9)",
            f"select public.settle_request('{me}', '{me}', '{me}', 'done', '', '{{}}', '', '', 0, 0, true, {amount})",
            "select public.audit_ledger()",
            f"select public.current_balance('{world.stranger.id}')",
        ):
            assert await refusal(connection, statement) is REFUSED, statement


@pytest.mark.parametrize("amount", [-100, -1, 0, None])
async def test_a_grant_that_is_not_positive_is_refused_to_the_services_too(world: World, amount: int | None) -> None:
    async with world.database.acting("service_role") as connection:
        with pytest.raises(asyncpg.PostgresError) as refused:
            async with connection.transaction():
                await connection.execute("select public.grant_tokens($1, $2, 'adjustment', 'k')", world.user.id, amount)
        assert refused.value.sqlstate == "AP422"
        answer = await connection.fetchrow(
            "select * from public.grant_tokens_for_purchase($1, $2, 'evt', 'pi')", world.user.id, amount
        )
        assert answer is not None
        assert not answer["success"]
        assert answer["new_balance"] == 4


async def test_the_services_cannot_write_a_balance_or_the_ledger_past_the_functions(world: World) -> None:
    async with world.database.acting("service_role") as connection:
        for statement in (
            "update public.user_profiles set tokens = 1000",
            f"insert into public.user_profiles (id, tokens) values ('{uuid4()}', 1000)",
            "update public.token_grants set remaining = 1000",
            "delete from public.token_grants",
            f"insert into public.transactions (user_id, transaction_type, tokens) values ('{uuid4()}', 'grant', 5)",
            "update public.transactions set tokens = 0",
            "select private.move_tokens(gen_random_uuid(), 'grant', 5, 1, 'mine')",
        ):
            assert await refusal(connection, statement) is REFUSED, statement
        balance = await connection.fetchval(
            "select balance from public.grant_tokens($1, 3, 'adjustment', 'k')", world.user.id
        )
        assert balance == 7


async def test_operators_read_profiles_and_money_of_everybody_but_no_conversation(world: World) -> None:
    async with world.database.connect() as connection:
        await connection.execute("update public.user_profiles set is_admin = true where id = $1", world.stranger.id)
    async with world.database.acting("authenticated", world.stranger.id) as connection:
        assert await connection.fetchval("select public.is_admin()")
        for table in ("user_profiles", "token_grants", "purchases"):
            assert await connection.fetchval(f"select count(*) from public.{table}") == 2, table
        assert await connection.fetchval("select count(distinct user_id) from public.transactions") == 2
        for table in ("conversations", "requests"):
            assert await connection.fetchval(f"select count(*) from public.{table}") == 1, table
        assert await refusal(connection, "update public.user_profiles set tokens = 5") is REFUSED
        other = "update public.user_profiles set full_name = 'x' where id = $1"
        assert await connection.execute(other, world.user.id) == "UPDATE 0"
    async with world.database.acting("authenticated", world.user.id) as connection:
        assert await connection.fetchval("select public.is_admin()") is False


async def test_search_finds_exactly_what_row_level_security_shows(world: World) -> None:
    for me in (world.user.id, world.stranger.id):
        async with world.database.acting("authenticated", me) as connection:
            shown = {row[0] for row in await connection.fetch("select content from public.documents")}
        async with world.database.acting("service_role") as connection:
            found = await connection.fetch("select content from public.search_documents($1, 'tea', null, null)", me)
        assert {row["content"] for row in found} == shown
        assert len(shown) == 2


async def test_an_account_gets_its_profile_name_and_later_its_new_address(database: Database) -> None:
    user_id = await database.add_user(email="old@example.com", full_name="  Sample  ")
    async with database.connect("supabase_auth_admin") as connection:
        await connection.execute("update auth.users set email = 'new@example.com' where id = $1", user_id)
    async with database.connect() as connection:
        profile = await connection.fetchrow("select email, full_name from public.user_profiles where id = $1", user_id)
        assert profile is not None
        assert tuple(profile) == ("new@example.com", "Sample")
        await connection.execute("select public.update_profile_name($1, '  Sample P. ')", user_id)
        name = "select full_name from public.user_profiles where id = $1"
        assert await connection.fetchval(name, user_id) == "Sample P."
        with pytest.raises(asyncpg.PostgresError) as refused:
            await connection.execute("select public.update_profile_name($1, 'x')", uuid4())
        assert refused.value.sqlstate == "AP401"
