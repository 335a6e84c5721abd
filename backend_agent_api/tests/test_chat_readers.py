"""Readers of a turn: any number, slow ones, ones that leave, ones that come later or to another process."""

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from agent_api_support.chat import ASK, new_id
from agent_api_support.chat_world import ChatWorld
from agent_api_support.ui_stream import UiStream
from agent_api_support.waiting import until

SETTINGS: dict[str, Any] = {"run_flush_interval_seconds": 0.05}


async def test_every_reader_gets_every_event_from_wherever_it_begins(world: ChatWorld) -> None:
    user = await world.person()
    go_on = asyncio.Event()
    world.model.say("many", ["Begun ", go_on, "and ", "ended"])
    session_id, request_id = new_id(), uuid4()
    async with user.asking("many", session_id=session_id, request_id=request_id) as first:
        await first.until_text("Begun")

        async def read(after: int) -> UiStream:
            async with user.attached(session_id, after=after) as live:
                return await live.rest()

        known = first.seen.last_id
        reading = [asyncio.create_task(read(after)) for after in (0, 1, known, known, 10_000)]
        run = world.api.app.state.chat._registry.find(request_id)
        await until(lambda: len(run.log._waiting) == 6)
        go_on.set()
        whole = await first.rest()
        zero, one, late, _, beyond = await asyncio.gather(*reading)
    assert zero.events == whole.events
    assert one.events == whole.events[1:]
    assert late.events == whole.events[known:]
    assert beyond.events == []
    assert whole.skipped == late.skipped == 0


async def test_a_header_names_the_last_event_as_browsers_do(world: ChatWorld) -> None:
    user = await world.person()
    go_on = asyncio.Event()
    world.model.say("header", ["Begun ", go_on, "and ended"])
    session_id = new_id()
    async with user.asking("header", session_id=session_id) as first:
        await first.until_text("Begun")
        headers = {**user.headers, "Last-Event-ID": str(first.seen.last_id)}
        async with user.client.stream("GET", f"{ASK}/{session_id}/stream", headers=headers) as response:
            go_on.set()
            later = UiStream(last_id=first.seen.last_id)
            async for data in response.aiter_bytes():
                later.feed(data)
    assert later.text == "and ended"


async def test_a_reader_may_begin_anywhere_in_a_turn_of_another_process(world: ChatWorld) -> None:
    """Also within text that is stored as one row."""
    user = await world.person()
    go_on = asyncio.Event()
    world.model.say("anywhere", ["Begun ", *(f"word{number} 😀" for number in range(12)), go_on, "end"])
    session_id, request_id = new_id(), uuid4()
    # Nothing joined on the way, so that several events lie in one row.
    async with (
        world.another_api(model_join_window_seconds=0, run_flush_interval_seconds=0.3) as api,
        user.at(api.client).asking("anywhere", session_id=session_id, request_id=request_id) as here,
    ):
        await here.until_text("word11")
        known = here.seen.last_id
        await world.books.until(
            "select 1 from public.run_events where request_id = $1 and seq >= $2", request_id, known
        )
        attached = 0

        async def read(after: int) -> UiStream:
            nonlocal attached
            async with user.attached(session_id, after=after) as live:
                attached += 1
                return await live.rest()

        reading = [asyncio.create_task(read(after)) for after in range(known + 1)]
        await until(lambda: attached == len(reading))
        go_on.set()
        whole = await here.rest()
        partial = await asyncio.gather(*reading)
    for after, stream in enumerate(partial):
        rest = whole.events[after:]
        assert stream.text == "".join(event["delta"] for event in rest if event["type"] == "text-delta"), after
        assert (stream.last_id, stream.end) == (whole.last_id, whole.end)
    assert partial[0].skipped, "text was joined, so that readers began inside a row"


async def test_nothing_runs_and_nothing_is_left_after_a_turn(world: ChatWorld) -> None:
    user = await world.person()
    session_id = new_id()
    before = asyncio.all_tasks()
    registry = world.api.app.state.chat._registry
    for text in ("one", "two"):
        await user.ask(text, session_id=session_id)
    assert (await user.client.get(f"{ASK}/{session_id}/stream", headers=user.headers)).status_code == 204
    await until(lambda: not registry._runs and not registry._tasks and not registry._unsent_rows)
    # In this loop other tasks come and go at any time, but none of those stays.
    begun = asyncio.all_tasks() - before
    await until(lambda: all(task.done() for task in begun))


async def test_readers_that_leave_are_forgotten_and_the_turn_goes_on(world: ChatWorld) -> None:
    user = await world.person(tokens=1)
    go_on = asyncio.Event()
    world.model.say("alone", ["Begun ", go_on, "and ended"])
    session_id, request_id = new_id(), uuid4()
    async with user.asking("alone", session_id=session_id, request_id=request_id) as first:
        await first.until_text("Begun")
        run = world.api.app.state.chat._registry.find(request_id)
        for _ in range(5):
            async with user.attached(session_id) as live:
                await live.until_text("Begun")
    await until(lambda: not run.log._waiting)
    go_on.set()
    assert (await world.books.settled(request_id))["status"] == "done"
    _, answer = await user.messages(session_id)
    assert answer["parts"][-1]["text"] == "Begun and ended"
    await world.books.assert_sound()


async def test_a_reader_that_does_not_read_holds_nobody_up(world: ChatWorld) -> None:
    user = await world.person()
    begin = asyncio.Event()
    # Far more than the buffers between the two hold.
    world.model.say("much", [begin, *["x" * 50_000 for _ in range(200)]])
    session_id, request_id = new_id(), uuid4()
    async with world.another_api(answer_max_characters=20_000_000, run_flush_interval_seconds=0.05) as api:
        elsewhere = user.at(api.client)
        address = urlsplit(api.base_url)
        async with elsewhere.asking("much", session_id=session_id, request_id=request_id) as live:
            await live.until(lambda seen: bool(seen.events))
            with socket.create_connection((address.hostname, address.port)) as lazy:
                lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                head = f"GET {ASK}/{session_id}/stream HTTP/1.1\r\nHost: x\r\n"
                lazy.sendall(f"{head}Authorization: {user.headers['Authorization']}\r\n\r\n".encode())
                run = api.app.state.chat._registry.find(request_id)
                await until(lambda: len(run.log._waiting) == 2)
                begin.set()
                answer = await live.rest()
                assert len(answer.text) == 10_000_000
                assert (await world.books.settled(request_id))["status"] == "done"
                # It holds one piece of its own, and waits; nothing is gathered for it.
                assert lazy.recv(4_096)
        assert answer.end["status"] == "done"


async def test_a_quiet_turn_is_kept_alive_here_and_from_elsewhere(world: ChatWorld) -> None:
    user = await world.person()
    go_on = asyncio.Event()
    world.model.say("quiet", ["Begun ", go_on])
    session_id = new_id()
    settings = {"stream_keep_alive_seconds": 0.1, "run_flush_interval_seconds": 0.05}
    async with (
        world.another_api(**settings) as api,
        world.another_api(**settings) as other,
        user.at(api.client).asking("quiet", session_id=session_id) as here,
        user.at(other.client).attached(session_id) as there,
    ):
        await here.until(lambda seen: seen.keep_alives >= 2)
        await there.until(lambda seen: seen.keep_alives >= 2)
        go_on.set()
        assert (await here.rest()).end == (await there.rest()).end


async def test_stored_events_are_dropped_an_hour_after_the_turn(world: ChatWorld) -> None:
    user = await world.person()
    old, recent = await user.ask("old"), await user.ask("recent")
    ids = [answer.start["request_id"] for answer in (old, recent)]
    for request_id in ids:
        await world.books.until(
            "select 1 from public.run_events where request_id = $1::text::uuid and part ->> 'type' = 'done'", request_id
        )
    await world.books.rows(
        "update public.requests set settled_at = settled_at - interval '61 minutes' where id = $1::text::uuid", ids[0]
    )
    async with world.another_api(run_sweep_interval_seconds=0.05):
        await world.books.until(
            "select 1 where not exists (select 1 from public.run_events where request_id = $1::text::uuid)", ids[0]
        )
    assert await world.books.rows("select 1 from public.run_events where request_id = $1::text::uuid", ids[1])


async def test_one_lost_turn_that_cannot_be_settled_does_not_keep_the_others(world: ChatWorld) -> None:
    """The oldest one stands first in every sweep."""
    people = [await world.person(tokens=1) for _ in range(2)]
    world.model.say("lost", ["Begun ", asyncio.Event()])
    ids = [uuid4(), uuid4()]
    async with world.another_api(run_flush_interval_seconds=0.05, run_lease_seconds=600) as api:
        for person, request_id in zip(people, ids, strict=True):
            async with person.at(api.client).asking("lost", request_id=request_id) as live:
                await live.until_text("Begun")
            await world.books.until(
                "select 1 from public.run_events where request_id = $1 and part ->> 'delta' like 'Begun%'", request_id
            )
            # Taken over by a process that is gone. At once: another sweep would settle the first one by its text.
            await world.books.rows(
                "with forgotten as (delete from public.run_events where request_id = $1 and $3)"
                " update public.requests set lease_holder = $2, lease_expires_at = now() - interval '1 second',"
                " grant_id = case when $3 then -1 else grant_id end where id = $1",
                request_id, uuid4(), request_id == ids[0],
            )  # fmt: skip
        async with world.another_api(run_sweep_interval_seconds=0.05):
            assert (await world.books.settled(ids[1]))["status"] == "failed"
    assert (await world.books.request(ids[0]))["status"] == "running", "giving back to a lot that is not there fails"
    await world.books.rows(
        "update public.requests set grant_id = (select id from public.token_grants where user_id = $2) where id = $1",
        ids[0], people[0].user_id,
    )  # fmt: skip
    assert (await world.books.settled(ids[0]))["status"] == "released"
