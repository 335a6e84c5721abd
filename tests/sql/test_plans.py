"""Costs that must not grow with a person's past or with the size of a table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.turns import Turns

ROWS = 20_000


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    async with database.connect() as connection:
        yield connection


async def add_past(connection: asyncpg.Connection, user_id: UUID) -> str:
    """A person with a long past: many settled turns, ledger rows and messages in one conversation."""
    session_id = str(uuid4())
    await connection.execute(
        "insert into public.conversations (session_id, user_id) values ($1, $2)", session_id, user_id
    )
    await connection.execute(
        "insert into public.requests (id, user_id, user_query, session_id, timestamp, status, settled_at)"
        " select gen_random_uuid(), $1, 'x', $2, now() - interval '1 day', 'done', now() from generate_series(1, $3)",
        *(user_id, session_id, ROWS),
    )
    await connection.execute(
        "insert into public.messages (session_id, request_id, message)"
        """ select $1, gen_random_uuid(), '{"type": "human", "content": "x"}' from generate_series(1, $2)""",
        *(session_id, ROWS),
    )
    await connection.execute(
        "insert into public.transactions (user_id, transaction_type, tokens, key)"
        " select $1, 'consumption', -1, 'past:' || n from generate_series(1, $2) as n",
        *(user_id, ROWS),
    )
    await connection.execute("analyze")
    return session_id


async def rows_read(connection: asyncpg.Connection) -> dict[str, int]:
    """Rows that sequential scans and index scans have read so far, per table."""
    await connection.execute("select pg_stat_force_next_flush()")
    await connection.execute("select pg_stat_clear_snapshot()")
    rows = await connection.fetch(
        "select relname, seq_tup_read + coalesce(idx_tup_fetch, 0) as read from pg_stat_user_tables"
        " where schemaname in ('public', 'queue')"
    )
    return {row["relname"]: row["read"] for row in rows}


async def test_a_turn_reads_a_few_rows_however_long_the_past_is(
    database: Database, connection: asyncpg.Connection
) -> None:
    turns = Turns(connection, await database.add_user(tokens=100))
    session_id = await add_past(connection, turns.user_id)
    before = await rows_read(connection)
    for _ in range(10):
        begun = await turns.begin(session_id=session_id, client_message_id=str(uuid4()))
        await turns.begin(request_id=begun.request_id)
        await turns.settle(begun.request_id)
    after = await rows_read(connection)
    read = {table: count - before[table] for table, count in after.items() if count - before[table] > 500}
    assert read == {}


async def test_queueing_and_taking_a_job_do_not_read_all_that_wait(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "insert into public.document_metadata (id, pipeline_id, source_key)"
        " select 'file ' || n, 'main', 'file ' || n from generate_series(1, 2000) as n"
    )
    # In one statement, as after a look at a source, and while Postgres still takes the queue for empty.
    await connection.execute("select public.enqueue_document(id) from public.document_metadata")
    read = (await rows_read(connection))["procrastinate_jobs"]
    assert read < 10_000
    worker_id = await connection.fetchval("insert into queue.procrastinate_workers default values returning id")
    for _ in range(10):
        taken = await connection.fetchval(
            "select id from queue.procrastinate_fetch_job_v2(array['pipeline:main'], $1)", worker_id
        )
        assert taken is not None
    assert (await rows_read(connection))["procrastinate_jobs"] - read < 500


async def test_events_are_dropped_without_reading_every_request(
    database: Database, connection: asyncpg.Connection
) -> None:
    turns = Turns(connection, await database.add_user(tokens=100))
    await add_past(connection, turns.user_id)
    await connection.execute(
        "insert into public.run_events (request_id, seq, first_seq, part)"
        " select r.id, n, n, '{}' from (select id from public.requests limit 50) as r, generate_series(1, 200) as n"
    )
    await connection.execute("analyze")
    before = await rows_read(connection)
    assert await connection.fetchval("select public.purge_run_events(100)") == 0
    after = await rows_read(connection)
    assert after["requests"] - before["requests"] <= 60
    assert after["run_events"] - before["run_events"] <= 200


async def test_the_sweeper_finds_lost_turns_without_reading_settled_ones(
    database: Database, connection: asyncpg.Connection
) -> None:
    turns = Turns(connection, await database.add_user(tokens=100))
    await add_past(connection, turns.user_id)
    await turns.lose((await turns.begin()).request_id)
    before = await rows_read(connection)
    lost = await connection.fetch("select * from public.list_lost_requests(10)")
    assert len(lost) == 1
    assert (await rows_read(connection))["requests"] - before["requests"] <= 5


async def test_the_balance_is_updated_without_touching_an_index(
    database: Database, connection: asyncpg.Connection
) -> None:
    turns = Turns(connection, await database.add_user(tokens=100))
    for _ in range(20):
        await turns.answer()
    await rows_read(connection)
    updates = await connection.fetch(
        "select relname, n_tup_upd, n_tup_hot_upd from pg_stat_user_tables"
        " where relname in ('user_profiles', 'token_grants')"
    )
    for row in updates:
        assert row["n_tup_upd"] >= 20
        assert row["n_tup_hot_upd"] == row["n_tup_upd"], row["relname"]
