"""The official `ai` package (AbstractChat, DefaultChatTransport) drives the API unchanged: ask, stop, attach."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

import pytest_asyncio
from agent_api_support.chat import new_id
from agent_api_support.chat_world import ChatWorld, run_chat_world
from agent_api_support.model_server import Break, Status, Tool

from local_stack.postgres.cluster import Cluster
from tests.contracts.sdk_chat import run_sdk_chat


@pytest_asyncio.fixture(scope="module")
async def world(postgres_cluster: Cluster, product_template: str) -> AsyncGenerator[ChatWorld]:
    """An API, a model to direct and a database."""
    async with run_chat_world(postgres_cluster, product_template, "test_ai_sdk") as running:
        yield running


def comparable(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parts without what the SDK leaves undefined or adds for itself."""
    return [{name: value for name, value in part.items() if value is not None} for part in parts]


async def test_ask_with_tools_and_go_on_and_edit_and_regenerate(world: ChatWorld) -> None:
    user = await world.person(tokens=9)
    session_id, request_id = new_id(), str(uuid4())
    world.model.say("Which documents?", ["Let me see.", Tool("list_documents", "{}")], ["None ", "yet."])
    async with run_sdk_chat(user, session_id) as chat:
        chat.do("ask", text="Which documents?", request_id=request_id)
        state = await chat.finished("ask")
        assert (state["status"], state["error"]) == ("ready", None)
        question, stored = await user.messages(session_id)
        assert chat.answer["id"] == stored["id"]
        assert comparable(chat.answer["parts"]) == comparable(stored["parts"])
        assert chat.answer["metadata"] == {
            "session_id": session_id,
            "request_id": request_id,
            "user_message_id": question["id"],
            "balance": 8,
            "status": "done",
            "usage": {"input_tokens": 22, "output_tokens": 14},
        }

        chat.do("ask", text="And now?")
        await chat.finished("ask")
        assert [m["role"] for m in chat.state["messages"]] == ["user", "assistant"] * 2
        assert [role for role, _ in world.model.messages()] == ["user", "assistant", "tool", "assistant", "user"]

        chat.do("edit", text="And now, edited?", messageId=chat.state["messages"][2]["id"])
        await chat.finished("edit")
        assert world.model.messages()[-1] == ("user", "And now, edited?")
        assert len(chat.state["messages"]) == 4

        world.model.say("And now, edited?", ["Another answer"])
        chat.do("regenerate")
        await chat.finished("regenerate")
        assert chat.text == "Another answer"
        *_, newest = await user.messages(session_id)
        assert newest["id"] == chat.answer["id"]
        assert len(newest["sibling_ids"]) == 2


async def test_stop_is_seen_as_a_stop(world: ChatWorld) -> None:
    user = await world.person(tokens=1)
    session_id = new_id()
    world.model.say("stop", ["Begun ", asyncio.Event()])
    async with run_sdk_chat(user, session_id) as chat:
        chat.do("ask", text="stop")
        await chat.until_text("Begun")
        await user.stop(session_id)
        state = await chat.finished("ask")
        assert state["error"] is None
        assert chat.answer["metadata"]["status"] == "stopped"
        assert chat.answer["metadata"]["balance"] == 0
        assert chat.text == "Begun "


async def test_attach_in_mid_answer_after_a_reload_and_when_nothing_runs(world: ChatWorld) -> None:
    user = await world.person()
    session_id = new_id()
    go_on = asyncio.Event()
    world.model.say("reload", ["Begun ", go_on, "and ended"])
    async with run_sdk_chat(user, session_id) as first:
        first.do("ask", text="reload")
        await first.until_text("Begun")
        first.do("leave")  # The SDK's own stop only leaves: the turn goes on.
        await first.finished("ask")
    async with run_sdk_chat(user, session_id) as second:
        second.do("load", messages=await user.messages(session_id))
        second.do("resume")
        await second.until_text("Begun")
        go_on.set()
        state = await second.finished("resume")
        assert (state["status"], state["error"]) == ("ready", None)
        assert second.text == "Begun and ended"
        assert second.answer["metadata"]["status"] == "done"
        assert [m["id"] for m in state["messages"]] == [m["id"] for m in await user.messages(session_id)]
        second.do("resume")
        assert (await second.finished("resume"))["messages"] == state["messages"], "204: nothing runs"


async def test_what_breaks_or_is_refused_is_an_error_with_a_code(world: ChatWorld) -> None:
    user = await world.person(tokens=1)
    world.model.say("unavailable", [Status(500)])
    world.model.say("breaks", ["Partly ", Break()])
    session_id = new_id()
    async with run_sdk_chat(user, session_id) as chat:
        chat.do("ask", text="unavailable")
        state = await chat.finished("ask")
        assert state["status"] == "error"
        assert '"code": "model_unavailable"' in state["error"]
        assert chat.answer["metadata"]["status"] == "released"
        assert chat.answer["metadata"]["balance"] == 1
    async with run_sdk_chat(user, session_id) as chat:
        chat.do("ask", text="breaks")
        state = await chat.finished("ask")
        assert '"code": "answer_interrupted"' in state["error"]
        assert chat.text == "Partly "
        assert (chat.answer["metadata"]["status"], chat.answer["metadata"]["balance"]) == ("failed", 0)
        chat.do("ask", text="One more")
        state = await chat.finished("ask")
        assert '"code": "insufficient_tokens"' in state["error"]
