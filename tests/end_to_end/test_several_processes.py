"""One database, several processes: start here, follow and stop there, and lose any of them in mid-answer."""

import asyncio
import signal
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from agent_api_support.chat import ASK, new_id
from agent_api_support.model_server import Tool
from agent_api_support.waiting import until

from tests.end_to_end.fleet import LEASE_SECONDS, STOP_SECONDS_MAX, ApiProcess, Fleet

Pair = tuple[ApiProcess, ApiProcess]

TEXT_STORED = "select 1 from public.run_events where request_id = $1 and part ->> 'delta' like '%Begun%'"


async def test_started_on_one_followed_and_stopped_on_another(fleet: Fleet, pair: Pair) -> None:
    a, b = pair
    go_on, never = asyncio.Event(), asyncio.Event()
    fleet.model.say(
        "follow me",
        ["Let me see. ", Tool("list_documents", "{}")],
        ["Begun ", "and ", "growing 😀 ", go_on, "until ", "now ", never],
    )
    session_id = new_id()
    user = await fleet.person(a, tokens=1)
    async with user.asking("follow me", session_id=session_id) as here:
        await here.until_text("growing")
        there = user.at(b.client)
        async with there.attached(session_id) as live:
            await live.until_text("growing")
            go_on.set()
            await here.until_text("now")
            await live.until_text("now")
            assert await there.stop(session_id) == "stopping"
            # The model holds its last part back for ever: only the stop ends this.
            first = await here.rest()
            followed = await live.rest()
    assert first.end["status"] == "stopped"
    assert followed.parts == first.parts
    assert followed.start == first.start
    assert followed.end == first.end
    assert followed.last_id == first.last_id
    reply = await b.client.get(f"{ASK}/{session_id}/stream", headers=user.headers)
    assert reply.status_code == 204
    running = "select 1 from public.requests where user_id = $1 and status = 'running'"
    assert await fleet.books.rows(running, user.user_id) == []
    await fleet.books.assert_sound()


@pytest.mark.parametrize("has_output", [True, False])
async def test_a_killed_process_is_settled_by_another_after_the_lease(
    fleet: Fleet, pair: Pair, has_output: bool
) -> None:
    _, b = pair
    text = f"killed, {has_output}"
    fleet.model.say(text, ["Begun ", asyncio.Event()] if has_output else [asyncio.Event()])
    session_id, request_id = new_id(), uuid4()
    async with fleet.api() as a:
        user = await fleet.person(a, tokens=1)
        there = user.at(b.client)
        async with user.asking(text, session_id=session_id, request_id=request_id) as here:
            stored = TEXT_STORED if has_output else "select 1 from public.run_events where request_id = $1"
            await here.until(lambda seen: seen.text == "Begun " if has_output else bool(seen.events))
            await fleet.books.until(stored, request_id)
            async with there.attached(session_id) as live:
                await live.until(lambda seen: bool(seen.events))
                await a.kill()
                # The other one sweeps all the while: it waits for the lease to end, which is no longer than it may be.
                (held,) = await fleet.books.rows(
                    "select status, lease_expires_at - clock_timestamp() as left from public.requests where id = $1",
                    request_id,
                )
                assert held["status"] == "running"
                assert timedelta(0) < held["left"] <= timedelta(seconds=LEASE_SECONDS)
                row = await fleet.lose(request_id)
                followed = await live.rest()
            with pytest.raises(httpx.RemoteProtocolError):
                await here.rest()
    assert (row["status"], row["reason"]) == ("failed" if has_output else "released", "process_lost")
    assert (followed.end["status"], followed.end["reason"]) == (row["status"], "process_lost")
    assert followed.end["balance"] == (0 if has_output else 1)
    assert followed.error is not None
    assert followed.text == ("Begun " if has_output else "")
    messages = await there.messages(session_id)
    assert [message["parts"] for message in messages[1:]] == (
        [[{"type": "text", "text": "Begun ", "state": "done"}]] if has_output else []
    )
    # The same id repeated tells how it ended, and takes nothing more.
    again = await there.ask(text, request_id=request_id)
    assert again.end["status"] == row["status"]
    assert again.text == followed.text
    assert await there.balance() == (0 if has_output else 1)
    await fleet.books.assert_sound()


async def test_a_reader_that_leaves_at_once_finds_the_answer_on_return(fleet: Fleet, pair: Pair) -> None:
    a, _ = pair
    go_on = asyncio.Event()
    fleet.model.say("I am off", ["Begun ", go_on, "and ended"])
    session_id, request_id = new_id(), uuid4()
    user = await fleet.person(a, tokens=3)
    async with user.asking("I am off", session_id=session_id, request_id=request_id):
        pass  # Not a byte was read.
    assert (await fleet.books.request(request_id))["status"] == "running"
    async with user.attached(session_id, after=0) as live:
        await live.until_text("Begun")
    go_on.set()
    row = await fleet.books.settled(request_id)
    assert row["status"] == "done"
    _, answer = await user.messages(session_id)
    assert answer["parts"][-1]["text"] == "Begun and ended"
    assert await user.balance() == 2
    again = await user.ask("I am off", request_id=request_id)
    assert (again.text, again.end["balance"]) == ("Begun and ended", 2)
    await fleet.books.assert_sound()


async def test_a_process_whose_lease_was_taken_gives_the_turn_up(fleet: Fleet, pair: Pair) -> None:
    a, _ = pair
    fleet.model.say("stolen", ["Begun ", asyncio.Event()])
    session_id, request_id = new_id(), uuid4()
    user = await fleet.person(a, tokens=1)
    async with user.asking("stolen", session_id=session_id, request_id=request_id) as here:
        await here.until_text("Begun")
        await fleet.books.until(TEXT_STORED, request_id)
        assert fleet.model.answering
        await fleet.books.rows("update public.requests set lease_holder = $2 where id = $1", request_id, uuid4())
        # What other tests asked has ended, or ends now.
        await until(lambda: not fleet.model.answering)
        # It stopped asking the model, and settled nothing: the turn is another's.
        assert (await fleet.books.request(request_id))["status"] == "running"
        # The taker is gone too: a sweeper ends the turn, and the reader is told so.
        await fleet.lose(request_id)
        answer = await here.rest()
    assert (answer.end["status"], answer.end["reason"]) == ("failed", "process_lost")
    assert answer.text == "Begun "
    assert len(await fleet.books.rows("select 1 from public.transactions where request_id = $1", request_id)) == 1
    await fleet.books.assert_sound()


async def test_a_frozen_process_finds_its_turn_settled(fleet: Fleet, pair: Pair) -> None:
    a, b = pair
    go_on = asyncio.Event()
    fleet.model.say("frozen", ["Begun ", go_on, "and much more"])
    session_id, request_id = new_id(), uuid4()
    user = await fleet.person(a, tokens=1)
    async with user.asking("frozen", session_id=session_id, request_id=request_id) as here:
        await here.until_text("Begun")
        await fleet.books.until(TEXT_STORED, request_id)
        a.signal(signal.SIGSTOP)
        row = await fleet.lose(request_id)
        assert (row["status"], row["reason"]) == ("failed", "process_lost")
        go_on.set()
        a.signal(signal.SIGCONT)
        answer = await here.rest()
    assert (answer.end["status"], answer.end["reason"]) == ("failed", "process_lost")
    there = user.at(b.client)
    messages = await there.messages(session_id)
    assert [message["parts"][-1]["text"] for message in messages] == ["frozen", "Begun "]
    assert await there.balance() == 0
    assert (await fleet.books.request(request_id))["settled_at"] == row["settled_at"]
    await fleet.books.assert_sound()


async def ask_to_stop(process: ApiProcess) -> None:
    """Send the signal; return once it takes no more requests."""
    process.signal(signal.SIGTERM)
    async with asyncio.timeout(STOP_SECONDS_MAX):
        with pytest.raises((httpx.TransportError, AssertionError)):
            while True:
                assert (await process.client.get("/health/ready")).status_code == 200


async def test_a_stop_signal_lets_answers_finish(fleet: Fleet) -> None:
    soon = asyncio.Event()
    fleet.model.say("soon", ["Begun ", soon, "and ended"])
    request_id = uuid4()
    # Longer than waited for: it ends with its last answer.
    async with fleet.api(shutdown_grace_seconds=10 * STOP_SECONDS_MAX) as a:
        user = await fleet.person(a)
        async with user.asking("soon", request_id=request_id) as stream:
            await stream.until_text("Begun")
            await ask_to_stop(a)
            soon.set()
            seen = await stream.rest()
        assert (seen.text, seen.end["status"]) == ("Begun and ended", "done")
        await a.ended()
    assert (await fleet.books.request(request_id))["status"] == "done"
    await fleet.books.assert_sound()


async def test_a_stop_signal_settles_what_does_not_finish(fleet: Fleet) -> None:
    never = asyncio.Event()
    fleet.model.say("never", ["Begun ", never])
    fleet.model.say("silent", [never])
    fleet.model.say("left", ["Begun ", never])
    ids = {text: uuid4() for text in ("never", "silent", "left")}
    async with fleet.api() as a:
        user = await fleet.person(a, tokens=3)
        async with user.asking("left", request_id=ids["left"]) as nobody_stays:
            await nobody_stays.until_text("Begun")
        async with (
            user.asking("never", request_id=ids["never"]) as first,
            user.asking("silent", request_id=ids["silent"]) as second,
        ):
            await first.until_text("Begun")
            await second.until(lambda seen: bool(seen.events))
            await ask_to_stop(a)
            ends = [await stream.rest() for stream in (first, second)]
        assert [(stream.end["status"], stream.end["reason"]) for stream in ends] == [
            ("failed", "shutdown"),
            ("released", "shutdown"),
        ]
        await a.ended()
    rows = {text: await fleet.books.request(request_id) for text, request_id in ids.items()}
    assert {text: row["status"] for text, row in rows.items()} == {
        "never": "failed",
        "silent": "released",
        "left": "failed",
    }
    await fleet.books.assert_sound()


async def test_leases_are_renewed_as_long_as_a_turn_runs(fleet: Fleet, pair: Pair) -> None:
    a, _ = pair
    go_on = asyncio.Event()
    fleet.model.say("patience", ["Begun ", go_on, "and ended"])
    request_id = uuid4()
    user = await fleet.person(a)
    async with user.asking("patience", request_id=request_id) as here:
        await here.until_text("Begun")
        for _ in range(3):
            # As after most of a lease. Another process sweeps all the while.
            await fleet.books.rows(
                "update public.requests set lease_expires_at = clock_timestamp() + make_interval(secs => $2)"
                " where id = $1",
                *(request_id, LEASE_SECONDS / 10),
            )
            await fleet.books.until(
                "select 1 from public.requests"
                " where id = $1 and lease_expires_at > clock_timestamp() + make_interval(secs => $2)",
                *(request_id, LEASE_SECONDS / 2),
            )
        go_on.set()
        assert (await here.rest()).end["status"] == "done"
