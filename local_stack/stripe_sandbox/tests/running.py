"""The sandbox as its users run it: a process of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx
from stripe import HTTPXClient, StripeClient

from local_stack.processes import free_ports
from local_stack.stripe_sandbox.tests.receiver import WEBHOOK_SECRET

SECRET_KEY = "sk_test_sandbox_tests"
REPOSITORY = Path(__file__).resolve().parents[3]
_START_SECONDS = 120
# Long: the machine may have other things to do. An answer may wait for deliveries.
_IDLE_SECONDS_MAX = 60
_ANSWER_SECONDS_MAX = 90
_CLEAN_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("STRIPE_")}


@asynccontextmanager
async def connected(sandbox: "RunningSandbox", key: str = SECRET_KEY, **options: Any) -> AsyncGenerator[StripeClient]:
    """The real client library as the product uses it: asynchronous, one address replaced."""
    http = HTTPXClient(timeout=options.pop("timeout", _ANSWER_SECONDS_MAX))
    try:
        yield StripeClient(key, base_addresses={"api": sandbox.url}, http_client=http, **options)
    finally:
        await http.close_async()


async def start_process(*options: str, stderr: int | None = None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "local_stack.stripe_sandbox",
        *options,
        cwd=REPOSITORY,
        env=_CLEAN_ENVIRONMENT,
        stderr=stderr,
    )


class RunningSandbox:
    """Starts on entry, ends on exit; `kill` and `start` again keep the port and the state."""

    def __init__(self, state: Path, *, webhook_url: str, webhook_secret: str = WEBHOOK_SECRET) -> None:
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.AsyncClient(base_url=self.url, timeout=_ANSWER_SECONDS_MAX)
        self._options = [
            *("--port", str(self.port), "--state", str(state), "--secret-key", SECRET_KEY),
            *("--webhook-url", webhook_url, "--webhook-secret", webhook_secret),
            *("--retry-seconds", "0.02,0.02,0.02", "--log-level", "critical"),
        ]

    async def start(self) -> None:
        self._process = await start_process(*self._options)
        async with asyncio.timeout(_START_SECONDS):
            while not await self._is_healthy():
                assert self._process.returncode is None, "the sandbox ended while it started"
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """As a power cut would."""
        self._process.kill()
        await self._process.wait()

    async def control(self, method: str, path: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
        response = await self.http.request(method, path, json=values)
        assert response.status_code == 200, response.text
        return response.json()

    async def settle(self, *, until: str = "empty") -> dict[str, Any]:
        """Return once every delivery was made; `until="quiet"` leaves those that wait for later."""
        path = f"/sandbox/deliveries/idle?until={until}&timeout_seconds={_IDLE_SECONDS_MAX}"
        answer = await self.control("GET", path)
        assert answer["idle"], answer
        return answer

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        if self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def _is_healthy(self) -> bool:
        try:
            return (await self.http.get("/health")).status_code == 200
        except httpx.TransportError:
            return False
