"""The rules of begin_request: each refusal, each kind of repeat, and where a message goes."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.turns import RATE_WINDOW_SECONDS, Begun, Turns, audit

TABLES_OF_A_TURN = ("conversations", "messages", "requests", "transactions")
A_UUID = "6f0e1c1c-0a0d-4e5e-9a51-4a6b5d1f2a30"


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    async with database.connect() as connection:
        yield connection


@pytest.fixture
async def user(database: Database, connection: asyncpg.Connection) -> Turns:
    return Turns(connection, await database.add_user(tokens=10))


@pytest.fixture
async def stranger(database: Database, connection: asyncpg.Connection) -> Turns:
    return Turns(connection, await database.add_user(tokens=10))


@asynccontextmanager
async def refused(connection: asyncpg.Connection, sqlstate: str) -> AsyncGenerator[None, None]:
    """Expects a refusal that leaves no row behind and costs nothing."""
    before = [await connection.fetchval(f"select count(*) from public.{table}") for table in TABLES_OF_A_TURN]
    with pytest.raises(asyncpg.PostgresError) as caught:
        yield
    assert caught.value.sqlstate == sqlstate, caught.value
    after = [await connection.fetchval(f"select count(*) from public.{table}") for table in TABLES_OF_A_TURN]
    assert before == after
    assert await audit(connection) == []


async def message(connection: asyncpg.Connection, message_id: int) -> tuple[str, str, int | None, UUID | None]:
    row = await connection.fetchrow(
        "select message ->> 'type', message ->> 'content', parent_id, request_id from public.messages where id = $1",
        message_id,
    )
    assert row is not None
    return row[0], row[1], row[2], row[3]


async def test_a_turn_takes_a_token_and_stores_question_request_and_entry(
    user: Turns, connection: asyncpg.Connection
) -> None:
    begun = await user.begin("What is a lot?", client_message_id="m-1")
    assert (begun.outcome, begun.status, begun.balance, begun.is_new_conversation) == ("started", "running", 9, True)
    assert UUID(begun.session_id)
    assert begun.answer_message_id > begun.user_message_id
    assert await message(connection, begun.user_message_id) == ("human", "What is a lot?", None, begun.request_id)
    request = await connection.fetchrow("select * from public.requests where id = $1", begun.request_id)
    assert request is not None
    assert request["lease_holder"] == user.holder
    assert request["answer_message_id"] == begun.answer_message_id
    entry = await connection.fetchrow("select * from public.transactions where request_id = $1", begun.request_id)
    assert entry is not None
    assert (entry["transaction_type"], entry["tokens"], entry["balance_after"]) == ("consumption", -1, 9)
    assert await audit(connection) == []


async def test_an_unknown_account_is_refused(connection: asyncpg.Connection) -> None:
    async with refused(connection, "AP401"):
        await Turns(connection, uuid4()).begin()


async def test_an_empty_balance_is_refused_and_leaves_no_conversation(
    database: Database, connection: asyncpg.Connection
) -> None:
    async with refused(connection, "AP402"):
        await Turns(connection, await database.add_user()).begin()


async def test_the_last_token_can_be_spent_once(database: Database, connection: asyncpg.Connection) -> None:
    turns = Turns(connection, await database.add_user(tokens=1))
    assert (await turns.answer()).balance == 0
    async with refused(connection, "AP402"):
        await turns.begin()


@pytest.mark.parametrize(
    ("text", "trigger"), [(None, "submit-message"), (" \n\t ", "submit-message"), ("x", "delete-message")]
)
async def test_what_is_no_turn_is_refused(
    user: Turns, connection: asyncpg.Connection, text: str | None, trigger: str
) -> None:
    async with refused(connection, "AP422"):
        await user.begin(text, trigger=trigger)


async def test_another_persons_conversation_is_not_there(
    user: Turns, stranger: Turns, connection: asyncpg.Connection
) -> None:
    session_id = (await user.answer()).session_id
    async with refused(connection, "AP404"):
        await stranger.begin(session_id=session_id)


@pytest.mark.parametrize(
    "session_id", ["x", "..", "a~b", f"{A_UUID}~abcdefghij", f"{A_UUID} ", f"{A_UUID}\n", "9" * 10_000]
)
async def test_an_unknown_id_that_is_no_uuid_makes_no_conversation(
    user: Turns, connection: asyncpg.Connection, session_id: str
) -> None:
    async with refused(connection, "AP404"):
        await user.begin(session_id=session_id)


async def test_an_unknown_uuid_makes_the_conversation(user: Turns) -> None:
    session_id = str(uuid4())
    begun = await user.begin(session_id=session_id)
    assert (begun.session_id, begun.is_new_conversation) == (session_id, True)


async def test_one_turn_at_a_time_runs_in_a_conversation(user: Turns, connection: asyncpg.Connection) -> None:
    begun = await user.begin()
    async with refused(connection, "AP409"):
        await user.begin(session_id=begun.session_id)
    assert (await user.begin()).outcome == "started"
    await user.settle(begun.request_id)
    assert (await user.begin(session_id=begun.session_id)).is_new_conversation is False


async def test_an_archived_conversation_is_continued_and_stays_archived(
    user: Turns, connection: asyncpg.Connection
) -> None:
    session_id = (await user.answer()).session_id
    await connection.execute("update public.conversations set is_archived = true, last_message_at = '2025-01-01'")
    assert (await user.begin(session_id=session_id)).outcome == "started"
    row = await connection.fetchrow(
        "select is_archived, last_message_at > '2025-01-02' as is_moved from public.conversations"
    )
    assert row is not None
    assert tuple(row) == (True, True)


async def test_a_repeat_attaches_to_the_first_and_costs_nothing(user: Turns, connection: asyncpg.Connection) -> None:
    first = await user.begin("Hello", client_message_id="m-1")
    for session_id in (first.session_id, ""):
        again = await user.begin("Hello", request_id=first.request_id, session_id=session_id, client_message_id="m-1")
        assert again.outcome == "known"
        assert (again.session_id, again.user_message_id, again.answer_message_id) == (
            first.session_id,
            first.user_message_id,
            first.answer_message_id,
        )
        assert (again.balance, again.status, again.is_new_conversation) == (9, "running", False)
    await user.settle(first.request_id)
    assert (await user.begin("Hello", request_id=first.request_id)).status == "done"
    assert await connection.fetchval("select count(*) from public.messages") == 2
    assert await connection.fetchval("select count(*) from public.conversations") == 1
    assert await audit(connection) == []


async def test_a_repeat_is_served_when_nothing_is_left(database: Database, connection: asyncpg.Connection) -> None:
    turns = Turns(connection, await database.add_user(tokens=1))
    first = await turns.answer()
    assert (await turns.begin(request_id=first.request_id)).outcome == "known"


async def test_a_request_id_is_never_reused_for_something_else(
    user: Turns, stranger: Turns, connection: asyncpg.Connection
) -> None:
    first = await user.answer("Hello")
    async with refused(connection, "AP40R"):
        await user.begin("Another text", request_id=first.request_id, session_id=first.session_id)
    async with refused(connection, "AP40R"):
        await user.begin("Hello", request_id=first.request_id, session_id=str(uuid4()))
    async with refused(connection, "AP40R"):
        await user.begin("Hello", request_id=first.request_id, trigger="regenerate-message")
    for session_id in ("", first.session_id):
        async with refused(connection, "AP40R"):
            await stranger.begin("Hello", request_id=first.request_id, session_id=session_id)


async def test_a_request_id_stays_used_after_its_conversation_or_account_is_deleted(
    database: Database, user: Turns, stranger: Turns, connection: asyncpg.Connection
) -> None:
    first, second = await user.answer("Hello"), await user.answer("Hello")
    await connection.execute("select public.delete_conversation($1, $2)", user.user_id, first.session_id)
    for session_id in ("", first.session_id):
        async with refused(connection, "AP40R"):
            await user.begin("Hello", request_id=first.request_id, session_id=session_id)
    await database.delete_user(user.user_id)
    async with refused(connection, "AP40R"):
        await stranger.begin("Hello", request_id=second.request_id)


async def check_wait(user: Turns, oldest: Begun) -> None:
    """A turn too many is told in how many seconds the oldest leaves the window."""
    left = "select $2 - extract(epoch from clock_timestamp() - timestamp)::float from public.requests where id = $1"
    before = await user.connection.fetchval(left, oldest.request_id, RATE_WINDOW_SECONDS)
    with pytest.raises(asyncpg.PostgresError) as caught:
        await user.begin(rate_limit=3)
    after = await user.connection.fetchval(left, oldest.request_id, RATE_WINDOW_SECONDS)
    assert caught.value.sqlstate == "AP429"
    assert math.ceil(after) <= int(caught.value.detail or "") <= math.ceil(before)


async def test_the_rate_limit_counts_new_turns_and_says_how_long_to_wait(
    user: Turns, stranger: Turns, connection: asyncpg.Connection
) -> None:
    turns = [await user.begin(rate_limit=3) for _ in range(3)]
    await check_wait(user, turns[0])
    # A repeat is served, and one more would have been refused for it had it been counted.
    assert (await user.begin(request_id=turns[0].request_id, rate_limit=3)).outcome == "known"
    assert (await stranger.begin(rate_limit=3)).outcome == "started"
    age = "update public.requests set timestamp = clock_timestamp() - make_interval(secs => $2) where id = $1"
    await connection.execute(age, turns[0].request_id, RATE_WINDOW_SECONDS - 600)
    await check_wait(user, turns[0])
    await connection.execute(age, turns[0].request_id, RATE_WINDOW_SECONDS + 1)
    assert (await user.begin(rate_limit=3)).outcome == "started"


async def test_repeats_do_not_use_up_the_rate_limit(user: Turns) -> None:
    first = await user.begin(rate_limit=2)
    for _ in range(5):
        await user.begin(request_id=first.request_id, rate_limit=2)
    assert (await user.begin(rate_limit=2)).outcome == "started"


async def test_messages_follow_one_another(user: Turns, connection: asyncpg.Connection) -> None:
    first = await user.answer("One")
    second = await user.begin("Two", session_id=first.session_id)
    assert (await message(connection, second.user_message_id))[2] == first.answer_message_id


async def test_a_message_continues_the_branch_that_was_shown(user: Turns, connection: asyncpg.Connection) -> None:
    first = await user.answer("One")
    await user.answer("Two", session_id=first.session_id)
    other = await user.begin("Two, differently", session_id=first.session_id, previous=first.answer_message_id)
    assert (await message(connection, other.user_message_id))[2] == first.answer_message_id


async def test_an_answer_made_anew_is_a_sibling(user: Turns, connection: asyncpg.Connection) -> None:
    first = await user.answer("One")
    for reference in (first.answer_message_id, first.user_message_id, None):
        again = await user.begin("One", session_id=first.session_id, trigger="regenerate-message", message=reference)
        assert again.user_message_id == first.user_message_id
        await user.settle(again.request_id, content="Another answer.")
        assert (await message(connection, again.answer_message_id))[2] == first.user_message_id
    assert await connection.fetchval("select count(*) from public.messages") == 5
    assert await user.balance() == 6


async def test_an_edited_message_is_a_sibling_of_the_one_it_replaces(
    user: Turns, connection: asyncpg.Connection
) -> None:
    first = await user.answer("One")
    second = await user.begin("Two", session_id=first.session_id, client_message_id="m-2")
    await user.settle(second.request_id)
    for reference in (second.user_message_id, "m-2"):
        edited = await user.begin("Two, better", session_id=first.session_id, message=reference)
        assert await message(connection, edited.user_message_id) == (
            "human",
            "Two, better",
            first.answer_message_id,
            edited.request_id,
        )
        await user.settle(edited.request_id)
    start = await user.begin("Zero", session_id=first.session_id, message=first.user_message_id)
    assert (await message(connection, start.user_message_id))[2] is None


async def test_a_message_that_is_not_in_the_conversation_is_not_there(
    user: Turns, stranger: Turns, connection: asyncpg.Connection
) -> None:
    mine, theirs = await user.answer(), await stranger.answer()
    for trigger in ("submit-message", "regenerate-message"):
        for reference in (theirs.user_message_id, theirs.answer_message_id, "m-9", 10**17, "9" * 30, "-1", ""):
            async with refused(connection, "AP40M"):
                await user.begin("One", session_id=mine.session_id, trigger=trigger, message=reference)
    async with refused(connection, "AP40M"):
        await user.begin("One", session_id=mine.session_id, message=mine.answer_message_id)
    async with refused(connection, "AP40M"):
        await user.begin("One", trigger="regenerate-message")


@pytest.mark.parametrize("client_message_id", ["x" * 201, "", "123", "m-1"])
async def test_a_client_id_that_cannot_be_kept_does_not_stop_the_turn(
    user: Turns, connection: asyncpg.Connection, client_message_id: str
) -> None:
    first = await user.begin(client_message_id="m-1")
    await user.settle(first.request_id)
    begun = await user.begin(session_id=first.session_id, client_message_id=client_message_id)
    kept = "select client_message_id from public.messages where id = $1"
    assert await connection.fetchval(kept, begun.user_message_id) is None
    assert await connection.fetchval(kept, first.user_message_id) == "m-1"


async def test_text_of_every_script_is_stored_as_it_came(user: Turns, connection: asyncpg.Connection) -> None:
    text = "\u202e abc \U0001f600" * 20_000 + "'; drop table public.messages; --\\"
    begun: Begun = await user.begin(text)
    assert (await message(connection, begun.user_message_id))[1] == text
