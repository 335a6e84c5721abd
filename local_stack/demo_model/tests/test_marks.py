"""Each marked word, over real HTTP."""

import asyncio
import time

import httpx
import pytest
from openai import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    BadRequestError,
    InternalServerError,
)
from openai.types.chat import ChatCompletionChunk, ChatCompletionToolParam
from starlette.types import Message

from local_stack.demo_model.pacing import PacedStream, Schedule

MODEL = "offline-demo"
TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}},
}


async def _chunks(client: AsyncOpenAI, prompt: str) -> list[ChatCompletionChunk]:
    stream = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": prompt}], stream=True
    )
    return [chunk async for chunk in stream]


def _contents(chunks: list[ChatCompletionChunk]) -> list[str]:
    return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]


async def _broken_stream(client: AsyncOpenAI, prompt: str) -> tuple[list[str], Exception]:
    """What arrived before the stream failed, and the failure."""
    contents: list[str] = []
    try:
        stream = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": prompt}], stream=True
        )
        async for chunk in stream:
            contents += _contents([chunk])
    except Exception as error:
        return contents, error
    pytest.fail("the stream ended as if nothing had happened")


async def _wait_until_idle(model_url: str) -> None:
    deadline = time.monotonic() + 60
    async with httpx.AsyncClient(base_url=model_url, timeout=60) as plain:
        while (await plain.get("/health")).json()["answers_running"]:
            assert time.monotonic() < deadline, "an answer still runs although its client has left"
            await asyncio.sleep(0.01)


async def test_chunks_come_in_exact_number_and_on_schedule(client: AsyncOpenAI) -> None:
    started = time.monotonic()
    answers = await asyncio.gather(*(_chunks(client, "[[chunks=20,ms=25]] go") for _ in range(10)))
    seconds = time.monotonic() - started
    assert all(_contents(chunks) == [f"word{n} " for n in range(1, 21)] for chunks in answers)
    # The first piece comes at once, so 19 pauses of 25 ms. How much longer it takes is the machine's affair.
    assert seconds >= 0.475


async def test_a_chunk_is_sent_before_the_next_is_due(client: AsyncOpenAI, model_url: str) -> None:
    await _wait_until_idle(model_url)
    stream = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "[[chunks=2,ms=60000]]"}], stream=True
    )
    async for chunk in stream:
        if _contents([chunk]):
            break
    async with httpx.AsyncClient(base_url=model_url, timeout=60) as plain:
        assert (await plain.get("/health")).json()["answers_running"] == 1
    await stream.close()
    await _wait_until_idle(model_url)


async def test_a_slow_connection_does_not_delay_the_schedule() -> None:
    bodies: list[bytes] = []

    async def send(message: Message) -> None:
        bodies.append(message.get("body", b""))
        await asyncio.sleep(0.1)

    async def receive() -> Message:
        return await asyncio.Future[Message]()

    pieces = [b"%d " % number for number in range(20)]
    stream = PacedStream(Schedule(opening=b"", pieces=pieces, closing=b"end", pause_seconds=0.025))
    await stream({"type": "http"}, receive, send)
    assert b"".join(bodies) == b"".join([*pieces, b"end"])
    # While one body is under way four more pieces fall due, and go together; on a slower machine even more do.
    assert len(bodies) <= 10


async def test_slow_pauses_between_chunks_streamed_or_not(client: AsyncOpenAI) -> None:
    started = time.monotonic()
    assert len(_contents(await _chunks(client, "[[slow:chunks=4,ms=100]]"))) == 4
    assert time.monotonic() - started >= 0.3
    started = time.monotonic()
    await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "[[slow:chunks=4,ms=100]]"}]
    )
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("mark", "status"), [("[[fail]]", 500), ("[[fail:status=429]]", 429), ("[[fail:status=401]]", 401)]
)
@pytest.mark.parametrize("stream", [True, False])
async def test_fail_refuses_at_once(client: AsyncOpenAI, mark: str, status: int, stream: bool) -> None:
    with pytest.raises(APIStatusError) as failed:
        await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": f"please {mark} now"}], stream=stream
        )
    assert failed.value.status_code == status
    assert failed.value.code == "demo_failure"


async def test_fail_midway_breaks_the_connection_after_some_chunks(client: AsyncOpenAI) -> None:
    contents, error = await _broken_stream(client, "[[fail-midway:chunks=3]]")
    assert contents == ["word1 ", "word2 ", "word3 "]
    assert "peer closed connection" in str(error) or "peer closed connection" in str(error.__cause__)
    assert (await _broken_stream(client, "[[fail-midway:chunks=0]]"))[0] == []
    with pytest.raises(APIConnectionError):
        await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "[[fail-midway]]"}])


async def test_hang_never_answers(client: AsyncOpenAI, model_url: str) -> None:
    with pytest.raises(APITimeoutError):
        await client.with_options(timeout=0.3).chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "[[hang]]"}], stream=True
        )
    await _wait_until_idle(model_url)


async def test_hang_midway_falls_silent_after_some_chunks(client: AsyncOpenAI, model_url: str) -> None:
    stream = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "[[hang-midway:chunks=5]]"}], stream=True
    )
    contents: list[str] = []
    while len(contents) < 5:
        contents += _contents([await anext(stream)])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await anext(stream)
    await stream.close()
    await _wait_until_idle(model_url)


async def test_an_answer_stops_when_its_client_leaves(client: AsyncOpenAI, model_url: str) -> None:
    await _wait_until_idle(model_url)
    stream = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "[[slow:chunks=100,ms=1000]]"}], stream=True
    )
    async for _ in stream:
        break
    async with httpx.AsyncClient(base_url=model_url, timeout=60) as plain:
        assert (await plain.get("/health")).json()["answers_running"] == 1
    await stream.close()
    await _wait_until_idle(model_url)


@pytest.mark.parametrize(
    "text",
    [
        "plain words",
        "  two blanks before,\n\n\tand a tab, and behind  \n",
        "[[fail]] [[slow]] are text here",
        "🏳️‍🌈 e\u0301 \u202eright to left\u202c \u0000 NUL <b>&amp;</b> \\ \" '",
        "😀" * 20_000,
        "x" * 5_000,
    ],
)
async def test_echo_repeats_the_rest_verbatim(client: AsyncOpenAI, text: str) -> None:
    assert "".join(_contents(await _chunks(client, f"before [[echo]] {text}"))) == text


async def test_a_long_text_comes_in_larger_pieces(client: AsyncOpenAI) -> None:
    assert len(await _chunks(client, "[[echo]]" + "word " * 20_000)) < 410


async def test_tool_calls_the_first_tool_then_answers_with_what_it_gave(client: AsyncOpenAI) -> None:
    asked = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "[[tool]] time?"}], tools=[TOOL]
    )
    [call] = asked.choices[0].message.tool_calls or []
    assert call.type == "function"
    answered = await client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "user", "content": "[[tool]] time?"},
            {
                "role": "assistant",
                "tool_calls": [{"id": call.id, "type": "function", "function": {"name": "clock", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": call.id, "content": "12:00"},
        ],
        tools=[TOOL],
    )
    assert call.function.name == "clock"
    assert "12:00" in (answered.choices[0].message.content or "")


async def test_tool_with_fail_fails_only_after_the_call(client: AsyncOpenAI) -> None:
    prompt = "[[tool]] [[fail]]"
    asked = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": prompt}], tools=[TOOL]
    )
    assert asked.choices[0].finish_reason == "tool_calls"
    with pytest.raises(InternalServerError):
        await client.chat.completions.create(
            model=MODEL,
            messages=[
                {"role": "user", "content": prompt},
                {"role": "assistant", "content": "", "tool_calls": []},
                {"role": "tool", "tool_call_id": "call_1", "content": "12:00"},
            ],
            tools=[TOOL],
        )


async def test_empty_gives_no_text(client: AsyncOpenAI) -> None:
    chunks = await _chunks(client, "[[empty]]")
    assert _contents(chunks) == []
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_markdown_holds_what_a_page_must_render_safely(client: AsyncOpenAI) -> None:
    text = "".join(_contents(await _chunks(client, "[[markdown]]")))
    for piece in ("# Heading", "| Pack |", "- first", "```typescript", "](https://", "](javascript:", "![", "<script>"):
        assert piece in text


async def test_only_the_last_message_of_the_person_is_read_for_marks(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "system", "content": "[[fail]]"},
            {"role": "user", "content": "[[fail]]"},
            {"role": "assistant", "content": "[[hang]]"},
            {"role": "user", "content": "Hello"},
        ],
    )
    assert "Hello!" in (answer.choices[0].message.content or "")


async def test_a_wrong_option_is_refused_and_unknown_words_are_text(client: AsyncOpenAI) -> None:
    for mark in ("[[slow:ms=fast]]", "[[slow:pace=1]]", "[[fail:status=200]]", "[[chunks=0]]"):
        with pytest.raises(BadRequestError) as refused:
            await _chunks(client, mark)
        assert refused.value.code == "invalid_mark"
    assert "[[wiki]]" in "".join(_contents(await _chunks(client, "see [[wiki]]")))
