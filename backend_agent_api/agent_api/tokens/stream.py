"""The live balance as server-sent events."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from agent_api.auth import AuthenticatedUser
from agent_api.shutdown import Shutdown
from agent_api.tokens.live import BalanceFeed, BalanceReader

KEEP_ALIVE = b": keep-alive\n\n"


async def balance_events(
    reader: BalanceReader, *, expires_at: float, keep_alive_seconds: float, shutdown: Shutdown
) -> AsyncGenerator[bytes]:
    """Each balance as it comes, with comments in between so that no proxy takes the stream for dead.

    Ends at `expires_at` (seconds since 1970), and when the process is asked to stop; the client comes back by itself.
    """
    stopping = asyncio.create_task(shutdown.begun.wait())
    change = asyncio.create_task(reader.next())
    try:
        while (left_seconds := expires_at - time.time()) > 0:
            await asyncio.wait(
                (change, stopping), timeout=min(keep_alive_seconds, left_seconds), return_when=asyncio.FIRST_COMPLETED
            )
            if stopping.done():
                return
            if change.done():
                yield b"data: " + json.dumps({"tokens": change.result()}).encode() + b"\n\n"
                change = asyncio.create_task(reader.next())
            else:
                yield KEEP_ALIVE
    finally:
        stopping.cancel()
        change.cancel()


class BalanceStream(Response):
    """Subscribes while it is being sent: refused before its first byte, released however the client leaves."""

    media_type = "text/event-stream"

    def __init__(
        self, feed: BalanceFeed, *, user: AuthenticatedUser, tokens: int, keep_alive_seconds: float, shutdown: Shutdown
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._feed = feed
        self._user = user
        self._tokens = tokens
        self._keep_alive_seconds = keep_alive_seconds
        self._shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._feed.subscribe(self._user.id, tokens=self._tokens) as reader:
            events = balance_events(
                reader,
                expires_at=self._user.expires_at,
                keep_alive_seconds=self._keep_alive_seconds,
                shutdown=self._shutdown,
            )
            async with aclosing(events):
                headers = {name: value for name, value in self.headers.items() if name != "content-length"}
                await StreamingResponse(events, headers=headers)(scope, receive, send)
