"""Attaching to a turn: to the right one, and by as many as may."""

import asyncio
from typing import Any
from uuid import uuid4

from agent_api_support.api import refusal
from agent_api_support.chat import ASK, new_id
from agent_api_support.chat_world import ChatWorld
from agent_api_support.ui_stream import UiStream
from agent_api_support.waiting import until

SETTINGS: dict[str, Any] = {"run_flush_interval_seconds": 0.05}


async def test_what_was_received_of_one_turn_does_not_skip_into_the_next(world: ChatWorld) -> None:
    user = await world.person()
    go_on = asyncio.Event()
    world.model.say("second", ["Begun ", go_on, "and ended"])
    session_id, second_id = new_id(), uuid4()
    first = await user.ask("first", session_id=session_id)
    async with user.asking("second", session_id=session_id, request_id=second_id) as second:
        await second.until_text("Begun")
        path = f"{ASK}/{session_id}/stream"
        other = {"after": first.last_id, "request_id": first.start["request_id"]}
        reply = await user.client.get(path, headers=user.headers, params=other)
        assert (reply.status_code, reply.content) == (204, b"")
        same = {"after": 1, "request_id": str(second_id)}
        async with user.client.stream("GET", path, headers=user.headers, params=same) as response:
            go_on.set()
            rest = UiStream(last_id=1)
            rest.feed(await response.aread())
        assert rest.events == (await second.rest()).events[1:]
    reply = await user.client.get(path, headers=user.headers, params={"request_id": str(second_id)})
    assert reply.status_code == 204
    reply = await user.client.get(path, headers=user.headers, params={"request_id": "second"})
    assert refusal(reply) == (422, "invalid_request")


async def test_readers_at_another_process_share_one_look_at_the_database(world: ChatWorld) -> None:
    user = await world.person()
    go_on = asyncio.Event()
    world.model.say("shared", ["Begun ", go_on, "and ended"])
    session_id = new_id()
    async with (
        world.another_api(run_flush_interval_seconds=0.05) as api,
        user.asking("shared", session_id=session_id) as here,
    ):
        await here.until_text("Begun")
        follower = api.app.state.chat._follower

        async def read(after: int) -> UiStream:
            async with user.at(api.client).attached(session_id, after=after) as live:
                return await live.rest()

        async with user.at(api.client).attached(session_id) as leaving:
            await leaving.until_text("Begun")
            reading = [asyncio.create_task(read(after)) for after in (0, 0, 1, 2, 2)]
            await until(lambda: [turn.readers for turn in follower._followed.values()] == [6])
        # Who leaves takes nothing from the others.
        await until(lambda: [turn.readers for turn in follower._followed.values()] == [5])
        go_on.set()
        whole = await here.rest()
        for stream in await asyncio.gather(*reading):
            assert (stream.last_id, stream.end) == (whole.last_id, whole.end)
            assert stream.text == whole.text
        await until(lambda: not follower._followed)


async def test_a_turn_is_not_polled_for_nobody(world: ChatWorld) -> None:
    user = await world.person()
    world.model.say("left", ["Begun ", asyncio.Event()])
    session_id = new_id()
    async with world.another_api() as api, user.asking("left", session_id=session_id) as here:
        await here.until_text("Begun")
        follower = api.app.state.chat._follower
        async with user.at(api.client).attached(session_id) as there:
            await there.until_text("Begun")
            polling = next(iter(follower._followed.values())).polling
        await until(polling.done)
        assert not follower._followed
        await user.stop(session_id)


async def test_one_person_reads_as_many_answers_at_once_as_the_limit_says(world: ChatWorld) -> None:
    user, other = await world.person(), await world.person()
    go_on = asyncio.Event()
    world.model.say("limited", ["Begun ", go_on, "and ended"])
    session_id = new_id()
    path = f"{ASK}/{session_id}/stream"
    async with world.another_api(answer_streams_per_user_max=2, answer_streams_per_process_max=3) as api:
        here = user.at(api.client)
        async with here.asking("limited", session_id=session_id) as live, here.attached(session_id):
            await live.until_text("Begun")
            balance = await here.balance()
            for reply in (await api.client.get(path, headers=user.headers), await here.refused("one more")):
                assert refusal(reply) == (429, "rate_limited")
                assert int(reply.headers["retry-after"]) > 0
            assert await here.balance() == balance, "what is refused is not charged"
            world.model.say("theirs", ["Begun ", go_on])
            third = await world.person()
            async with other.at(api.client).asking("theirs") as theirs:
                await theirs.until_text("Begun")
                assert refusal(await third.at(api.client).refused("busy")) == (503, "server_busy")
                go_on.set()
                await theirs.rest()
            await live.rest()
        await until(lambda: api.app.state.chat.seats.taken == 0)
        assert (await here.ask("again")).end["status"] == "done"
