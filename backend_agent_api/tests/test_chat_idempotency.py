"""One request id, one turn: sent twenty times, again after the end, or after a release."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

from agent_api_support.api import Api, refusal
from agent_api_support.chat import ASK, new_id
from agent_api_support.chat_world import ChatWorld
from agent_api_support.model_server import Break, Status, Tool
from agent_api_support.ui_stream import UiStream
from agent_api_support.waiting import until

SETTINGS: dict[str, Any] = {"run_flush_interval_seconds": 0.05}


async def test_sent_twenty_times_at_once_it_is_one_turn(world: ChatWorld) -> None:
    user = await world.person(tokens=5)
    world.model.say("once", ["One ", "answer."])
    asked = len(world.model.requests)
    before = await world.books.counts()
    request_id, session_id = uuid4(), new_id()
    answers = await asyncio.gather(*(user.ask("once", request_id=request_id, session_id=session_id) for _ in range(20)))
    assert len(world.model.requests) == asked + 1
    after = await world.books.counts()
    assert {name: after[name] - before[name] for name in after} == {
        "conversations": 1,
        "messages": 2,
        "requests": 1,
        "transactions": 1,
        "tokens": -1,
    }
    first = answers[0]
    for answer in answers:
        assert answer.text == "One answer."
        assert answer.parts == first.parts
        assert answer.start == first.start
        assert answer.end == first.end
    await world.books.assert_sound()


def _readers(api: Api, request_id: UUID) -> int:
    """How many read this turn here, whichever process runs it."""
    service = api.app.state.chat
    run, followed = service._registry.find(request_id), service._follower._followed.get(request_id)
    return (0 if run is None else len(run.log._waiting)) + (0 if followed is None else followed.readers)


async def test_sent_twenty_times_at_two_processes_it_is_one_turn(world: ChatWorld) -> None:
    user = await world.person(tokens=5)
    go_on = asyncio.Event()
    world.model.say("once, at two", ["One ", "answer", go_on, ", in the end."])
    request_id, session_id = uuid4(), new_id()
    async with world.another_api(run_flush_interval_seconds=0.05) as api:
        asking = [
            asyncio.create_task(person.ask("once, at two", request_id=request_id, session_id=session_id))
            for person in (user, user.at(api.client))
            for _ in range(10)
        ]
        await world.books.until(
            "select 1 from public.run_events where request_id = $1 and part ->> 'delta' like '%answer%'", request_id
        )
        # Who comes after the end is told the stored answer, in fewer events.
        await until(lambda: sum(_readers(each, request_id) for each in (world.api, api)) == 20)
        go_on.set()
        answers = await asyncio.gather(*asking)
    assert {answer.text for answer in answers} == {"One answer, in the end."}
    for answer in answers:
        assert (answer.parts, answer.start, answer.end) == (answers[0].parts, answers[0].start, answers[0].end)
        assert answer.last_id == answers[0].last_id
    assert await user.balance() == 4
    await world.books.assert_sound()


async def _repeat(world: ChatWorld, text: str, request_id: UUID, **more: Any) -> tuple[UiStream, Any]:
    """Ask once more, with an empty balance and a full rate window; nothing is written."""
    row = await world.books.request(request_id)
    user_id = row["user_id"]
    async with world.another_api(rate_limit_requests=1) as api:
        person = await world.books.person(api.client, tokens=0)
        person.user_id, person.headers = user_id, world.api.headers(user_id)
        before = await world.books.counts()
        assert refusal(await person.refused("something new"))[1] in ("rate_limited", "insufficient_tokens")
        answer = await person.ask(text, request_id=request_id, **more)
        whole = await person.post(person.body(text, request_id=request_id, **more), f"{ASK}?stream=false")
        assert await world.books.counts() == before
    return answer, whole.json()


async def test_after_the_end_the_stored_answer_comes_again(world: ChatWorld) -> None:
    user = await world.person(tokens=1)
    world.model.say("again", ["Let me see.", Tool("list_documents", "{}")], ["All ", "of it."])
    request_id, session_id = uuid4(), new_id()
    first = await user.ask("again", request_id=request_id, session_id=session_id)
    for id_of_the_body in (session_id, ""):
        answer, whole = await _repeat(world, "again", request_id, session_id=id_of_the_body)
        assert answer.parts == first.parts
        assert answer.text == first.text
        assert answer.start == first.start
        assert answer.end == first.end
        assert whole["message"]["parts"] == first.parts
        assert whole["session_id"] == session_id


async def test_a_broken_turn_comes_again_as_it_broke(world: ChatWorld) -> None:
    user = await world.person(tokens=1)
    world.model.say("broke", ["Partly", Break()])
    request_id = uuid4()
    first = await user.ask("broke", request_id=request_id)
    answer, whole = await _repeat(world, "broke", request_id)
    assert (answer.parts, answer.end, answer.error) == (first.parts, first.end, first.error)
    assert (whole["status"], whole["reason"]) == ("failed", "answer_interrupted")


async def test_a_released_turn_is_not_tried_again_under_its_id(world: ChatWorld) -> None:
    user = await world.person(tokens=1)
    world.model.say("released", [Status(500)])
    request_id = uuid4()
    first = await user.ask("released", request_id=request_id)
    answer, whole = await _repeat(world, "released", request_id)
    assert (answer.parts, answer.end, answer.error) == ([], first.end, first.error)
    assert (whole["status"], whole["message"], whole["balance"]) == ("released", None, 1)
    assert await user.balance() == 1


async def test_an_answer_given_again_is_one_turn_per_request_id(world: ChatWorld) -> None:
    user = await world.person(tokens=3)
    session_id = new_id()
    await user.ask("Which?", session_id=session_id)
    request_id = uuid4()
    answers = [
        await user.ask("Which?", session_id=session_id, trigger="regenerate-message", request_id=request_id)
        for _ in range(3)
    ]
    assert {answer.start["message_id"] for answer in answers} == {answers[0].start["message_id"]}
    assert await user.balance() == 1


async def test_without_a_request_id_each_body_is_a_turn(world: ChatWorld) -> None:
    user = await world.person(tokens=2)
    first, second = await user.ask("Same"), await user.ask("Same")
    assert first.start["request_id"] != second.start["request_id"]
    assert await user.balance() == 0
