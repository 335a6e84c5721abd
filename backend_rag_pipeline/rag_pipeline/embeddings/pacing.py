"""How fast a service is asked: fewer requests at once after it said 429, none while it wants to be left alone."""

import asyncio
import email.utils
import random
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

_SUCCESSES_PER_STEP = 8
_BACKOFF_SECONDS = 0.5
_BACKOFF_MAX_SECONDS = 30.0


class Pacer:
    """Shared by everything that asks one service."""

    def __init__(self, *, at_once_max: int) -> None:
        self._at_once_max = at_once_max
        self._allowed = at_once_max
        self._running = 0
        self._successes = 0
        self._paused_until = 0.0
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def allowed(self) -> int:
        """Requests that may run at once now."""
        return self._allowed

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait until a request may be sent; it counts as running until the block ends."""
        await self._begin()
        try:
            yield
        finally:
            self._running -= 1
            self._wake()

    def slow_down(self, pause_seconds: float) -> None:
        """The service said 429: everybody waits, then half as many ask."""
        until = time.monotonic() + pause_seconds
        # Requests that were under way together are refused together; they count once.
        if time.monotonic() >= self._paused_until:
            self._allowed = max(1, self._allowed // 2)
        self._paused_until = max(self._paused_until, until)
        self._successes = 0

    def succeeded(self) -> None:
        """Some successes in a row allow one more at once."""
        self._successes += 1
        if self._successes >= _SUCCESSES_PER_STEP and self._allowed < self._at_once_max:
            self._allowed += 1
            self._successes = 0
            self._wake()

    async def _begin(self) -> None:
        while True:
            pause = self._paused_until - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            elif self._running < self._allowed:
                self._running += 1
                return
            else:
                turn = asyncio.get_running_loop().create_future()
                self._waiters.append(turn)
                await turn

    def _wake(self) -> None:
        """Let everybody who waits look again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def backoff_seconds(attempt: int) -> float:
    """Before the next attempt; the first is 0. Spread, so that many do not come back together."""
    longest = min(_BACKOFF_MAX_SECONDS, _BACKOFF_SECONDS * 2**attempt)
    return random.uniform(longest / 2, longest)  # noqa: S311 - jitter is no secret


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """What the service asks for, in seconds or as a date; None where it does not."""
    milliseconds = headers.get("retry-after-ms")
    value = headers.get("retry-after", "").strip()
    try:
        if milliseconds:
            return max(0.0, float(milliseconds) / 1000)
        if value:
            return max(0.0, float(value))
    except ValueError:
        pass
    else:
        return None
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
