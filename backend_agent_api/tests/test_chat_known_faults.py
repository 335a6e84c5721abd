"""Faults of earlier projects of this kind (CONTRACT.md) that a chat turn could have, and the tests that it has not.

- A session id of another user was accepted: test_a_conversation_of_somebody_else_or_of_nobody
- Users could insert assistant messages that were replayed as the model's own:
  test_what_people_could_forge_is_not_told_as_the_models_own, test_only_the_last_user_message_of_a_body_is_read
- No release of a token when the browser went away: test_a_reader_that_leaves_at_once_finds_the_answer_on_return,
  test_without_output_the_token_goes_back, test_a_killed_process_is_settled_by_another_after_the_lease
- Reusing a request id bypassed the rate limit: test_a_request_id_that_was_used_otherwise,
  test_after_the_end_the_stored_answer_comes_again, test_many_turns_under_one_request_id_are_one_answer
- Blocking calls in async code: test_others_are_answered_while_answers_hang
- Each stream line carried the whole text so far: test_a_stream_grows_with_its_text_and_not_with_its_square
- Exception text shown to users: test_without_output_the_token_goes_back,
  test_what_breaks_after_output_is_kept_and_charged, test_arguments_of_a_model_break_nothing
- No server limits on uploads, files stored twice as base64 in history: test_a_malformed_field_is_named (a file part),
  test_too_much_text
- A failed query embedding became zeros: test_without_an_embedding_the_search_goes_by_words
- One knowledge base for everyone: test_tools_see_only_what_the_person_may_see
- The SQL tool reached everything, code execution was plain exec: test_the_model_is_offered_these_tools_and_no_others
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from agent_api_support.chat import ASK, new_id
from agent_api_support.chat_world import ChatWorld
from agent_api_support.model_server import Tool

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_tests_named_above_exist() -> None:
    assert __doc__
    sources = [
        path.read_text()
        for folder in (Path(__file__).parent, REPOSITORY / "tests")
        for path in folder.rglob("test_*.py")
    ]
    for name in re.findall(r"test_\w+", __doc__):
        assert any(f"def {name}(" in source for source in sources), name


async def test_many_turns_under_one_request_id_are_one_answer(world: ChatWorld) -> None:
    user = await world.person(tokens=5)
    request_id = uuid4()
    async with world.another_api(rate_limit_requests=1, rate_limit_window_seconds=3600) as api:
        elsewhere = user.at(api.client)
        before = len(world.model.requests)
        for _ in range(5):
            await elsewhere.ask("Hello", request_id=request_id)
            assert (await elsewhere.refused("Another", request_id=request_id)).status_code == 409
        assert len(world.model.requests) == before + 1
        assert (await elsewhere.refused("Another")).status_code == 429
    assert await user.balance() == 4


async def test_others_are_answered_while_answers_hang(world: ChatWorld) -> None:
    user, stranger = await world.person(tokens=40), await world.person()
    go_on = asyncio.Event()
    world.model.say("hang", [Tool("list_documents", "{}")], ["Begun ", go_on])
    hanging = [asyncio.create_task(user.ask("hang", session_id=new_id())) for _ in range(25)]
    await world.books.until(
        "select 1 from public.requests where user_id = $1 and status = 'running' having count(*) = 25", user.user_id
    )
    async with asyncio.timeout(60):
        assert (await stranger.ask("Hello")).end["status"] == "done"
        assert (await world.api.client.get("/health")).status_code == 200
    go_on.set()
    assert {answer.end["status"] for answer in await asyncio.gather(*hanging)} == {"done"}


async def test_a_stream_grows_with_its_text_and_not_with_its_square(world: ChatWorld) -> None:
    user = await world.person()
    words = [f"word-{number:04} " for number in range(500)]
    world.model.say("long", words)
    async with world.another_api(model_join_window_seconds=0) as api:
        elsewhere = user.at(api.client)
        reply = await elsewhere.post(elsewhere.body("long"), ASK)
    text = "".join(words)
    for word in (words[0], words[250], words[499]):
        assert reply.content.count(word.strip().encode()) == 1, "sent once"
    assert len(reply.content) < 20 * len(text)


async def _index(world: ChatWorld, document_id: str, content: str, owner: Any = None) -> None:
    async with world.books.database.connect() as connection:
        await connection.execute(
            "insert into public.document_metadata (id, title, owner_id) values ($1, $1, $2)", document_id, owner
        )
        await connection.execute(
            "insert into public.documents (document_id, content, chunk_index, owner_id) values ($1, $2, 0, $3)",
            document_id, content, owner,
        )  # fmt: skip


@pytest.mark.parametrize("embedding", [None, [0.0, 0.0, 0.0]], ids=["fails", "zeros"])
async def test_without_an_embedding_the_search_goes_by_words(
    world: ChatWorld, embedding: list[float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await world.person()
    name = f"manual-{uuid4()}"
    await _index(world, name, f"The zebracrossing {name} is striped.")
    monkeypatch.setattr(world.model, "embedding", embedding)
    world.model.say("zebra", [Tool("retrieve_relevant_documents", '{"query": "zebracrossing"}')], ["Striped."])
    answer = await user.ask("zebra")
    assert answer.end["status"] == "done"
    assert name in json.dumps(answer.only("tool-output-available"))
    assert "secret" not in json.dumps(answer.events)


async def test_tools_see_only_what_the_person_may_see(world: ChatWorld) -> None:
    user, stranger = await world.person(), await world.person()
    await _index(world, "shared", "Everybody may read of the albatross.")
    await _index(world, "of-stranger", "Only the stranger may read of the albatross.", stranger.user_id)
    script = [
        Tool("list_documents", "{}"),
        Tool("retrieve_relevant_documents", '{"query": "albatross"}'),
        Tool("get_document_content", '{"document_id": "of-stranger"}'),
    ]
    seen: dict[str, str] = {}
    for name, person in (("user", user), ("stranger", stranger)):
        world.model.say("albatross", script, ["Read."])
        answer = await person.ask("albatross")
        assert answer.end["status"] == "done"
        seen[name] = json.dumps([answer.only("tool-output-available"), answer.only("source-document")])
        assert "Everybody may read" in seen[name]
    assert "Only the stranger" in seen["stranger"]
    assert "of-stranger" not in seen["user"]
    assert "Only the stranger" not in json.dumps(world.model.requests[-3])


async def test_the_model_is_offered_these_tools_and_no_others(world: ChatWorld) -> None:
    user = await world.person()
    await user.ask("Which tools?")
    offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in world.model.requests[-1]["tools"]}
    assert set(offered) == {"retrieve_relevant_documents", "list_documents", "get_document_content"}
    parameters = {name for schema in offered.values() for name in schema["properties"]}
    assert parameters == {"query", "document_id", "page"}, "whose documents they are is not for the model to say"
