"""An HTTP transport that hands a model's text chunks on in fewer, larger pieces.

The OpenAI SDK and pydantic-ai spend nearly all of their time per chunk (docs/decisions/joined-chunks.md), so chunks
that bring nothing but text and arrive within a short window become one, before any library sees them. The first chunk
and one after a pause pass at once; whatever is not plain text (tool calls, reasoning, usage, the finish) passes
unchanged and in its place.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx2

EVENT_END = b"\n\n"
DATA_PREFIX = b"data: "
TEXT_DELTA_KEYS = frozenset({"content", "role"})
READ_AHEAD_MAX = 256
"""Events read from the model ahead of whoever consumes them; beyond that the connection waits."""


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def parse_text_chunk(event: bytes) -> dict[str, Any] | None:
    """The chunk of one server-sent event if it brings text and nothing else, otherwise None."""
    if not event.startswith(DATA_PREFIX) or b'"content"' not in event or b"\n" in event:
        return None
    try:
        chunk = _object(json.loads(event[len(DATA_PREFIX) :]))
    except ValueError:
        return None
    choices: object = chunk.get("choices")
    if not isinstance(choices, list) or chunk.get("usage"):
        return None
    match cast("list[object]", choices):
        case [choice]:
            fields = _object(choice)
        case _:
            return None
    if fields.get("finish_reason") is not None or fields.get("logprobs") is not None:
        return None
    brought = {key: value for key, value in _object(fields.get("delta")).items() if value is not None}
    return chunk if brought.keys() <= TEXT_DELTA_KEYS and isinstance(brought.get("content"), str) else None


class JoinedEvents(httpx2.AsyncByteStream):
    """The body of one streamed answer, its text chunks joined per window."""

    def __init__(self, source: httpx2.AsyncByteStream, *, window_seconds: float) -> None:
        self._source = source
        self._window_seconds = window_seconds
        self._ready: list[bytes] = []
        self._text: dict[str, Any] | None = None
        self._texts: list[str] = []
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._urgent = False
        self._failure: BaseException | None = None
        self._ended = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        reader = asyncio.create_task(self._read())
        clock = asyncio.get_running_loop().time
        handed_on_at = float("-inf")
        try:
            while True:
                await self._arrived.wait()
                wait_seconds = handed_on_at + self._window_seconds - clock()
                if wait_seconds > 0 and not self._urgent:
                    # More text may join; anything else ends the wait.
                    self._arrived.clear()
                    await asyncio.sleep(wait_seconds)
                self._arrived.clear()
                self._urgent = False
                self._close_text()
                if self._ready:
                    body = b"".join(self._ready)
                    self._ready.clear()
                    self._room.set()
                    handed_on_at = clock()
                    yield body
                if self._ended and not self._ready:
                    if self._failure is not None:
                        raise self._failure
                    return
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def aclose(self) -> None:
        await self._source.aclose()

    async def _read(self) -> None:
        rest = b""
        try:
            async for piece in self._source:
                events = (rest + piece).split(EVENT_END)
                rest = events.pop()
                for event in events:
                    self._take(event)
                self._arrived.set()
                if len(self._ready) >= READ_AHEAD_MAX:
                    self._room.clear()
                await self._room.wait()
        except Exception as error:  # Handed to the consumer, in whose task it belongs.
            self._failure = error
        if rest:
            self._close_text()
            self._ready.append(rest)
        self._ended = self._urgent = True
        self._arrived.set()

    def _take(self, event: bytes) -> None:
        chunk = parse_text_chunk(event)
        if chunk is None:
            self._close_text()
            self._ready.append(event + EVENT_END)
            self._urgent = True
            return
        text: str = chunk["choices"][0]["delta"]["content"]
        if self._text is None:
            self._text = chunk
        self._texts.append(text)

    def _close_text(self) -> None:
        if self._text is None:
            return
        self._text["choices"][0]["delta"]["content"] = "".join(self._texts)
        self._ready.append(DATA_PREFIX + json.dumps(self._text, ensure_ascii=False).encode() + EVENT_END)
        self._text = None
        self._texts.clear()


class JoiningTransport(httpx2.AsyncBaseTransport):
    """Wraps a transport; only uncompressed event streams are touched."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, window_seconds: float) -> None:
        self._inner = inner
        self._window_seconds = window_seconds

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        if is_stream and response.status_code == 200 and "content-encoding" not in response.headers:
            source = cast("httpx2.AsyncByteStream", response.stream)
            response.stream = JoinedEvents(source, window_seconds=self._window_seconds)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()
