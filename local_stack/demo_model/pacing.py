"""Sending an answer piece by piece on a fixed schedule.

Piece i is due at start + i * pause, whatever the pieces before it cost, so that many streams at once do not drift.
Pieces that are due together leave in one write.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

# finish: a proper end; break: the connection is closed early; hang: silence until the client leaves.
Ending = Literal["finish", "break", "hang"]

_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


@dataclass(frozen=True)
class Schedule:
    """Events, the seconds between them, and how it ends."""

    opening: bytes
    pieces: Sequence[bytes]
    closing: bytes
    pause_seconds: float
    ending: Ending = "finish"


class PacedStream(Response):
    """A server-sent event stream that follows a schedule and stops when the client leaves."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self._schedule = schedule

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
        await run_until_disconnect(self._send_pieces(send), receive)

    async def _send_pieces(self, send: Send) -> None:
        schedule = self._schedule
        pieces, pause = schedule.pieces, schedule.pause_seconds
        clock = asyncio.get_running_loop().time
        start = clock()
        ready = schedule.opening
        sent = 0
        while sent < len(pieces):
            wait = start + sent * pause - clock()
            if wait > 0:
                if ready:
                    await send({"type": "http.response.body", "body": ready, "more_body": True})
                    ready = b""
                await asyncio.sleep(wait)
            due = len(pieces) if pause == 0 else min(len(pieces), int((clock() - start) / pause) + 1)
            due = max(due, sent + 1)
            ready += pieces[sent] if due == sent + 1 else b"".join(pieces[sent:due])
            sent = due
            if sent < len(pieces):
                await send({"type": "http.response.body", "body": ready, "more_body": True})
                ready = b""
        await send_ending(send, ready, schedule.closing, schedule.ending)


class PacedWhole(Response):
    """A JSON answer that comes after the time its pieces would have taken."""

    def __init__(self, body: bytes, *, seconds: float, ending: Ending) -> None:
        super().__init__()
        self._body, self._seconds = body, seconds
        self._ending: Ending = ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await run_until_disconnect(self._send_body(send), receive)

    async def _send_body(self, send: Send) -> None:
        await asyncio.sleep(self._seconds)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(self._body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        half = len(self._body) // 2
        await send_ending(send, self._body[:half], self._body[half:], self._ending)


class Hang(Response):
    """Accepts the request and never answers a byte."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await run_until_disconnect(asyncio.Event().wait(), receive)


async def send_ending(send: Send, ready: bytes, closing: bytes, ending: Ending) -> None:
    """Finish, break off, or fall silent. Returning with more_body open makes the server close the connection."""
    if ending == "finish":
        await send({"type": "http.response.body", "body": ready + closing, "more_body": False})
        return
    await send({"type": "http.response.body", "body": ready, "more_body": True})
    if ending == "hang":
        await asyncio.Event().wait()


_running: set[asyncio.Future[object]] = set()


def answers_running() -> int:
    """How many answers are being sent, or held back, right now."""
    return len(_running)


async def run_until_disconnect(work: Coroutine[Any, Any, object], receive: Receive) -> None:
    """Run the work, or give it up as soon as the client leaves."""
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_client_leaves(receive))
    _running.add(task)
    try:
        await asyncio.wait((task, leaving), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        _running.discard(task)
        task.cancel()
        leaving.cancel()


async def _client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
