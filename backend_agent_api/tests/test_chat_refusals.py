"""What is refused, and that a refusal costs nothing and leaves nothing."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from agent_api_support.api import make_settings, refusal, run_api
from agent_api_support.chat import ASK, Books, Person, new_id, user_message
from agent_api_support.chat_world import ChatWorld
from agent_api_support.model_server import run_model_server

from local_stack.postgres.cluster import start_cluster
from local_stack.postgres.pytest_plugin import SETTINGS as POSTGRES_SETTINGS
from local_stack.postgres.pytest_plugin import SQL_DIRECTORY
from local_stack.postgres.testing import Database

SETTINGS: dict[str, Any] = {"message_max_characters": 1_000, "request_body_max_bytes": 20_000}


async def test_without_a_jwt_or_an_account(world: ChatWorld) -> None:
    user = await world.person()
    before = await world.books.counts()
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp4"}):
        nobody = Person(uuid4(), world.api.client, headers)
        assert refusal(await nobody.refused()) == (401, "unauthorized")
        for method, path in (("GET", "x/stream"), ("POST", "x/stop")):
            reply = await world.api.client.request(method, f"{ASK}/{path}", headers=headers)
            assert refusal(reply) == (401, "unauthorized")
    gone = Person(uuid4(), world.api.client, world.api.headers(uuid4()))
    assert refusal(await gone.refused()) == (401, "account_not_found")
    # Whoever the body claims to be: the person is the jwt's.
    claimed = await gone.refused(user_id=str(user.user_id), userId=str(user.user_id))
    assert refusal(claimed) == (401, "account_not_found")
    assert await world.books.counts() == before


async def test_without_tokens(world: ChatWorld) -> None:
    poor = await world.person(tokens=0)
    before = await world.books.counts()
    for session_id in ("", new_id()):
        assert refusal(await poor.refused(session_id=session_id)) == (402, "insufficient_tokens")
        reply = await poor.post(poor.body(session_id=session_id), f"{ASK}?stream=false")
        assert refusal(reply) == (402, "insufficient_tokens")
    assert await world.books.counts() == before


async def test_a_conversation_of_somebody_else_or_of_nobody(world: ChatWorld) -> None:
    user, stranger = await world.person(), await world.person()
    session_id = (await user.ask("My secret")).start["session_id"]
    before = await world.books.counts()
    for unknown in (session_id, "not-a-uuid", f"{user.user_id}~abcdefghij", f"{stranger.user_id}~abcdefghij", "💥"):
        assert refusal(await stranger.refused(session_id=unknown)) == (404, "conversation_not_found")
        regenerate = await stranger.refused(session_id=unknown, trigger="regenerate-message")
        assert refusal(regenerate) == (404, "conversation_not_found")
        for method, path in (("GET", "stream"), ("POST", "stop")):
            reply = await world.api.client.request(method, f"{ASK}/{unknown}/{path}", headers=stranger.headers)
            assert refusal(reply) == (404, "conversation_not_found"), (method, unknown)
    assert await world.books.counts() == before
    assert world.model.messages() == [("user", "My secret")]


async def test_a_message_that_is_not_there(world: ChatWorld) -> None:
    user, stranger = await world.person(), await world.person()
    session_id = (await user.ask()).start["session_id"]
    foreign = (await stranger.ask()).start["user_message_id"]
    before = await world.books.counts()
    for trigger in ("submit-message", "regenerate-message"):
        for message_id in ("999999999", "unknown", foreign):
            reply = await user.refused(session_id=session_id, trigger=trigger, messageId=message_id)
            assert refusal(reply) == (404, "message_not_found"), (trigger, message_id)
    assert refusal(await user.refused(trigger="regenerate-message", session_id=new_id())) == (404, "message_not_found")
    assert await world.books.counts() == before


async def test_a_second_turn_while_one_runs(world: ChatWorld) -> None:
    user = await world.person()
    go_on = asyncio.Event()
    world.model.say("long", ["Begun", go_on, " ended"])
    session_id = new_id()
    async with user.asking("long", session_id=session_id) as live:
        await live.until_text("Begun")
        before = await world.books.counts()
        for trigger in ("submit-message", "regenerate-message"):
            reply = await user.refused("another", session_id=session_id, trigger=trigger)
            assert refusal(reply) == (409, "run_in_progress")
        delete = await world.api.client.delete(f"/api/conversations/{session_id}", headers=user.headers)
        assert refusal(delete) == (409, "run_in_progress")
        assert await world.books.counts() == before
        assert (await user.ask("elsewhere", session_id=new_id())).end["status"] == "done"
        go_on.set()
        assert (await live.rest()).text == "Begun ended"
    assert (await user.ask("another", session_id=session_id)).end["status"] == "done"


async def test_a_request_id_that_was_used_otherwise(world: ChatWorld) -> None:
    user, stranger = await world.person(), await world.person()
    request_id, session_id = uuid4(), new_id()
    first = await user.ask("Mine", request_id=request_id, session_id=session_id)
    before = await world.books.counts()
    for person, text, session in (
        (user, "Another text", session_id),
        (user, "Mine", new_id()),
        (stranger, "Mine", ""),
        (stranger, "Mine", new_id()),
    ):
        reply = await person.refused(text, request_id=request_id, session_id=session)
        assert refusal(reply) == (409, "request_id_conflict")
        assert first.text not in reply.text
    reply = await user.refused("Mine", request_id=request_id, session_id=session_id, trigger="regenerate-message")
    assert refusal(reply) == (409, "request_id_conflict")
    assert await world.books.counts() == before


async def test_too_much_text(world: ChatWorld) -> None:
    user = await world.person()
    before = await world.books.counts()
    over = await user.refused("x" * 1_001)
    assert refusal(over) == (413, "message_too_large")
    parts = [{"type": "text", "text": "x" * 400}] * 3
    assert refusal(await user.post({**user.body(), "messages": [{"role": "user", "parts": parts}]})) == (
        413,
        "message_too_large",
    )
    assert refusal(await user.refused(padding="x" * 20_000)) == (413, "message_too_large")
    assert await world.books.counts() == before
    assert (await user.ask("x" * 1_000)).end["status"] == "done"


def _messages(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "parts": list(parts), **more}]}


TEXT = {"type": "text", "text": "Hello"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [{"role": "assistant", "parts": [TEXT]}]}, "messages"),
        ({"messages": ["Hello"]}, "messages"),
        (_messages(), "messages.0.parts"),
        (_messages(*[TEXT] * 101), "messages.0.parts"),
        ({"messages": [user_message("x"), {"role": "user"}]}, "messages.1.parts"),
        (_messages({"type": "file", "url": "data:,x"}), "messages.0.parts.0.type"),
        (_messages(TEXT, {"type": "text"}), "messages.0.parts.1.text"),
        (_messages({"type": "text", "text": 7}), "messages.0.parts.0.text"),
        (_messages({"type": "text", "text": "a\0b"}), "messages.0.parts.0.text"),
        (_messages({"type": "text", "text": " \n\t"}), "messages.0.parts"),
        (_messages(TEXT, id="x" * 201), "messages.0.id"),
        (_messages(TEXT, id="a\0b"), "messages.0.id"),
        (_messages(TEXT, id=7), "messages.0.id"),
        ({"id": 7}, "id"),
        ({"id": "x" * 101}, "id"),
        ({"id": "a\0b"}, "id"),
        ({"request_id": "1"}, "request_id"),
        ({"request_id": 7}, "request_id"),
        ({"trigger": "resume"}, "trigger"),
        ({"messageId": 7}, "messageId"),
        ({"messageId": "a\0b"}, "messageId"),
        ({"messageId": "x" * 201}, "messageId"),
        ({"parent_id": []}, "parent_id"),
        ({"parent_id": "a\0b"}, "parent_id"),
    ],
)
async def test_a_malformed_field_is_named(world: ChatWorld, changes: dict[str, Any], field: str) -> None:
    user = await world.person()
    before = await world.books.counts()
    reply = await user.post({**user.body(), **changes})
    assert refusal(reply) == (422, "invalid_request")
    assert reply.json()["error"]["field"] == field
    assert await world.books.counts() == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"Hello"',
        b"\xff\xfe",
        b'{"messages": [{"role": "user", "parts": [{"type": "text", "text": "\\ud800"}]}]}',
        b'{"messages": [{"role": "user", "parts": [{"type": "text", "text": "a\\udfffb"}]}]}',
        b'{"id": "\\ud800", "messages": [{"role": "user", "parts": [{"type": "text", "text": "a"}]}]}',
        b'{"messages": [{"role": "user", "id": "\\ud800", "parts": [{"type": "text", "text": "a"}]}]}',
        b'{"messageId": "\\ud800", "messages": [{"role": "user", "parts": [{"type": "text", "text": "a"}]}]}',
        b'{"messages": ' + b"[" * 9_000 + b"]" * 9_000 + b"}",
    ],
)
async def test_a_body_that_is_none_is_refused_and_never_breaks(world: ChatWorld, content: bytes) -> None:
    user = await world.person()
    before = await world.books.counts()
    reply = await user.post(content)
    assert refusal(reply) == (422, "invalid_request")
    assert reply.json()["error"]["field"]
    assert await world.books.counts() == before


@pytest.mark.parametrize(("after", "field"), [("-1", "after"), ("x", "after"), ("99999999999999999999", "after")])
async def test_a_malformed_place_in_a_stream_is_named(world: ChatWorld, after: str, field: str) -> None:
    user = await world.person()
    reply = await world.api.client.get(f"{ASK}/{new_id()}/stream", params={"after": after}, headers=user.headers)
    assert refusal(reply) == (422, "invalid_request")
    assert reply.json()["error"]["field"] == field


async def test_a_path_that_postgres_cannot_hold(world: ChatWorld) -> None:
    user = await world.person()
    for path in ("a%00b/stream", f"{'x' * 101}/stream"):
        assert refusal(await world.api.client.get(f"{ASK}/{path}", headers=user.headers)) == (422, "invalid_request")
    for path in ("a%00b/stop", f"{'x' * 101}/stop"):
        assert refusal(await world.api.client.post(f"{ASK}/{path}", headers=user.headers)) == (422, "invalid_request")


async def test_too_many_turns_in_a_while(world: ChatWorld) -> None:
    user, stranger = await world.person(tokens=10), await world.person()
    async with world.another_api(rate_limit_requests=3, rate_limit_window_seconds=3600) as api:
        elsewhere = user.at(api.client)
        for _ in range(3):
            await elsewhere.ask()
        before = await world.books.counts()
        reply = await elsewhere.refused()
        assert refusal(reply) == (429, "rate_limited")
        assert 3500 <= int(reply.headers["retry-after"]) <= 3600
        assert await world.books.counts() == before
        assert (await stranger.at(api.client).ask()).end["status"] == "done", "another person's turns are their own"
        # As if the first turn had been long ago.
        await world.books.rows("update public.requests set timestamp = timestamp - interval '61 minutes'")
        assert (await elsewhere.ask()).end["status"] == "done"


async def test_a_process_that_is_full_or_stopping_takes_no_turn(world: ChatWorld) -> None:
    user = await world.person(tokens=1000)
    go_on = asyncio.Event()
    world.model.say("hold", ["Begun", go_on])
    async with world.another_api(runs_per_process_max=1, shutdown_grace_seconds=0.2, rate_limit_requests=1000) as api:
        elsewhere = user.at(api.client)
        async with elsewhere.asking("hold") as live:
            await live.until_text("Begun")
            before = await world.books.counts()
            reply = await elsewhere.refused("one more")
            assert refusal(reply) == (503, "server_busy")
            assert reply.headers["retry-after"]
            assert await world.books.counts() == before
            go_on.set()
            await live.rest()
        api.app.state.shutdown.begin()
        # What is on its way when the signal comes is still answered, for as long as answers may go on.
        async with asyncio.timeout(60):
            while (reply := await elsewhere.post(elsewhere.body("late"))).status_code == 200:
                pass
        assert refusal(reply) == (503, "server_busy")
    # All that was begun is settled by now.
    assert not await world.books.rows(
        "select 1 from public.requests where user_id = $1 and status = 'running'", user.user_id
    )


async def test_the_database_away_and_back(tmp_path_factory: pytest.TempPathFactory, unused_port: int) -> None:
    directory: Path = tmp_path_factory.mktemp("away")
    cluster = start_cluster(directory, unused_port, POSTGRES_SETTINGS)
    cluster.apply_sql_scripts(SQL_DIRECTORY)
    database = Database(cluster, "postgres")
    books = Books(database)
    async with run_model_server() as model:
        settings = make_settings(
            database.dsn(),
            llm_base_url=model.base_url,
            run_flush_interval_seconds=0.05,
            # Until the database is back, however long that takes: nobody else may settle the turn before.
            run_lease_seconds=600,
            settle_deadline_seconds=600,
        )
        async with run_api(settings) as api:
            user = await books.person(api.client)
            go_on = asyncio.Event()
            model.say("through it", ["Begun", go_on, " and ended"])
            request_id = uuid4()
            async with user.asking("through it", request_id=request_id) as live:
                await live.until_text("Begun")
                before = await books.counts()
                cluster.stop()
                reply = await user.refused()
                assert refusal(reply) == (503, "database_unavailable")
                assert int(reply.headers["retry-after"]) >= 1
                for method, path in (("GET", "stream"), ("POST", "stop")):
                    other = await api.client.request(method, f"{ASK}/{new_id()}/{path}", headers=user.headers)
                    assert refusal(other) == (503, "database_unavailable")
                go_on.set()
                await live.until_text("ended")
                cluster = start_cluster(directory, unused_port, POSTGRES_SETTINGS)
                try:
                    # The turn that ran all the while is settled as soon as that is possible.
                    answer = await live.rest()
                    assert (answer.text, answer.end["status"]) == ("Begun and ended", "done")
                    after = await books.counts()
                    assert after == {**before, "messages": before["messages"] + 1}
                    assert (await user.ask("again")).end["status"] == "done"
                    rows = await books.until(
                        "select part from public.run_events where request_id = $1 and part ->> 'type' = 'done'",
                        request_id,
                    )
                    assert json.loads(rows["part"]) == {"type": "done"}
                    await books.assert_sound()
                finally:
                    cluster.stop()
