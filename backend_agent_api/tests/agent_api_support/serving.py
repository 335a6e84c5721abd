"""An ASGI application behind a real uvicorn on a free port, in the tests' own loop."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

START_SECONDS_MAX = 120
KEEP_ALIVE_SECONDS = 75
"""Longer than any client here keeps a connection: a request that is sent over one as it is closed fails."""
STOP_SECONDS_MAX = 60


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield  # Signals are the test runner's.


@asynccontextmanager
async def serve(app: Any) -> AsyncGenerator[str]:
    """Serve while the block runs; gives the base address. Raises what the application's start raises."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=3,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            while not server.started:
                if running.done():
                    await running
                    raise RuntimeError("the application did not start")
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.wait_for(running, STOP_SECONDS_MAX)
        listener.close()
