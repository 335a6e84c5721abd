"""Lots, the append-only ledger, and an audit that sees every kind of fault."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.turns import Turns, audit


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    async with database.connect() as connection:
        yield connection


async def grant(
    connection: asyncpg.Connection, user_id: UUID, tokens: int, key: str, seconds: float | None = None
) -> int:
    """Add a lot of the given name, which expires after so many seconds; returns the balance."""
    return await connection.fetchval(
        "select balance from public.grant_tokens($1, $2, 'activation_code', $3,"
        " clock_timestamp() + make_interval(secs => $4))",
        *(user_id, tokens, key, seconds),
    )


async def lots(connection: asyncpg.Connection) -> dict[str, int]:
    return {
        row["key"]: row["remaining"] for row in await connection.fetch("select key, remaining from public.token_grants")
    }


async def expire(connection: asyncpg.Connection, *keys: str) -> None:
    await connection.execute(
        "update public.token_grants set expires_at = clock_timestamp() - interval '1 second' where key = any($1)", keys
    )


async def test_a_debit_takes_from_the_lot_that_expires_first(
    database: Database, connection: asyncpg.Connection
) -> None:
    turns = Turns(connection, await database.add_user())
    await grant(connection, turns.user_id, 2, "for good")
    await grant(connection, turns.user_id, 1, "late", 7200)
    await grant(connection, turns.user_id, 2, "soon", 3600)
    expected = [("soon", 1), ("soon", 0), ("late", 0), ("for good", 1), ("for good", 0)]
    for key, remaining in expected:
        await turns.answer()
        assert (await lots(connection))[key] == remaining
    assert await audit(connection) == []


async def test_due_lots_expire_before_a_debit_and_before_a_balance_is_told(
    database: Database, connection: asyncpg.Connection
) -> None:
    turns = Turns(connection, await database.add_user())
    await grant(connection, turns.user_id, 2, "for good")
    await grant(connection, turns.user_id, 3, "soon", 3600)
    await grant(connection, turns.user_id, 4, "later", 7200)
    await expire(connection, "soon")
    assert (await turns.begin()).balance == 5
    await expire(connection, "later")
    assert await turns.balance() == 2
    assert await lots(connection) == {"for good": 2, "soon": 0, "later": 0}
    expiries = await connection.fetch(
        "select tokens from public.transactions where transaction_type = 'expiry' order by seq"
    )
    assert [row["tokens"] for row in expiries] == [-3, -3]
    assert await audit(connection) == []


async def test_a_balance_that_is_due_can_be_spent_by_nobody(database: Database, connection: asyncpg.Connection) -> None:
    turns = Turns(connection, await database.add_user())
    await grant(connection, turns.user_id, 3, "soon", 3600)
    await expire(connection, "soon")
    with pytest.raises(asyncpg.PostgresError) as refused:
        await turns.begin()
    assert refused.value.sqlstate == "AP402"
    assert (
        await connection.fetchval("select success from public.deduct_token_if_sufficient($1)", turns.user_id) is False
    )


async def test_a_grant_is_given_once_per_key(database: Database, connection: asyncpg.Connection) -> None:
    user_id = await database.add_user()
    give = "select * from public.grant_tokens($1, 5, 'monthly_allowance', 'march')"
    answers = [await connection.fetchrow(give, user_id) for _ in range(2)]
    assert [tuple(row) for row in answers if row] == [(5, False), (5, True)]
    with pytest.raises(asyncpg.PostgresError) as refused:
        await grant(connection, user_id, 5, "past", -1)
    assert refused.value.sqlstate == "AP422"
    with pytest.raises(asyncpg.PostgresError) as refused:
        await grant(connection, uuid4(), 5, "nobody")
    assert refused.value.sqlstate == "AP401"
    assert await audit(connection) == []


async def test_the_functions_of_earlier_versions_keep_their_answers(
    database: Database, connection: asyncpg.Connection
) -> None:
    user_id = await database.add_user()
    buy = "select * from public.grant_tokens_for_purchase($1, 2, $2, $3)"
    deduct = "select * from public.deduct_token_if_sufficient($1)"

    async def ask(query: str, *arguments: object) -> tuple[object, ...]:
        row = await connection.fetchrow(query, *arguments)
        assert row is not None
        return tuple(row)

    assert await ask(deduct, user_id) == (False, 0, "Insufficient tokens")
    assert await ask(buy, user_id, "evt_1", "pi_1") == (True, 2, None)
    # The same event, and another event about the same payment.
    assert await ask(buy, user_id, "evt_1", "pi_1") == (True, 2, "Already processed")
    assert await ask(buy, user_id, "evt_2", "pi_1") == (True, 2, "Already processed")
    assert await ask(buy, user_id, "evt_3", None) == (True, 4, None)
    assert await ask(deduct, user_id) == (True, 3, None)
    assert await ask(deduct, uuid4()) == (False, 0, "User not found")
    assert await ask(buy, uuid4(), "evt_4", "pi_4") == (False, 0, "User not found")
    assert await audit(connection) == []


@pytest.mark.parametrize(
    ("setting", "expected"), [("10", 10), ("0", 0), ('"7"', 7), ("-5", 0), ('"many"', 0), ("null", 0)]
)
async def test_a_new_account_gets_the_bonus_of_the_settings_once(
    database: Database, connection: asyncpg.Connection, setting: str, expected: int
) -> None:
    await connection.execute("update public.app_settings set value = $1 where key = 'signup_bonus_tokens'", setting)
    user_id = await database.add_user()
    assert await connection.fetchval("select public.current_balance($1)", user_id) == expected
    assert await audit(connection) == []


async def test_an_account_that_comes_back_is_no_fault_and_gets_no_second_bonus(
    database: Database, connection: asyncpg.Connection
) -> None:
    await connection.execute("update public.app_settings set value = '10'")
    user_id = await database.add_user()
    await database.delete_user(user_id)
    async with database.connect("supabase_auth_admin") as auth:
        await auth.execute("insert into auth.users (id, email) values ($1, 'back@example.com')", user_id)
    assert await audit(connection) == []
    assert await connection.fetchval("select public.current_balance($1)", user_id) == 10
    assert (await Turns(connection, user_id).begin()).balance == 9
    assert await connection.fetchval("select count(*) from public.token_grants") == 1


async def test_an_unknown_account_has_no_balance(connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.PostgresError) as refused:
        await connection.fetchval("select public.current_balance($1)", uuid4())
    assert refused.value.sqlstate == "AP401"


@pytest.mark.parametrize("role", ["postgres", "supabase_admin"])
@pytest.mark.parametrize(
    "statement",
    [
        "update public.transactions set tokens = 1000",
        "update public.transactions set metadata = '{}' where false",
        "delete from public.transactions",
        "truncate public.transactions",
        "insert into public.transactions (user_id, transaction_type, tokens, key)"
        " select user_id, transaction_type, tokens, key from public.transactions"
        " on conflict (key) do update set tokens = 1000",
    ],
)
async def test_the_ledger_is_append_only_for_its_owner_and_a_superuser_too(
    database: Database, role: str, statement: str
) -> None:
    await database.add_user(tokens=3)
    async with database.connect(role) as connection:
        with pytest.raises(asyncpg.PostgresError) as refused:
            await connection.execute(statement)
    assert refused.value.sqlstate == "AP500"


# Each fault as a superuser with triggers off could make it, and what the audit calls it.
FAULTS = {
    "balance differs from lots": "update public.user_profiles set tokens = tokens + 1",
    "lots differ from ledger": "update public.token_grants set remaining = remaining - 1",
    "lot differs from its entries": (
        "update public.token_grants set remaining = remaining + case key when 'a' then 1 else -1 end"
        " where key in ('a', 'b')"
    ),
    "balance chain broken": "update public.transactions set balance_after = balance_after + 1 where key = 'b'",
    "entry names no lot of the person": "update public.transactions set grant_id = -1 where key = 'b'",
    "purchase not settled": "update public.purchases set refunded_minor = 250",
    "purchase differs from its entries": "update public.purchases set tokens_settled = tokens_settled - 1",
}


@pytest.fixture
async def books(database: Database, connection: asyncpg.Connection) -> UUID:
    """A person with two lots and one settled purchase."""
    user_id = await database.add_user()
    for key in ("a", "b"):
        await grant(connection, user_id, 5, key)
    purchase_id = uuid4()
    await connection.execute(
        "insert into public.purchases (id, user_id, tier, pack_tokens, price_minor, currency, status, paid_minor)"
        " values ($1, $2, 'tier_1', 100, 500, 'usd', 'paid', 500)",
        *(purchase_id, user_id),
    )
    await connection.execute("select public.settle_purchase($1)", purchase_id)
    assert await audit(connection) == []
    return user_id


async def tamper(database: Database, *statements: str) -> None:
    async with database.superuser() as connection:
        await connection.execute("set session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_audit_reports_each_kind_of_fault(
    database: Database, connection: asyncpg.Connection, books: UUID, fault: str
) -> None:
    await tamper(database, FAULTS[fault])
    found = await audit(connection)
    assert fault in {name for _, name, _ in found}
    assert {user_id for user_id, _, _ in found} == {books}


@pytest.mark.parametrize(
    "statement",
    [
        "delete from public.transactions where key = 'b'",
        "delete from public.token_grants where key = 'b'",
        "update public.transactions set tokens = 4 where key = 'b'",
        "update public.transactions set user_id = gen_random_uuid() where key = 'b'",
        "update public.token_grants set user_id = gen_random_uuid() where key = 'b'",
        "delete from public.token_grants",
    ],
)
@pytest.mark.parametrize("is_deleted", [False, True])
async def test_the_audit_sees_rows_that_were_taken_away_or_rewritten(
    database: Database, connection: asyncpg.Connection, books: UUID, statement: str, is_deleted: bool
) -> None:
    if is_deleted:
        await database.delete_user(books)
        assert await audit(connection) == []
    await tamper(database, statement)
    assert await audit(connection) != []


async def test_an_entry_of_the_ledger_is_complete(database: Database, connection: asyncpg.Connection) -> None:
    user_id = await database.add_user()
    for entry in (
        {"tokens": 5, "grant_id": None, "key": "k", "type": "grant", "balance": 5},
        {"tokens": 5, "grant_id": 1, "key": None, "type": "grant", "balance": 5},
        {"tokens": 0, "grant_id": 1, "key": "k", "type": "grant", "balance": 5},
        {"tokens": 5, "grant_id": 1, "key": "k", "type": "present", "balance": 5},
        {"tokens": -5, "grant_id": 1, "key": "k", "type": "grant", "balance": -5},
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(
                "insert into public.transactions (user_id, transaction_type, tokens, balance_after, grant_id, key)"
                " select $1, e ->> 'type', (e ->> 'tokens')::int, (e ->> 'balance')::int, (e ->> 'grant_id')::bigint,"
                " e ->> 'key' from (select $2::jsonb as e) as e",
                *(user_id, json.dumps(entry)),
            )
