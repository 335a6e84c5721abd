"""How a turn ends: once, by its own process or after that was lost, and what it costs then."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.turns import Begun, Turns, audit


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    async with database.connect() as connection:
        yield connection


@pytest.fixture
async def turns(database: Database, connection: asyncpg.Connection) -> Turns:
    return Turns(connection, await database.add_user(tokens=10))


@pytest.fixture
async def begun(turns: Turns) -> Begun:
    return await turns.begin("Hello")


async def request(connection: asyncpg.Connection, begun: Begun) -> asyncpg.Record:
    row = await connection.fetchrow("select * from public.requests where id = $1", begun.request_id)
    assert row is not None
    return row


async def answer(connection: asyncpg.Connection, begun: Begun) -> asyncpg.Record | None:
    return await connection.fetchrow("select * from public.messages where id = $1", begun.answer_message_id)


@pytest.mark.parametrize("status", ["done", "stopped", "failed"])
async def test_a_turn_with_output_is_kept_and_charged(
    turns: Turns, connection: asyncpg.Connection, begun: Begun, status: str
) -> None:
    settled = await turns.settle(begun.request_id, status, content="Partly")
    assert (settled.settled, settled.status, settled.balance) == (True, status, 9)
    row = await request(connection, begun)
    assert (row["status"], row["lease_holder"], row["lease_expires_at"]) == (status, turns.holder, None)
    assert (row["model"], row["input_tokens"], row["output_tokens"], row["usage_estimated"]) == ("demo", 10, 20, False)
    assert row["settled_at"] is not None
    stored = await answer(connection, begun)
    assert stored is not None
    assert json.loads(stored["message"]) == {"type": "ai", "content": "Partly"}
    assert (stored["parent_id"], stored["request_id"]) == (begun.user_message_id, begun.request_id)
    assert await audit(connection) == []


async def test_a_released_turn_gives_its_token_back_and_says_why(
    turns: Turns, connection: asyncpg.Connection, begun: Begun
) -> None:
    settled = await turns.settle(begun.request_id, "released", reason="model_unavailable")
    assert (settled.settled, settled.balance) == (True, 10)
    assert (await request(connection, begun))["reason"] == "model_unavailable"
    assert await answer(connection, begun) is None
    entries = await connection.fetch(
        "select transaction_type, tokens, balance_after, metadata ->> 'reason' from public.transactions"
        " where request_id = $1 order by seq",
        begun.request_id,
    )
    assert [tuple(row) for row in entries] == [("consumption", -1, 9, None), ("release", 1, 10, "model_unavailable")]
    assert await audit(connection) == []
    assert (await turns.begin(request_id=begun.request_id)).status == "released"


async def test_a_turn_is_settled_once(turns: Turns, connection: asyncpg.Connection, begun: Begun) -> None:
    await turns.settle(begun.request_id, "done")
    for status in ("done", "released", "failed"):
        again = await turns.settle(begun.request_id, status)
        assert (again.settled, again.status, again.balance) == (False, "done", 9)
    assert await connection.fetchval("select count(*) from public.messages") == 2
    assert await audit(connection) == []


async def test_only_the_holder_of_the_lease_settles(
    database: Database, turns: Turns, connection: asyncpg.Connection, begun: Begun
) -> None:
    other_process = Turns(connection, turns.user_id)
    assert (await other_process.settle(begun.request_id)).settled is False
    other_person = Turns(connection, await database.add_user(tokens=1), turns.holder)
    settled = await other_person.settle(begun.request_id, "released")
    assert (settled.settled, settled.status, settled.balance) == (False, None, 1)
    assert (await turns.settle(uuid4())).settled is False
    assert (await request(connection, begun))["status"] == "running"


@pytest.mark.parametrize("status", ["running", "unheard-of", None])
async def test_a_turn_cannot_end_in_a_state_that_is_no_end(
    turns: Turns, connection: asyncpg.Connection, begun: Begun, status: str
) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await turns.settle(begun.request_id, status)
    assert (await request(connection, begun))["status"] == "running"
    assert await audit(connection) == []


async def test_a_release_into_an_expired_lot_expires_at_once(
    database: Database, connection: asyncpg.Connection
) -> None:
    turns = Turns(connection, await database.add_user())
    await connection.execute(
        "select public.grant_tokens($1, 2, 'activation_code', 'k', clock_timestamp() + interval '1 hour')",
        turns.user_id,
    )
    first, second = await turns.begin(), await turns.begin()
    await connection.execute("update public.token_grants set expires_at = clock_timestamp() - interval '1 second'")
    for begun in (first, second):
        assert (await turns.settle(begun.request_id, "released")).balance == 0
    types = await connection.fetch("select transaction_type, balance_after from public.transactions order by seq")
    assert [tuple(row) for row in types] == [
        ("grant", 2),
        ("consumption", 1),
        ("consumption", 0),
        ("release", 1),
        ("expiry", 0),
        ("release", 1),
        ("expiry", 0),
    ]
    assert await audit(connection) == []


async def test_a_lease_is_renewed_for_all_turns_of_a_process_and_no_other(
    turns: Turns, connection: asyncpg.Connection
) -> None:
    mine = [await turns.begin() for _ in range(2)]
    theirs = await Turns(connection, turns.user_id).begin()
    done = await turns.answer()
    ids = [turn.request_id for turn in (*mine, theirs, done)]
    before = (await request(connection, mine[0]))["lease_expires_at"]
    renewed = await connection.fetch("select * from public.renew_leases($1, $2, 1200)", turns.holder, ids)
    assert {row[0] for row in renewed} == {turn.request_id for turn in mine}
    assert (await request(connection, mine[0]))["lease_expires_at"] > before


async def test_a_running_turn_within_its_lease_is_not_lost(
    turns: Turns, connection: asyncpg.Connection, begun: Begun
) -> None:
    assert await connection.fetch("select * from public.list_lost_requests(10)") == []
    assert await turns.settle_lost(begun.request_id) is None
    await turns.lose(begun.request_id)
    lost = await connection.fetch("select * from public.list_lost_requests(10)")
    assert [tuple(row) for row in lost] == [(turns.user_id, begun.request_id)]


TEXT = {"type": "text-delta", "id": "1", "delta": "Half an "}
MORE = {"type": "text-delta", "id": "1", "delta": "answer"}
BLANK = {"type": "text-delta", "id": "1", "delta": " \n\t"}
TOOL_CALL = {"type": "tool-input-available", "toolCallId": "t"}
TOOL_RESULT = {"type": "tool-output-available", "toolCallId": "t"}
REASONING = {"type": "reasoning-delta", "id": "1", "delta": "Let me see"}

LOST = {
    "nothing": ((), False, "released"),
    "blank text": ((BLANK, BLANK), False, "released"),
    "a tool that did not finish": ((TOOL_CALL,), False, "released"),
    "reasoning alone": ((REASONING,), False, "released"),
    "nothing, and stop was asked for": ((), True, "released"),
    "text": ((BLANK, TEXT, MORE), False, "failed"),
    "text, and stop was asked for": ((TEXT, MORE), True, "stopped"),
    "a finished tool": ((TOOL_CALL, TOOL_RESULT), False, "failed"),
}


@pytest.mark.parametrize("case", LOST)
async def test_a_lost_turn_is_settled_from_what_it_sent(
    turns: Turns, connection: asyncpg.Connection, begun: Begun, case: str
) -> None:
    parts, is_stopped, expected = LOST[case]
    await turns.emit(begun.request_id, {"type": "start"}, *parts)
    if is_stopped:
        await connection.execute("select public.request_stop($1, $2)", turns.user_id, begun.session_id)
    await turns.lose(begun.request_id)
    assert await turns.settle_lost(begun.request_id) == expected
    row = await request(connection, begun)
    assert (row["status"], row["reason"]) == (expected, "process_lost")
    stored = await answer(connection, begun)
    if expected == "released":
        assert stored is None
        assert await turns.balance() == 10
    else:
        assert stored is not None
        text = "".join(part["delta"] for part in parts if part["type"] == "text-delta")
        assert json.loads(stored["message"])["content"] == text
        assert await turns.balance() == 9
    assert await audit(connection) == []
    assert await turns.settle_lost(begun.request_id) is None
    assert (await turns.settle(begun.request_id)).settled is False


async def test_a_process_that_lost_a_turn_adds_no_events_to_it(
    turns: Turns, connection: asyncpg.Connection, begun: Begun
) -> None:
    assert await turns.emit(begun.request_id, TEXT) == [begun.request_id]
    assert await turns.emit(begun.request_id, TEXT) == [begun.request_id]
    await turns.lose(begun.request_id)
    await turns.settle_lost(begun.request_id)
    assert await turns.emit(begun.request_id, MORE, first_seq=2) == []
    assert await connection.fetchval("select count(*) from public.run_events") == 1


async def test_a_process_that_settled_a_turn_adds_the_end_of_its_stream(
    turns: Turns, connection: asyncpg.Connection, begun: Begun
) -> None:
    await turns.emit(begun.request_id, TEXT)
    await turns.settle(begun.request_id)
    assert await turns.emit(begun.request_id, MORE, first_seq=2) == []
    assert await connection.fetchval("select count(*) from public.run_events") == 2
    await connection.execute("select public.delete_conversation($1, $2)", turns.user_id, begun.session_id)
    await turns.emit(begun.request_id, MORE, first_seq=3)
    assert await connection.fetchval("select count(*) from public.run_events") == 0


async def test_stop_reaches_the_process_through_the_request(
    database: Database, turns: Turns, connection: asyncpg.Connection, begun: Begun
) -> None:
    other = await database.add_user()
    for user_id, session_id in ((other, begun.session_id), (turns.user_id, str(uuid4()))):
        with pytest.raises(asyncpg.PostgresError) as refused:
            await connection.execute("select public.request_stop($1, $2)", user_id, session_id)
        assert refused.value.sqlstate == "AP404"
    stop = "select public.request_stop($1, $2)"
    assert await connection.fetchval(stop, turns.user_id, begun.session_id) == begun.request_id
    rows = await connection.fetch(
        "select * from public.flush_run_events($1, $2, '[]')", turns.holder, [begun.request_id]
    )
    assert [tuple(row) for row in rows] == [(begun.request_id, True)]
    await turns.settle(begun.request_id, "stopped")
    assert await connection.fetchval(stop, turns.user_id, begun.session_id) is None


async def test_events_are_dropped_an_hour_after_their_turn_settled(
    database: Database, turns: Turns, connection: asyncpg.Connection
) -> None:
    running, recent, old, older = [await turns.begin() for _ in range(4)]
    gone = Turns(connection, await database.add_user(tokens=1))
    deleted = await gone.begin()
    for turn in (running, recent, old, older):
        await turns.emit(turn.request_id, TEXT, MORE)
    await gone.emit(deleted.request_id, TEXT, MORE)
    await database.delete_user(gone.user_id)
    for turn in (recent, old, older):
        await turns.settle(turn.request_id)
    await connection.execute(
        "update public.requests set settled_at = clock_timestamp() - interval '61 minutes' where id = any($1)",
        [old.request_id, older.request_id],
    )
    purged = [await connection.fetchval("select public.purge_run_events(2)") for _ in range(3)]
    assert purged == [4, 2, 0]
    left = await connection.fetch("select distinct request_id from public.run_events")
    assert {row["request_id"] for row in left} == {running.request_id, recent.request_id}


async def test_a_conversation_is_deleted_with_what_was_said_and_its_turns_stay_countable(
    database: Database, turns: Turns, connection: asyncpg.Connection, begun: Begun
) -> None:
    delete = "select public.delete_conversation($1, $2)"
    for user_id, session_id, sqlstate in (
        (turns.user_id, begun.session_id, "AP409"),
        (await database.add_user(), begun.session_id, "AP404"),
        (turns.user_id, str(uuid4()), "AP404"),
        (uuid4(), begun.session_id, "AP401"),
    ):
        with pytest.raises(asyncpg.PostgresError) as refused:
            await connection.execute(delete, user_id, session_id)
        assert refused.value.sqlstate == sqlstate
    await turns.emit(begun.request_id, TEXT)
    await turns.settle(begun.request_id)
    await connection.execute(delete, turns.user_id, begun.session_id)
    for table in ("conversations", "messages", "run_events"):
        assert await connection.fetchval(f"select count(*) from public.{table}") == 0, table
    row = await request(connection, begun)
    assert (row["user_query"], row["status"], row["input_tokens"]) == ("", "done", 10)
    assert await audit(connection) == []
    with pytest.raises(asyncpg.PostgresError) as refused:
        await turns.begin(rate_limit=1)
    assert refused.value.sqlstate == "AP429"


async def test_a_deleted_account_takes_the_person_and_keeps_the_books(
    database: Database, turns: Turns, connection: asyncpg.Connection, begun: Begun
) -> None:
    await turns.emit(begun.request_id, TEXT)
    await turns.settle(begun.request_id)
    await connection.execute("insert into public.user_memories (user_id, content) values ($1, 'tea')", turns.user_id)
    await connection.execute("insert into public.document_metadata (id, owner_id) values ('d', $1)", turns.user_id)
    await connection.execute(
        "insert into public.documents (document_id, owner_id, content) values ('d', $1, 'tea')", turns.user_id
    )
    await connection.execute("insert into public.document_rows (dataset_id, row_data) values ('d', '{}')")
    await database.delete_user(turns.user_id)
    for table in (
        *("user_profiles", "conversations", "messages", "requests", "user_memories"),
        *("document_metadata", "documents", "document_rows"),
    ):
        assert await connection.fetchval(f"select count(*) from public.{table}") == 0, table
    assert await connection.fetchval("select count(*) from public.transactions") == 2
    assert await connection.fetchval("select sum(remaining) from public.token_grants") == 9
    assert await audit(connection) == []


async def test_an_account_deleted_while_a_turn_runs_ends_the_turn(
    database: Database, turns: Turns, connection: asyncpg.Connection, begun: Begun
) -> None:
    await turns.emit(begun.request_id, TEXT)
    await database.delete_user(turns.user_id)
    assert await turns.emit(begun.request_id, MORE, first_seq=2) == []
    assert (
        await connection.fetch("select * from public.renew_leases($1, $2, 30)", turns.holder, [begun.request_id]) == []
    )
    with pytest.raises(asyncpg.PostgresError) as refused:
        await turns.settle(begun.request_id)
    assert refused.value.sqlstate == "AP401"
    assert await connection.fetch("select * from public.list_lost_requests(10)") == []
    assert await connection.fetchval("select count(*) from public.messages") == 0
    assert await audit(connection) == []
