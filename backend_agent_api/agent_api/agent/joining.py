"""An HTTP transport that hands a model's text chunks on in fewer, larger pieces.

The OpenAI SDK and pydantic-ai spend nearly all of their time per chunk (docs/decisions/0006-joined-chunks.md), so
chunks that bring nothing but text and arrive within a short window become one, before any library sees them. The first
chunk and one after a pause pass at once; whatever is not plain text (tool calls, reasoning, usage, the finish) passes
unchanged and in its place.

Between two pieces of text the connection rests (pacing.py), so what is not text may wait behind text for one window.
The window widens with the number of answers that stream at once: what a process spends on pieces is bounded, and
nobody waits for a first piece because of many later ones.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx2

from agent_api.agent.pacing import Pace, pace_of

EVENT_END = b"\n\n"
DATA_PREFIX = b"data:"
TEXT_DELTA_KEYS = frozenset({"content", "role"})
READ_AHEAD_MAX = 256
"""Events read from the model ahead of whoever consumes them; beyond that the connection waits."""
PIECES_PER_SECOND_MAX = 200
"""What one process hands on, all its answers together; each costs about 0.6 ms by the time it has left."""
WIDENED_WINDOW_SECONDS_MAX = 0.25
"""Text that comes four times a second still reads as a stream."""


class Crowd:
    """The answers that stream through one transport at once."""

    def __init__(self) -> None:
        self.size = 0

    def widened(self, window_seconds: float) -> float:
        """The window for this many answers."""
        return max(window_seconds, min(self.size / PIECES_PER_SECOND_MAX, WIDENED_WINDOW_SECONDS_MAX))


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def take_text(event: bytes) -> tuple[dict[str, Any], str] | None:
    """(the chunk without its text, the text) of one server-sent event that brings text and nothing else."""
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
    delta = _object(fields.get("delta"))
    brought = {key for key, value in delta.items() if value is not None}
    # The opening chunk brings a role and an empty text, which must not make the first word wait for a window.
    if not brought <= TEXT_DELTA_KEYS or not isinstance(delta.get("content"), str) or not delta["content"]:
        return None
    # Padding of random length, against those who listen to the line.
    chunk.pop("obfuscation", None)
    return chunk, delta.pop("content")


class _LineEnds:
    """Turns every way to end a line into LF, across the borders of pieces."""

    def __init__(self) -> None:
        self._held = b""

    def plain(self, piece: bytes) -> bytes:
        if self._held:
            piece, self._held = self._held + piece, b""
        if b"\r" not in piece:
            return piece
        if piece.endswith(b"\r"):
            # Half of a CRLF, perhaps.
            piece, self._held = piece[:-1], b"\r"
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def rest(self) -> bytes:
        return b"\n" if self._held else b""


class JoinedEvents(httpx2.AsyncByteStream):
    """The body of one streamed answer, its text chunks joined per window."""

    def __init__(
        self,
        source: httpx2.AsyncByteStream,
        *,
        window_seconds: float,
        crowd: Crowd | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._source = source
        self._base_window_seconds = window_seconds
        self._crowd = crowd or Crowd()
        self._pace = pace or Pace()
        self._ready: list[bytes] = []
        self._chunk: dict[str, Any] | None = None
        self._texts: list[str] = []
        self._arrived = asyncio.Event()
        self._urgent = asyncio.Event()
        self._room = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._ended = False

    @property
    def _window_seconds(self) -> float:
        return self._crowd.widened(self._base_window_seconds)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """What has arrived since the last piece; who iterates again goes on where the iteration before left off.

        The OpenAI SDK iterates again behind "[DONE]", to leave the connection ready for the next question. The source
        must not begin again then: httpcore waits for bytes behind an answer's end, and where the model closes the
        connection instead, it spins without ever giving the event loop back.
        """
        if self._reader is None:
            self._crowd.size += 1
            self._reader = asyncio.create_task(self._read())
            self._reader.add_done_callback(self._leave)
        clock = asyncio.get_running_loop().time
        handed_on_at = float("-inf")
        try:
            while self._ready or self._texts or not self._ended:
                await self._arrived.wait()
                wait_seconds = handed_on_at + self._window_seconds - clock()
                if wait_seconds > 0 and not self._urgent.is_set():
                    # More text may join; anything else ends the wait.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(wait_seconds):
                            await self._urgent.wait()
                self._arrived.clear()
                self._urgent.clear()
                if self._texts:
                    handed_on_at = clock()
                self._close_text()
                if self._ready:
                    body = b"".join(self._ready)
                    self._ready.clear()
                    self._room.set()
                    yield body
            if self._failure is not None:
                raise self._failure
        finally:
            await self._stop_reading()

    def _leave(self, _: asyncio.Task[None]) -> None:
        self._crowd.size -= 1

    async def aclose(self) -> None:
        # Nothing may read from the source while it is closed.
        await self._stop_reading()
        await self._source.aclose()

    async def _stop_reading(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
            # Nothing more comes, for whoever iterates again.
            self._end()

    async def _read(self) -> None:
        line_ends = _LineEnds()
        clock = asyncio.get_running_loop().time
        rest = b""
        try:
            async for piece in self._source:
                events = (rest + line_ends.plain(piece)).split(EVENT_END)
                rest = events.pop()
                # A list: every event is to be taken.
                is_text_only = all([self._take(event) for event in events])
                self._pace.rest(clock() + self._window_seconds if is_text_only else 0)
                if self._ready or self._texts:
                    self._arrived.set()
                if len(self._ready) + len(self._texts) >= READ_AHEAD_MAX:
                    self._urgent.set()
                    self._room.clear()
                    await self._room.wait()
        except Exception as error:  # Handed to the consumer, in whose task it belongs.
            self._failure = error
        finally:
            # The next answer over this connection begins at once.
            self._pace.rest(0)
        rest += line_ends.rest()
        if rest:
            self._close_text()
            self._ready.append(rest)
        self._end()

    def _end(self) -> None:
        self._ended = True
        self._arrived.set()
        self._urgent.set()

    def _take(self, event: bytes) -> bool:
        """Keep one event; whether it is text to be joined."""
        taken = take_text(event)
        if taken is None:
            self._close_text()
            self._ready.append(event + EVENT_END)
            self._urgent.set()
            return False
        chunk, text = taken
        if chunk != self._chunk:
            self._close_text()
            self._chunk = chunk
        self._texts.append(text)
        return True

    def _close_text(self) -> None:
        if self._chunk is None:
            return
        self._chunk["choices"][0]["delta"]["content"] = "".join(self._texts)
        # ASCII: a character that came as two halves in two chunks is whole again after this.
        self._ready.append(DATA_PREFIX + b" " + json.dumps(self._chunk).encode() + EVENT_END)
        self._chunk = None
        self._texts.clear()


class JoiningTransport(httpx2.AsyncBaseTransport):
    """Wraps a transport; only uncompressed event streams are touched."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, window_seconds: float) -> None:
        self._inner = inner
        self._window_seconds = window_seconds
        self._crowd = Crowd()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        if is_stream and response.status_code == 200 and "content-encoding" not in response.headers:
            source = cast("httpx2.AsyncByteStream", response.stream)
            response.stream = JoinedEvents(
                source, window_seconds=self._window_seconds, crowd=self._crowd, pace=pace_of(response)
            )
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()
