"""The moment a stop signal arrives, before the server waits for its connections to end.

uvicorn waits for open connections first and runs the lifespan's end after. Streams that have no end of their own would
keep it waiting, so they watch this event.
"""

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import FrameType


class Shutdown:
    """`app.state.shutdown`: `begun` is set once the process has been asked to stop."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    def begin(self) -> None:
        """Start the end; calling it again changes nothing."""
        self.begun.set()


@asynccontextmanager
async def watch_stop_signals() -> AsyncGenerator[Shutdown]:
    """Set `begun` on SIGTERM and SIGINT, then let the server's own handler do its part."""
    shutdown = Shutdown()
    if threading.current_thread() is not threading.main_thread():
        yield shutdown  # Signals reach the main thread only; a server embedded in a thread stops by other means.
        shutdown.begin()
        return
    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(shutdown.begin)
        then = previous[signal.Signals(number)]
        if callable(then):
            then(number, frame)

    for number, handler in previous.items():
        # A process without a handler of its own (tests) keeps dying the default way.
        if callable(handler):
            signal.signal(number, handle)
    try:
        yield shutdown
    finally:
        shutdown.begin()
        for number, handler in previous.items():
            if callable(handler) and signal.getsignal(number) is handle:
                signal.signal(number, handler)
