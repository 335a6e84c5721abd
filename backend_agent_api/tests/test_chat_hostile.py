"""Text that breaks things, from people and from models: stored and shown, or refused; never a failure of ours."""

import json
from typing import Any

import pytest
from agent_api_support.chat import ASK, new_id
from agent_api_support.chat_world import ChatWorld
from agent_api_support.model_server import Raw, Tool
from agent_api_support.ui_stream import read_stream

SETTINGS: dict[str, Any] = {"run_flush_interval_seconds": 0.05}


@pytest.mark.parametrize(
    "text",
    [
        "😀" * 100_000,
        "👩‍👩‍👧‍👦" * 1_000,
        "مرحبا \u202e\u200f\u2067 שלום \u2069\u202c",
        "e\u0301" * 500 + "\u200b\ufeff\ufffe\uffff",
        "<script>alert(1)</script> \\u0000 \\ud800 '; drop table messages; --",
        "\x01\x02\x1b[31m\x7f\x85\u2028\u2029",
    ],
    ids=["emojis", "joined", "right-to-left", "odd", "markup", "control"],
)
async def test_what_can_be_stored_comes_back_as_it_was(world: ChatWorld, text: str) -> None:
    user = await world.person()
    world.model.say(text, [text[:2_000], " and ", text[:2_000]])
    session_id = new_id()
    answer = await user.ask(text, session_id=session_id)
    assert answer.end["status"] == "done"
    assert answer.text == text[:2_000] + " and " + text[:2_000]
    question, stored = await user.messages(session_id)
    assert question["parts"] == [{"type": "text", "text": text}]
    assert stored["parts"] == answer.parts
    assert world.model.messages()[-1] == ("user", text)


async def test_the_longest_text_passes_also_with_every_character_escaped(world: ChatWorld) -> None:
    """As clients write JSON that keep to ASCII: twelve bytes for each emoji."""
    user = await world.person()
    text = "😀" * 100_000
    world.model.say(text, ["Seen"])
    content = json.dumps(user.body(text), ensure_ascii=True).encode()
    assert len(content) > 1_200_000
    assert read_stream((await user.post(content)).content).text == "Seen"


def _raw_text(escaped: str) -> Raw:
    return Raw(f'data: {{"choices":[{{"index":0,"delta":{{"content":"{escaped}"}}}}],"model":"m"}}\n\n'.encode())


async def _followed(world: ChatWorld, request_id: str) -> str:
    """What other replicas are told of the text."""
    await world.books.until(
        "select 1 from public.run_events where request_id = $1::text::uuid and part ->> 'type' = 'done'", request_id
    )
    rows = await world.books.rows(
        "select part ->> 'delta' as delta, lengths from public.run_events"
        " where request_id = $1::text::uuid and part ->> 'type' = 'text-delta' order by seq",
        request_id,
    )
    for row in rows:
        assert sum(json.loads(row["lengths"])) == len(row["delta"])
    return "".join(row["delta"] for row in rows)


@pytest.mark.parametrize("join_window_seconds", [0.0, 0.04])
@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        ("a\\u0000b", "ab"),
        ("a\\ud800b", "a?b"),
        ("a\\udfffb\\u0000c", "a?bc"),
        ("\\ud83d\\ude80", "🚀"),
        ("\\u202eevil\\u200f", "\u202eevil\u200f"),
    ],
)
async def test_text_of_a_model_is_cleaned(
    world: ChatWorld, escaped: str, expected: str, join_window_seconds: float
) -> None:
    user = await world.person()
    world.model.say("hostile", [_raw_text(escaped), " end."])
    session_id = new_id()
    async with world.another_api(model_join_window_seconds=join_window_seconds, run_flush_interval_seconds=0.05) as api:
        elsewhere = user.at(api.client)
        answer = await elsewhere.ask("hostile", session_id=session_id)
        assert (answer.text, answer.end["status"]) == (f"{expected} end.", "done")
        _, stored = await user.messages(session_id)
        assert stored["parts"] == answer.parts
        assert await _followed(world, answer.start["request_id"]) == answer.text
        # And it can be told to the model again.
        assert (await elsewhere.ask("And then?", session_id=session_id)).end["status"] == "done"
    assert "\\u0000" not in json.dumps(world.model.requests[-1])


# The client library cannot even read these: the turn breaks before any output, and the token goes back.
UNREADABLE = {'{"query": "\ud800"}'}
# Arguments that are right; all others the tool refuses, and the model is told so.
ACCEPTED = {'{"query": "a\\u0000b"}', '{"query": "' + "x" * 50_000 + '"}'}


@pytest.mark.parametrize(
    "arguments",
    [
        '{"query": "a\\u0000b"}',
        '{"query": "a\\ud800b"}',
        '{"query": "\ud800"}',
        '{"query": "\x00"}',
        '{"query": 7}',
        '{"query": ',
        "nonsense",
        "[]",
        "",
        '{"query": "x", "user_id": "somebody"}',
        '{"query": 1e999}',
        '{"query": ' + "9" * 5_000 + "}",
        '{"query": "x", "more": ' + "[" * 150 + "]" * 150 + "}",
        '{"query": "x", "more": 1e999}',
        '{"query": "' + "x" * 50_000 + '"}',
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_arguments_of_a_model_break_nothing(world: ChatWorld, arguments: str) -> None:
    user = await world.person(tokens=2)
    world.model.say("tool", [Tool("retrieve_relevant_documents", arguments)], ["Nothing found."])
    session_id = new_id()
    answer = await user.ask("tool", session_id=session_id)
    row = await world.books.settled(answer.start["request_id"])
    refused = [event["errorText"] for event in answer.only("tool-input-error")]
    if arguments in UNREADABLE:
        assert (row["status"], row["reason"]) == ("released", "internal_error")
        assert (answer.end["balance"], answer.text) == (2, "")
        assert answer.error is not None and answer.error["code"] == "internal_error"
    else:
        assert (row["status"], row["reason"]) == ("done", None)
        assert (answer.end["balance"], answer.text) == (1, "Nothing found.")
        assert refused == ([] if arguments in ACCEPTED else ["The tool call failed."])
        assert len(answer.only("tool-output-available")) == (1 if arguments in ACCEPTED else 0)
    assert answer.end["status"] == row["status"]
    assert answer.only("tool-output-error") == []
    # Nobody else's answers wait for this one to be stored.
    other = await user.ask("and another")
    assert await _followed(world, other.start["request_id"]) == other.text
    await world.books.assert_sound()


async def test_arguments_with_nul_find_what_stands_around_it(world: ChatWorld) -> None:
    user = await world.person(tokens=2)
    world.model.say(
        "nul",
        [Tool("retrieve_relevant_documents", '{"query": "a\\u0000b"}')],
        [Tool("get_document_content", '{"document_id": "a\\u0000b"}')],
        ["Nothing found."],
    )
    answer = await user.ask("nul")
    assert (answer.end["status"], answer.text) == ("done", "Nothing found.")


@pytest.mark.parametrize("name", ["unknown_tool", "", "a\x00b", "\ud800", "x" * 5_000])
async def test_a_tool_that_does_not_exist_breaks_nothing(world: ChatWorld, name: str) -> None:
    user = await world.person(tokens=1)
    world.model.say("no such tool", [Tool(name, "{}")], ["So be it."])
    answer = await user.ask("no such tool")
    row = await world.books.settled(answer.start["request_id"])
    # What no request can carry cannot be told back to the model.
    is_told = name != "\ud800"
    assert (row["status"], row["reason"]) == (("done", None) if is_told else ("released", "internal_error"))
    assert (answer.end["status"], answer.text) == (row["status"], "So be it." if is_told else "")
    assert await user.balance() == (0 if is_told else 1)
    await world.books.assert_sound()


async def test_a_number_that_jsonb_cannot_hold_does_not_stop_the_others(world: ChatWorld) -> None:
    """Its events are refused by the database; those of every other turn are stored, and the answer is kept."""
    user = await world.person(tokens=2)
    huge = '{"page": 1, "document_id": "x", "more": ' + "1" + "0" * 140_000 + "}"
    world.model.say("huge", ["Begun. ", Tool("get_document_content", huge)], ["Done."])
    session_id = new_id()
    answer = await user.ask("huge", session_id=session_id)
    row = await world.books.settled(answer.start["request_id"])
    assert (row["status"], row["reason"], answer.end["status"]) == ("done", None, "done")
    _, stored = await user.messages(session_id)
    assert "Begun. " in json.dumps(stored["parts"]) and "Done." in json.dumps(stored["parts"])
    other = await user.ask("and another")
    assert await _followed(world, other.start["request_id"]) == other.text


async def test_a_request_id_of_a_foreign_case_is_the_same(world: ChatWorld) -> None:
    user = await world.person(tokens=2)
    first = await user.ask("Hello", session_id=new_id())
    body = user.body("Hello")
    body["request_id"] = first.start["request_id"].upper()
    assert read_stream((await user.post(body, ASK)).content).start == first.start
    assert await user.balance() == 1
