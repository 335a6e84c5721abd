"""However a database comes to our schema, it is the same schema; and what an older database held is kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.schema import (
    FRESH_INSTALL,
    SQL_DIRECTORY,
    all_scripts,
    apply,
    differences,
    read_schema,
    upgrade_scripts,
)
from tests.sql.turns import Turns

USER = UUID("00000000-0000-4000-8000-00000000000a")
STRANGER = UUID("00000000-0000-4000-8000-00000000000b")
OLD_SESSION = f"{USER}~abcdefghij"

# Indexes under older names beside ours: an upgrade does not take away what an operator may rely on.
KEPT_FROM_OLD = {
    "index public.idx_requests_user_timestamp",
    "index public.idx_conversations_user",
    "index public.idx_messages_session",
    "index public.idx_transactions_user",
}
# What scripts 1-5 alone bring, so that an upgrade from 10 up does not have it.
ONLY_IN_FIRST_SCRIPTS = {
    "function private.follow_email()",
    "function public.handle_new_user()",
    "trigger on_auth_user_email_changed on auth.users",
    "table public.conversations",
    "table public.document_metadata",
    "table public.documents",
    "table public.messages",
    "table public.rag_pipeline_state",
    "table public.requests",
    "table public.user_profiles",
}


def test_the_fresh_install_is_generated_from_the_numbered_scripts() -> None:
    subprocess.run([sys.executable, str(SQL_DIRECTORY / "build.py"), "--check"], check=True)


async def test_a_fresh_install_gives_the_schema_of_the_numbered_scripts(
    database: Database, empty_database: Database
) -> None:
    apply(empty_database, FRESH_INSTALL)
    assert differences(await read_schema(empty_database), await read_schema(database)) == {}


async def test_every_script_twice_gives_the_same_schema(database: Database) -> None:
    before = await read_schema(database)
    for script in all_scripts():
        apply(database, script)
    assert differences(before, await read_schema(database)) == {}


async def test_a_script_applied_twice_in_a_row_gives_the_same_schema(
    database: Database, empty_database: Database
) -> None:
    for script in all_scripts():
        apply(empty_database, script, script)
    assert differences(await read_schema(empty_database), await read_schema(database)) == {}


async def test_a_fresh_install_over_an_installed_database_starts_anew(database: Database) -> None:
    before = await read_schema(database)
    user_id = await database.add_user(tokens=3)
    apply(database, FRESH_INSTALL)
    assert differences(before, await read_schema(database)) == {}
    async with database.connect() as connection:
        assert await connection.fetchval("select count(*) from public.transactions") == 0
        profile = await connection.fetchrow("select id, tokens from public.user_profiles")
    assert profile is not None
    assert (profile["id"], profile["tokens"]) == (user_id, 0)


async def test_the_owner_of_the_schema_is_no_superuser_and_owns_nothing_in_auth(database: Database) -> None:
    async with database.connect() as connection:
        assert await connection.fetchval("select not rolsuper from pg_roles where rolname = current_user")
        assert await connection.fetchval(
            "select count(*) = 0 from pg_class"
            " where relnamespace = 'auth'::regnamespace and relowner = 'postgres'::regrole"
        )
        assert await connection.fetchval(
            "select bool_and(relowner = 'postgres'::regrole) from pg_class where oid in"
            " (select ('public.' || tablename)::regclass from pg_tables where schemaname = 'public')"
        )


async def test_an_install_needs_no_right_on_schema_extensions_but_usage(empty_database: Database) -> None:
    empty_database.cluster.run_sql(
        "alter schema extensions owner to supabase_admin; revoke all on schema extensions from postgres;"
        "grant usage on schema extensions to postgres, anon, authenticated, service_role;",
        database=empty_database.name,
    )
    apply(empty_database, *all_scripts(), FRESH_INSTALL)


async def test_accounts_made_before_the_install_get_a_profile(empty_database: Database) -> None:
    user_id = await empty_database.add_user(full_name="Sample", email="person@example.com")
    apply(empty_database, *all_scripts())
    async with empty_database.connect() as connection:
        profile = await connection.fetchrow("select id, email, full_name, tokens, is_admin from public.user_profiles")
    assert profile is not None
    assert tuple(profile) == (user_id, "person@example.com", "Sample", 0, False)


@dataclass(frozen=True)
class OldVersion:
    has_payments: bool
    vector_schema: str = "extensions"
    changes: str = ""


OLD_VERSIONS = {
    "with payments": OldVersion(has_payments=True),
    "without payments": OldVersion(has_payments=False),
    "vector in public": OldVersion(has_payments=True, vector_schema="public"),
    "keys of other types": OldVersion(
        has_payments=True,
        changes="""
            alter table transactions drop column id, add column id bigserial primary key;
            alter table transactions alter column transaction_type type varchar(20),
                alter column created_at type timestamp without time zone;
            alter table documents drop column id, add column id uuid primary key default gen_random_uuid();
            alter table messages drop column computed_session_user_id cascade;
            alter table messages drop column id, add column id serial primary key;
        """,
    ),
}


def make_old(database: Database, version: OldVersion) -> None:
    """Turn an empty database into one that an earlier version of this kind of project left."""
    files = ["old_database.sql", *(["old_payments.sql"] if version.has_payments else [])]
    text = "\n".join((Path(__file__).parent / file).read_text() for file in files)
    text = text.replace("{vector_schema}", version.vector_schema)
    database.cluster.run_sql(
        f"drop extension vector; create extension vector with schema {version.vector_schema};",
        database=database.name,
    )
    database.cluster.run_sql(text + version.changes, role="postgres", database=database.name)


@pytest.fixture(params=OLD_VERSIONS)
def old_version(request: pytest.FixtureRequest, empty_database: Database) -> OldVersion:
    version = OLD_VERSIONS[request.param]
    make_old(empty_database, version)
    return version


async def test_an_older_database_comes_to_the_same_schema(
    old_version: OldVersion, empty_database: Database, database: Database
) -> None:
    apply(empty_database, *all_scripts())
    found = differences(await read_schema(empty_database), await read_schema(database))
    assert found.keys() - KEPT_FROM_OLD == set()


async def test_scripts_10_and_up_alone_bring_an_older_database_to_the_same_schema(
    old_version: OldVersion, empty_database: Database, database: Database
) -> None:
    apply(empty_database, *upgrade_scripts())
    found = differences(await read_schema(empty_database), await read_schema(database))
    assert found.keys() - KEPT_FROM_OLD - ONLY_IN_FIRST_SCRIPTS == set()


SCRIPTS: dict[str, Callable[[], list[Path]]] = {"all scripts": all_scripts, "scripts 10 and up": upgrade_scripts}


@pytest.mark.parametrize("scripts", SCRIPTS)
async def test_an_older_database_keeps_its_data(
    scripts: str, old_version: OldVersion, empty_database: Database
) -> None:
    apply(empty_database, *SCRIPTS[scripts](), *SCRIPTS[scripts]())
    async with empty_database.connect() as connection:
        people = await connection.fetch(
            "select email, full_name, is_admin, tokens from public.user_profiles order by email"
        )
        balance = 97 if old_version.has_payments else 0
        assert [tuple(row) for row in people] == [
            ("person@example.com", "Sample", False, balance),
            ("stranger@example.com", None, False, 0),
        ]
        requests = await connection.fetch('select user_query, status, "timestamp" from public.requests order by id')
        assert [tuple(row)[:2] for row in requests] == [("What is a lot?", "done"), ("And a ledger?", "done")]
        assert requests[0]["timestamp"].isoformat() == "2025-01-01T10:00:00+00:00"
        await check_conversations(connection)
        await check_documents(connection)
        await check_books(connection, old_version)


async def check_conversations(connection: asyncpg.Connection) -> None:
    conversations = await connection.fetch("select title, is_archived from public.conversations order by session_id")
    assert [tuple(row) for row in conversations] == [("Lots", False), (None, True)]
    messages = await connection.fetch(
        "select m.message ->> 'content' as content, p.message ->> 'content' as parent, m.request_id, m.message_data,"
        " m.computed_session_user_id from public.messages as m left join public.messages as p on p.id = m.parent_id"
        " where m.session_id = $1 order by m.id",
        OLD_SESSION,
    )
    assert [tuple(row) for row in messages] == [
        ("What is a lot?", None, None, None, USER),
        ("A batch.", "What is a lot?", None, '[{"kind": "response"}]', USER),
        ("And a ledger?", "A batch.", None, None, USER),
    ]


async def check_documents(connection: asyncpg.Connection) -> None:
    chunks = await connection.fetch(
        "select d.document_id, m.title, d.chunk_index, d.content, d.owner_id, pg_typeof(d.id)::text"
        " from public.documents as d join public.document_metadata as m on m.id = d.document_id order by 1"
    )
    assert [tuple(row) for row in chunks] == [
        ("lots", "Lots", 3, "A lot is a batch.", None, "bigint"),
        ("sheet", "Prices", 0, "Tea costs two.", None, "bigint"),
    ]
    created_at = await connection.fetchval("select created_at from public.document_metadata where id = 'sheet'")
    assert created_at.isoformat() == "2025-01-01T10:00:00+00:00"
    rows = await connection.fetch("select row_data ->> 'item' as item from public.document_rows order by id")
    assert [row["item"] for row in rows] == ["tea", "milk"]
    assert await connection.fetchval("select known_files ->> 'lots' from public.rag_pipeline_state") == "2025-01-01"
    found = await connection.fetch("select content from public.search_documents($1, 'tea', null, null)", USER)
    assert [row["content"] for row in found] == ["Tea costs two."]
    near = await connection.fetchval(
        "select count(*) from public.match_documents(array_fill(0.5, array[1536])::vector, 5)"
    )
    assert near == 2


async def check_books(connection: asyncpg.Connection, old_version: OldVersion) -> None:
    assert await connection.fetch("select * from public.audit_ledger()") == []
    entries = await connection.fetch(
        "select transaction_type, tokens, balance_after, stripe_event_id, amount from public.transactions"
        " where user_id = $1 order by seq",
        USER,
    )
    if not old_version.has_payments:
        assert entries == []
        return
    assert [tuple(row) for row in entries] == [
        ("purchase", 100, None, "evt_1", 500),
        ("consumption", 1, None, None, None),
        ("consumption", 1, None, None, None),
        ("consumption", 1, None, None, None),
        ("opening", 97, 97, None, None),
    ]
    lots = await connection.fetch("select source, amount, remaining from public.token_grants")
    assert [tuple(row) for row in lots] == [("opening_balance", 97, 97)]
    # The payment of then is not credited again when its event comes again.
    await connection.execute("select * from public.grant_tokens_for_purchase($1, 100, 'evt_1', 'pi_1')", USER)
    assert await connection.fetchval("select public.current_balance($1)", USER) == 97


async def test_a_person_of_an_older_database_continues_an_old_conversation(empty_database: Database) -> None:
    make_old(empty_database, OLD_VERSIONS["with payments"])
    apply(empty_database, *all_scripts())
    async with empty_database.connect() as connection:
        turns = Turns(connection, USER)
        begun = await turns.begin("Go on", session_id=OLD_SESSION)
        await turns.settle(begun.request_id, content="Gladly.")
        contents = await connection.fetch(
            "select message ->> 'content' as content from public.messages where session_id = $1 order by id",
            OLD_SESSION,
        )
        assert [row["content"] for row in contents][-3:] == ["And a ledger?", "Go on", "Gladly."]
        assert begun.balance == 96
        await connection.execute("select public.delete_conversation($1, $2)", USER, OLD_SESSION)
        assert await connection.fetch("select * from public.audit_ledger()") == []
    await empty_database.delete_user(USER)
    async with empty_database.connect() as connection:
        assert await connection.fetchval("select count(*) from public.requests") == 0


async def test_functions_of_an_older_database_that_anybody_could_call_are_gone(empty_database: Database) -> None:
    make_old(empty_database, OLD_VERSIONS["with payments"])
    apply(empty_database, *upgrade_scripts())
    async with empty_database.connect() as connection:
        assert await connection.fetchval("select to_regproc('public.execute_custom_sql') is null")
        grants = await connection.fetchval("select count(*) from pg_proc where proname = 'grant_tokens_for_purchase'")
        assert grants == 1


async def test_orphans_of_an_older_database_do_not_stop_its_upgrade(empty_database: Database) -> None:
    make_old(empty_database, OLD_VERSIONS["without payments"])
    empty_database.cluster.run_sql(
        f"alter table requests drop constraint requests_user_id_fkey;"
        f"insert into requests (user_id, user_query) values ('{uuid4()}', 'lost');",
        role="postgres",
        database=empty_database.name,
    )
    apply(empty_database, *all_scripts(), *all_scripts())
    async with empty_database.connect() as connection:
        assert await connection.fetchval("select count(*) from public.requests") == 3
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await connection.execute(
                "insert into public.requests (id, user_id, user_query) values ($1, $1, 'nobody')", uuid4()
            )
