"""Waiting for what another task or process brings about, with a limit."""

import asyncio
from collections.abc import Callable

WAIT_SECONDS_MAX = 60.0
LOOK_EVERY_SECONDS = 0.01


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds. Raises TimeoutError where it does not in time."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not condition():  # noqa: ASYNC110 - a counter of a stand-in has no event to wait for
            await asyncio.sleep(LOOK_EVERY_SECONDS)
