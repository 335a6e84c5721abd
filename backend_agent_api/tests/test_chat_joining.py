"""The transport that joins a model's text chunks: whatever arrives how, the answer is the same."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import aclosing
from typing import Any, cast

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_api.agent.joining import READ_AHEAD_MAX, JoinedEvents, JoiningTransport

WINDOW_SECONDS = 0.02
FOREVER_SECONDS = 600.0
DONE = b"data: [DONE]\n\n"


def event(delta: dict[str, Any] | None = None, *, index: int = 0, finish: str | None = None, **extra: Any) -> bytes:
    """One chunk as OpenAI sends it."""
    choices = [] if delta is None else [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **extra}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def text(content: str, **extra: Any) -> bytes:
    return event({"content": content}, **extra)


def tool_call(arguments: str) -> bytes:
    return event({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]})


USAGE = event(None, usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7})
FINISH = event({}, finish="stop")


class Source(httpx2.AsyncByteStream):
    """A model's connection: pieces of bytes, exceptions that break it, events to wait for, calls to make."""

    def __init__(self, steps: Iterable[bytes | Exception | asyncio.Event]) -> None:
        self._steps = list(steps)
        self.taken = 0
        self.begun = 0
        self.is_closed = False
        self.is_being_read = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.is_being_read = True
        self.begun += 1
        try:
            for step in self._steps:
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, Exception):
                    raise step
                else:
                    self.taken += 1
                    yield step
        finally:
            self.is_being_read = False

    async def aclose(self) -> None:
        assert not self.is_being_read, "closed while it is read"
        self.is_closed = True


async def pieces_of(source: Source, *, window_seconds: float = WINDOW_SECONDS) -> list[bytes]:
    async with asyncio.timeout(60):
        return [piece async for piece in JoinedEvents(source, window_seconds=window_seconds)]


def events_of(pieces: Iterable[bytes]) -> list[Any]:
    """Server-sent events as a client reads them; comments fall away."""
    events: list[Any] = []
    for block in b"".join(pieces).replace(b"\r\n", b"\n").split(b"\n\n"):
        for line in block.split(b"\n"):
            if line.startswith(b"data:"):
                data = line[5:].strip()
                events.append(data.decode() if data == b"[DONE]" else json.loads(data))
    return events


def text_of(events: Iterable[Any]) -> str:
    deltas: list[dict[str, Any]] = [
        choice["delta"] for chunk in events if chunk != "[DONE]" for choice in chunk["choices"]
    ]
    return "".join(delta.get("content") or "" for delta in deltas)


def in_order(events: Iterable[Any]) -> list[Any]:
    """The events, neighbouring texts of one kind as one text."""
    told: list[Any] = []
    for chunk in events:
        content = text_of([chunk])
        is_text = bool(content) and set(chunk["choices"][0]["delta"]) <= {"content", "role"}
        if is_text and told and isinstance(told[-1], tuple):
            told[-1] = ("text", told[-1][1] + content)
        elif is_text:
            told.append(("text", content))
        elif chunk == "[DONE]" or "content" not in (chunk["choices"] or [{"delta": {}}])[0]["delta"]:
            told.append(chunk)
    return told


def _run_alone(act: Coroutine[Any, Any, None]) -> None:
    """In a loop of its own: in that of the session, services of other tests begin and end tasks at any time."""
    with asyncio.Runner() as runner:
        runner.run(act)


async def _settle_down() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


ANSWER = [
    event({"role": "assistant", "content": ""}),
    text("One "),
    text("two, "),
    text("drei 👩‍🚀 "),
    tool_call('{"query": "a\\nb"}'),
    text("four"),
    FINISH,
    USAGE,
    DONE,
]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
async def test_bytes_may_be_split_anywhere(line_end: bytes) -> None:
    raw = b"".join(ANSWER).replace(b"\n", line_end)
    expected = events_of(ANSWER)
    for at in range(1, len(raw)):
        events = events_of(await pieces_of(Source([raw[:at], raw[at:]]), window_seconds=0))
        assert in_order(events) == in_order(expected), at


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
async def test_text_that_arrives_within_a_window_leaves_as_one_chunk(line_end: bytes) -> None:
    numbers = [str(number) for number in range(50)]
    raw = [text(number).replace(b"\n", line_end) for number in numbers]
    pieces = await pieces_of(Source([*raw, FINISH, DONE]))
    chunks = [chunk for chunk in events_of(pieces) if text_of([chunk])]
    assert text_of(chunks) == "".join(numbers)
    assert len(chunks) == 1
    assert chunks[0]["id"] == "c1"


async def test_the_first_chunk_does_not_wait_for_a_window() -> None:
    held = asyncio.Event()
    source = Source([text("first"), held])
    joined = aiter(JoinedEvents(source, window_seconds=FOREVER_SECONDS))
    async with asyncio.timeout(60):
        assert text_of(events_of([await anext(joined)])) == "first"
    held.set()


@pytest.mark.parametrize("urgent", [tool_call("{}"), FINISH, USAGE, DONE, event({"reasoning_content": "hm"})])
async def test_anything_else_ends_the_wait_and_keeps_its_place(urgent: bytes) -> None:
    begun, held = asyncio.Event(), asyncio.Event()
    source = Source([text("first"), begun, text("a"), text("b"), held, urgent])
    joined = aiter(JoinedEvents(source, window_seconds=FOREVER_SECONDS))
    async with asyncio.timeout(60):
        await anext(joined)
        waiting = asyncio.ensure_future(anext(joined))
        begun.set()
        await _settle_down()
        assert not waiting.done()
        held.set()
        rest = await waiting
    assert rest.endswith(urgent), "passed as it came, byte for byte"
    assert text_of(events_of([rest])) == "ab"


async def test_the_end_of_the_stream_ends_the_wait() -> None:
    first, last = asyncio.Event(), asyncio.Event()
    source = Source([text("a"), first, text("b"), last])
    joined = aiter(JoinedEvents(source, window_seconds=FOREVER_SECONDS))
    async with asyncio.timeout(60):
        await anext(joined)
        waiting = asyncio.ensure_future(anext(joined))
        first.set()
        await _settle_down()
        assert not waiting.done()
        last.set()
        assert text_of(events_of([await waiting])) == "b"
        assert await anext(joined, None) is None


async def test_comments_and_other_lines_pass() -> None:
    raw = [b": keep-alive\n\n", text("a"), b": PROCESSING\n\n", b"event: x\nid: 1\ndata: {}\n\n", text("b"), DONE]
    assert b"".join(await pieces_of(Source(raw))) == b"".join(raw)


async def test_what_a_chunk_brings_besides_its_text_is_not_lost() -> None:
    raw = [
        text("a"),
        text("b", citations=["source"]),
        text("c", system_fingerprint="other"),
        event({"content": "d"}, index=1),
        event({"content": "e", "refusal": "no"}),
        text("f", usage={"completion_tokens": 1}),
        event({"content": "g"}, finish="length"),
        text("h"),
    ]
    assert events_of(await pieces_of(Source(raw))) == events_of(raw)


async def test_a_character_in_two_halves_becomes_whole() -> None:
    raw = [b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % half for half in (b"\\ud83d", b"\\ude80")]
    assert text_of(events_of(await pieces_of(Source(raw)))) == "🚀"


@pytest.mark.parametrize("content", ['"\\ud800"', '"\\u0000"'])
async def test_hostile_text_is_no_failure_of_the_transport(content: str) -> None:
    raw = f'data: {{"choices":[{{"index":0,"delta":{{"content":{content}}}}}]}}\n\n'.encode()
    assert events_of(await pieces_of(Source([raw, DONE]))) == events_of([raw, DONE])


async def test_what_is_no_chunk_passes_unread() -> None:
    raw = [b'data: {"content": \n\n', b'data: ["content"]\n\n', b'data: {"content":1,"choices":[1]}\n\n', b"data:\n\n"]
    assert b"".join(await pieces_of(Source(raw))) == b"".join(raw)


async def test_a_break_comes_after_the_text_before_it() -> None:
    failure = httpx2.ReadError("broken")
    received: list[bytes] = []
    with pytest.raises(httpx2.ReadError) as raised:
        async for piece in JoinedEvents(Source([text("a"), text("b"), failure]), window_seconds=FOREVER_SECONDS):
            received.append(piece)
    assert raised.value is failure
    assert text_of(events_of(received)) == "ab"


async def test_what_came_while_the_consumer_was_busy_is_not_lost_at_the_end() -> None:
    go_on = asyncio.Event()
    source = Source([text("a"), go_on, text("b")])
    joined = aiter(JoinedEvents(source, window_seconds=0))
    async with asyncio.timeout(60):
        received = [await anext(joined)]
        go_on.set()
        await _settle_down()
        assert not source.is_being_read
        received += [piece async for piece in joined]
    assert text_of(events_of(received)) == "ab"


async def test_who_iterates_again_reads_on_and_the_source_begins_once() -> None:
    """As the OpenAI SDK does behind "[DONE]", with the first iteration still open."""
    go_on = asyncio.Event()
    source = Source([text("a"), DONE, go_on, b": behind the end\n\n"])
    body = JoinedEvents(source, window_seconds=0)
    async with asyncio.timeout(60):
        first = aiter(body)
        received = [await anext(first)]
        go_on.set()
        received += [piece async for piece in body]
        assert b"".join(received).endswith(b": behind the end\n\n")
        assert [piece async for piece in body] == []
    assert source.begun == 1


async def test_who_iterates_again_after_a_reading_was_given_up_waits_for_nothing() -> None:
    body = JoinedEvents(Source([text("a"), asyncio.Event()]), window_seconds=0)
    async with asyncio.timeout(60), aclosing(cast("AsyncGenerator[bytes]", aiter(body))) as joined:
        await anext(joined)
    async with asyncio.timeout(60):
        assert [piece async for piece in body] == []


def test_a_reader_that_leaves_closes_the_source_and_ends_its_reading() -> None:
    async def leave() -> None:
        source = Source([text("a"), asyncio.Event()])
        body = JoinedEvents(source, window_seconds=WINDOW_SECONDS)
        joined = aiter(body)
        await anext(joined)
        await body.aclose()
        assert source.is_closed
        assert asyncio.all_tasks() == {asyncio.current_task()}

    _run_alone(leave())


def test_a_cancelled_reader_leaves_no_task() -> None:
    async def cancel() -> None:
        source = Source([asyncio.Event()])
        reading = asyncio.create_task(pieces_of(source))
        await _settle_down()
        assert source.is_being_read
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert not source.is_being_read
        assert asyncio.all_tasks() == {asyncio.current_task()}

    _run_alone(cancel())


@pytest.mark.parametrize("make", [text, tool_call])
async def test_a_slow_consumer_holds_the_connection_and_not_the_memory(make: Any) -> None:
    source = Source([make(str(number)) for number in range(10 * READ_AHEAD_MAX)])
    joined = aiter(JoinedEvents(source, window_seconds=0))
    received = [await anext(joined)]
    # The source is never idle: it gives whatever it is asked for.
    await _settle_down()
    assert source.taken <= 2 * READ_AHEAD_MAX + 1
    received += [piece async for piece in joined]
    assert source.taken == 10 * READ_AHEAD_MAX
    assert b"".join(received).count(b"data:") <= source.taken


Step = tuple[str, str]
STEPS = st.lists(
    st.tuples(st.sampled_from(["text", "tool", "comment", "usage"]), st.text(max_size=12)), min_size=1, max_size=12
)


def _raw(steps: Sequence[Step]) -> bytes:
    def made(kind: str, value: str) -> bytes:
        match kind:
            case "text":
                return text(value)
            case "tool":
                return tool_call(value)
            case "comment":
                return b": note\n\n"
            case _:
                return USAGE

    return b"".join(made(kind, value) for kind, value in steps) + FINISH + DONE


@settings(max_examples=100, deadline=None)
@given(steps=STEPS, cuts=st.lists(st.integers(min_value=1, max_value=4_000), max_size=6), crlf=st.booleans())
def test_text_and_everything_else_come_through_in_order(steps: list[Step], cuts: list[int], crlf: bool) -> None:
    raw = _raw(steps)
    sent = raw.replace(b"\n", b"\r\n") if crlf else raw
    places = sorted({0, *(cut for cut in cuts if cut < len(sent)), len(sent)})
    parts = [sent[begin:end] for begin, end in itertools.pairwise(places)]
    with asyncio.Runner() as runner:
        received = events_of(runner.run(pieces_of(Source(parts), window_seconds=0)))
    assert in_order(received) == in_order(events_of([raw]))


class Inner(httpx2.AsyncBaseTransport):
    """Answers with what it was given."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self._reply = (status, headers)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        status, headers = self._reply
        return httpx2.Response(status, headers=headers, stream=Source([text("a"), text("b")]), request=request)


@pytest.mark.parametrize(
    ("status", "headers", "is_joined"),
    [
        (200, {"content-type": "text/event-stream; charset=utf-8"}, True),
        (200, {"content-type": "application/json"}, False),
        (500, {"content-type": "text/event-stream"}, False),
        (200, {"content-type": "text/event-stream", "content-encoding": "gzip"}, False),
    ],
)
async def test_only_plain_event_streams_are_touched(status: int, headers: dict[str, str], is_joined: bool) -> None:
    transport = JoiningTransport(Inner(status, headers), window_seconds=WINDOW_SECONDS)
    reply = await transport.handle_async_request(httpx2.Request("POST", "http://model.example.com"))
    assert isinstance(reply.stream, JoinedEvents) == is_joined
