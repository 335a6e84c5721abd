"""Chat completions, asked by the real OpenAI SDK and by pydantic-ai."""

import json
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

MODEL = "offline-demo"
NOTICE = "Offline demo model"
QUESTION = "How many days do I have to return a lamp?"
LAMP = "A lamp may be returned within 45 days."
PASSAGES = [
    {
        "title": "Returns policy",
        "content": f"# Returns\n{LAMP} Shipping is not refunded.",
    },
    {"title": "Opening hours", "content": "We open at nine."},
]


def _tool(name: str, *, argument: str | None = "search_text") -> ChatCompletionToolParam:
    properties: dict[str, Any] = {argument: {"type": "string"}, "limit": {"type": "integer"}} if argument else {}
    required = [argument] if argument else []
    parameters: dict[str, object] = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS = [_tool("list_documents", argument=None), _tool("retrieve_relevant_documents")]


def _user(text: str) -> ChatCompletionMessageParam:
    return {"role": "user", "content": text}


async def _ask(client: AsyncOpenAI, *messages: ChatCompletionMessageParam) -> str:
    answer = await client.chat.completions.create(model=MODEL, messages=messages)
    assert answer.choices[0].finish_reason == "stop"
    return answer.choices[0].message.content or ""


async def test_a_stream_gives_the_same_text_as_an_answer_in_one_piece(client: AsyncOpenAI) -> None:
    whole = await _ask(client, _user("Hello!"))
    stream = await client.chat.completions.create(model=MODEL, messages=[_user("Hello!")], stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
    assert len(chunks) > 20
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


async def test_usage_comes_in_the_last_chunk_without_choices(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model=MODEL, messages=[_user("Hello!")], stream=True, stream_options={"include_usage": True}
    )
    *earlier, last = [chunk async for chunk in stream]
    assert all(chunk.usage is None and chunk.choices for chunk in earlier)
    assert last.choices == []
    assert last.usage
    assert last.usage.prompt_tokens == 2
    assert last.usage.completion_tokens > 20
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens


async def test_a_question_is_looked_up_and_answered_with_the_sentence_and_its_title(client: AsyncOpenAI) -> None:
    asked = await client.chat.completions.create(model=MODEL, messages=[_user(QUESTION)], tools=TOOLS)
    assert asked.choices[0].finish_reason == "tool_calls"
    assert asked.choices[0].message.content is None
    [call] = asked.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "retrieve_relevant_documents"
    assert json.loads(call.function.arguments) == {"search_text": QUESTION}
    turn: list[ChatCompletionMessageParam] = [
        _user(QUESTION),
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.function.name, "arguments": call.function.arguments},
                }
            ],
        },
        {"role": "tool", "tool_call_id": call.id, "content": json.dumps(PASSAGES)},
    ]
    answered = await client.chat.completions.create(model=MODEL, messages=turn, tools=TOOLS)
    text = answered.choices[0].message.content or ""
    assert "> A lamp may be returned within 45 days." in text
    assert "**Returns policy**" in text
    assert "nine" not in text
    assert NOTICE in text


async def test_tool_call_deltas_join_to_one_call(client: AsyncOpenAI) -> None:
    async with client.chat.completions.stream(
        model=MODEL, messages=[_user(QUESTION)], tools=TOOLS, stream_options={"include_usage": True}
    ) as stream:
        deltas = [
            call
            async for event in stream
            if event.type == "chunk" and event.chunk.choices
            for call in event.chunk.choices[0].delta.tool_calls or []
        ]
        final = await stream.get_final_completion()
    assert [delta.index for delta in deltas] == [0, 0, 0]
    assert [bool(delta.id) for delta in deltas] == [True, False, False]
    assert final.choices[0].finish_reason == "tool_calls"
    [call] = final.choices[0].message.tool_calls or []
    assert json.loads(call.function.arguments) == {"search_text": QUESTION}


@pytest.mark.parametrize("empty", ["[]", '{"results": []}', "", "No relevant documents found."])
async def test_an_empty_result_is_said_plainly(client: AsyncOpenAI, empty: str) -> None:
    text = await _ask(client, _user(QUESTION), *_result(empty))
    assert "found nothing" in text
    assert ">" not in text


@pytest.mark.parametrize(
    "result",
    [
        json.dumps({"documents": PASSAGES}),
        json.dumps({"passages": [{"document_id": "1", "title": "Returns policy", "page": None, "text": LAMP}]}),
        "Document 1: Returns policy\nA lamp may be returned within 45 days.\n\nDocument 2: Hours\nWe open at nine.",
        '<document title="Returns policy">\nA lamp may be returned within 45 days.\n</document>',
    ],
)
async def test_results_of_different_shapes_are_quoted(client: AsyncOpenAI, result: str) -> None:
    text = await _ask(client, _user(QUESTION), *_result(result))
    assert "> A lamp may be returned within 45 days." in text
    assert "**Returns policy**" in text


async def test_a_quote_names_its_page(client: AsyncOpenAI) -> None:
    passage = {"title": "Returns policy", "page": 3, "text": LAMP}
    text = await _ask(client, _user(QUESTION), *_result(json.dumps({"passages": [passage]})))
    assert f"> {LAMP}\n>\n> — **Returns policy**, page 3" in text


async def test_a_sentence_over_two_lines_is_quoted_whole(client: AsyncOpenAI) -> None:
    text = "## Returns\nA lamp may be returned\nwithin 45 days.\n| lamp | days |\n- A lamp is not returned twice."
    passages = [{"title": "Returns policy", "text": text}]
    told = await _ask(client, _user(QUESTION), *_result(json.dumps({"passages": passages})))
    assert "> A lamp may be returned within 45 days.\n" in told
    assert "> A lamp is not returned twice.\n" in told


async def test_a_quote_cites_its_passage_by_number(client: AsyncOpenAI) -> None:
    passages = [
        {"number": 1, "title": "Hours", "text": "We open at nine."},
        {"number": 2, "title": "Returns policy", "page": 3, "text": LAMP},
    ]
    text = await _ask(client, _user(QUESTION), *_result(json.dumps({"passages": passages})))
    assert f"> {LAMP}\n>\n> — **Returns policy**, page 3 [2]" in text


async def test_a_text_that_only_begins_with_no_is_an_answer(client: AsyncOpenAI) -> None:
    text = await _ask(client, _user("Is a refund given?"), *_result("No refund is given after 30 days."))
    assert "> No refund is given after 30 days." in text


async def test_asking_which_documents_there_are_lists_their_titles(client: AsyncOpenAI) -> None:
    wish = _user("Which documents do you have?")
    asked = await client.chat.completions.create(model=MODEL, messages=[wish], tools=TOOLS)
    [call] = asked.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("list_documents", "{}")
    text = await _ask(client, wish, *_result(json.dumps([{"id": "1", "title": "Alpha"}, {"id": "2", "title": "Beta"}])))
    assert "2 documents" in text
    assert "- **Alpha**\n- **Beta**" in text


async def _wanted(client: AsyncOpenAI, *messages: ChatCompletionMessageParam) -> tuple[str, str]:
    """The call that the model makes next."""
    tools = [*TOOLS, _tool("get_document_content", argument="document_id")]
    asked = await client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
    [call] = asked.choices[0].message.tool_calls or []
    assert call.type == "function"
    return call.function.name, call.function.arguments


async def test_a_summary_of_the_newest_document_reads_that_document(client: AsyncOpenAI) -> None:
    wish = _user("Summarise the newest document")
    assert await _wanted(client, wish) == ("list_documents", "{}")
    listed = [
        {"document_id": "2", "title": "Beta", "state": "is being indexed, cannot be searched yet"},
        {"document_id": "1", "title": "Alpha", "state": "indexed"},
    ]
    messages = [wish, *_result(json.dumps({"documents": listed, "total": 2}))]
    assert await _wanted(client, *messages) == ("get_document_content", '{"document_id": "1"}')
    read = {"document_id": "1", "title": "Alpha", "state": "indexed", "page": 1, "pages": 1, "text": f"# A\n{LAMP}"}
    tools = [*TOOLS, _tool("get_document_content", argument="document_id")]
    messages += _result(json.dumps(read))
    answer = await client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
    assert f"**Alpha**, and it begins like this:\n\n> {LAMP}" in (answer.choices[0].message.content or "")


async def test_where_no_document_can_be_read_the_wish_for_a_summary_is_told_so(client: AsyncOpenAI) -> None:
    tools = [*TOOLS, _tool("get_document_content", argument="document_id")]
    messages = [_user("Summarise the newest document"), *_result('{"documents": [], "total": 0}')]
    answer = await client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
    assert "There is no document yet" in (answer.choices[0].message.content or "")


@pytest.mark.parametrize("text", ["What do the documents say about lamps?", "Which documents mention lamps?", QUESTION])
async def test_a_question_about_content_is_no_wish_for_the_list(client: AsyncOpenAI, text: str) -> None:
    asked = await client.chat.completions.create(model=MODEL, messages=[_user(text)], tools=TOOLS)
    [call] = asked.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "retrieve_relevant_documents"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi there!", "Hello!"),
        ("What can you help me with?", "Hello!"),
        ("thank you", "welcome"),
        ("bye", "Goodbye"),
        ("Write some Python code", "```python"),
    ],
)
async def test_small_talk_needs_no_tool(client: AsyncOpenAI, text: str, expected: str) -> None:
    answer = await client.chat.completions.create(model=MODEL, messages=[_user(text)], tools=TOOLS)
    content = answer.choices[0].message.content or ""
    assert expected in content
    assert NOTICE in content
    assert "LLM_BASE_URL" in content


async def test_only_results_of_the_last_turn_are_quoted(client: AsyncOpenAI) -> None:
    messages = [_user(QUESTION), *_result(json.dumps(PASSAGES)), _user("And how long is the guarantee?")]
    asked = await client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
    assert asked.choices[0].finish_reason == "tool_calls"


async def test_a_forced_tool_is_called_with_what_its_schema_requires(client: AsyncOpenAI) -> None:
    asked = await client.chat.completions.create(
        model=MODEL,
        messages=[_user("Hi")],
        tools=[*TOOLS, _tool("remember")],
        tool_choice={"type": "function", "function": {"name": "remember"}},
    )
    [call] = asked.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("remember", {"search_text": "Hi"})


async def test_a_title_is_made_of_the_persons_words_and_ignores_marks(client: AsyncOpenAI) -> None:
    system: ChatCompletionMessageParam = {
        "role": "system",
        "content": "Give this conversation a short title: at most six words.",
    }
    assert await _ask(client, system, _user("[[fail]] What is the returns policy for lamps and chairs?")) == (
        "Returns policy for lamps and chairs"
    )
    assert await _ask(client, system, _user("???")) == "New conversation"


async def test_the_agent_framework_completes_a_tool_turn(model_url: str) -> None:
    async with AsyncOpenAI(base_url=f"{model_url}/v1", api_key="any", max_retries=0) as client:
        model = OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=client))
        agent = Agent(model, instructions="Answer from the documents and name each document by its title.")
        asked: list[str] = []

        @agent.tool_plain
        def retrieve_relevant_documents(user_query: str) -> list[dict[str, str]]:  # pyright: ignore[reportUnusedFunction]
            """Find passages."""
            asked.append(user_query)
            return PASSAGES

        async with agent.run_stream(QUESTION) as result:
            text = "".join([piece async for piece in result.stream_text(delta=True)])
            usage = result.usage
    assert asked == [QUESTION]
    assert "A lamp may be returned within 45 days." in text
    assert usage.requests == 2
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0


async def test_errors_have_the_shape_of_openai(client: AsyncOpenAI, model_url: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        await client.chat.completions.create(model=MODEL, messages=[])
    assert refused.value.param == "messages"
    with pytest.raises(NotFoundError) as unknown:
        await client.models.retrieve("gpt-9")
    assert unknown.value.code == "model_not_found"
    async with httpx.AsyncClient(base_url=model_url, timeout=60) as plain:
        malformed = await plain.post("/v1/chat/completions", content=b"{")
        assert (malformed.status_code, malformed.json()["error"]["type"]) == (400, "invalid_request_error")
        assert (await plain.get("/v1/chat/completions")).json()["error"]["code"] == "method_not_allowed"
        assert (await plain.get("/nowhere")).json()["error"]["code"] == "unknown_url"


async def test_both_models_are_listed(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == [MODEL, "all-minilm-l6-v2"]


def _result(content: str) -> list[ChatCompletionMessageParam]:
    return [
        {
            "role": "assistant",
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "tool", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": content},
    ]
