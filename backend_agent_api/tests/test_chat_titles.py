"""Titles: made by the model in the background, free of charge, and never over a person's own."""

import asyncio
import json
from typing import Any

import pytest
from agent_api_support.chat import new_id
from agent_api_support.chat_world import ChatWorld
from agent_api_support.model_server import Script, Status


async def _title(world: ChatWorld, session_id: str) -> str:
    row = await world.books.until(
        "select title from public.conversations where session_id = $1 and title is not null", session_id
    )
    return row["title"]


async def test_a_new_conversation_gets_its_title_from_the_model_and_pays_nothing(world: ChatWorld) -> None:
    user = await world.person(tokens=2)
    world.model.title = ['  "Opening hours."\n']
    session_id = new_id()
    answer = await user.ask("When are you open?", session_id=session_id)
    assert await _title(world, session_id) == "Opening hours"
    assert answer.end["balance"] == await user.balance() == 1
    asked = world.model.title_requests[-1]
    assert "When are you open?" in json.dumps(asked)
    assert len(world.model.title_requests) == 1
    await user.ask("And on Sundays?", session_id=session_id)
    assert len(world.model.title_requests) == 1, "once"
    await world.books.assert_sound()


async def test_the_answer_does_not_wait_for_the_title_and_a_persons_own_title_stays(world: ChatWorld) -> None:
    user = await world.person()
    go_on = asyncio.Event()
    world.model.title = [go_on, "The model's title"]
    session_id = new_id()
    answer = await user.ask("Hello", session_id=session_id)
    assert answer.end["status"] == "done"
    assert (await user.conversation(session_id))["title"] is None
    renamed = await user.client.patch(
        f"/api/conversations/{session_id}", headers=user.headers, json={"title": "My own"}
    )
    assert renamed.status_code == 200
    go_on.set()
    titles = world.api.app.state.chat._registry._on_answered.__self__
    await asyncio.gather(*titles._tasks)
    assert (await user.conversation(session_id))["title"] == "My own"


@pytest.mark.parametrize(
    ("script", "limits"),
    [([Status(500)], {}), ([" \n "], {}), ([asyncio.Event()], {"title_timeout_seconds": 0.2})],
    ids=["fails", "is empty", "hangs"],
)
async def test_without_a_title_from_the_model_the_question_serves(
    world: ChatWorld, script: Script, limits: dict[str, Any]
) -> None:
    user = await world.person()
    world.model.title = script
    session_id = new_id()
    question = "How long is the period of notice, and does it begin on the first day of a month or at once, pray?"
    async with world.another_api(**limits) as api:
        await user.at(api.client).ask(question, session_id=session_id)
        title = await _title(world, session_id)
    assert title.endswith("…")
    assert len(title) <= 80
    assert question.startswith(title.removesuffix("…"))


async def test_a_hostile_title_is_one_clean_line(world: ChatWorld) -> None:
    user = await world.person()
    world.model.title = ["a\x00b\ud800\n\n# c\t" + "x" * 500]
    session_id = new_id()
    await user.ask("Hello", session_id=session_id)
    title = await _title(world, session_id)
    assert title.startswith("ab? # c x")
    assert len(title) <= 80


async def test_a_stop_of_the_process_leaves_no_conversation_without_a_title(world: ChatWorld) -> None:
    user = await world.person()
    world.model.title = [asyncio.Event()]
    session_id = new_id()
    async with world.another_api() as api:
        await user.at(api.client).ask("Hello there", session_id=session_id)
    assert await _title(world, session_id) == "Hello there"
