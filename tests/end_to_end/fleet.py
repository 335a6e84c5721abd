"""Processes of the API that share one database, and what can happen to one of them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from agent_api_support.api import PATIENT
from agent_api_support.auth_server import SECRET, SERVICE_KEY
from agent_api_support.chat import Books, Person
from agent_api_support.model_server import ModelServer

from local_stack.paths import REPOSITORY
from local_stack.processes import free_ports

START_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 60.0
# No turn is lost because a busy machine forgets its process for a while: tests let leases run out.
LEASE_SECONDS = 600
FOREIGN = ("LLM_", "EMBEDDING_", "SUPABASE_", "DATABASE_", "STRIPE_", "RATE_", "MODEL_", "RUN_", "PG", "EMBEDDED_")


@dataclass
class ApiProcess:
    """`uvicorn agent_api:app`, as the README starts it."""

    process: asyncio.subprocess.Process
    client: httpx.AsyncClient
    log: Path

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end."""
        async with asyncio.timeout(STOP_SECONDS_MAX):
            return await self.process.wait()

    async def kill(self) -> None:
        """As a machine that loses power."""
        self.process.kill()
        await self.ended()


@dataclass(frozen=True)
class Fleet:
    """What all processes share."""

    books: Books
    model: ModelServer
    directory: Path

    async def person(self, process: ApiProcess, *, tokens: int = 5) -> Person:
        return await self.books.person(process.client, tokens=tokens)

    async def lose(self, request_id: UUID) -> asyncpg.Record:
        """Let the lease of a turn run out; the turn, once a process has settled it for that.

        Not once alone: a renewal of the last moment may be under way.
        """
        return await self.books.until(
            """
            with lost as (
                update public.requests set lease_expires_at = clock_timestamp() - interval '1 second'
                where id = $1 and status = 'running'
            )
            select * from public.requests where id = $1 and status <> 'running'
            """,
            request_id,
        )

    @asynccontextmanager
    async def api(self, port: int | None = None, **changes: Any) -> AsyncGenerator[ApiProcess]:
        """One process that is ready, and renews leases often; killed at the end if it still runs."""
        port = port or free_ports(1)[0]
        settings = {
            "database_url": self.books.database.dsn(),
            "supabase_url": "http://127.0.0.1:9",
            "supabase_service_key": SERVICE_KEY,
            "supabase_jwt_secret": SECRET,
            "llm_api_key": "unused",
            "llm_choice": "scripted",
            "llm_base_url": self.model.base_url,
            "embedding_base_url": self.model.base_url,
            "rate_limit_requests": 1_000_000,
            # Waiting is no failure on a busy machine.
            **PATIENT,
            "run_lease_seconds": LEASE_SECONDS,
            "run_lease_renew_seconds": 0.5,
            "run_sweep_interval_seconds": 0.3,
            "run_flush_interval_seconds": 0.1,
            "shutdown_grace_seconds": 0.5,
            "model_retries_max": 0,
            "log_level": "WARNING",
            **changes,
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        environment |= {name.upper(): str(value) for name, value in settings.items()}
        log = self.directory / f"api-{port}.log"
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "uvicorn", "agent_api:app", "--port", str(port)),
                cwd=REPOSITORY / "backend_agent_api",
                env=environment,
                stdout=output,
                stderr=output,
            )
        # A kept connection may be ended by the server just as it is used again.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, limits=limits) as client:
            running = ApiProcess(process, client, log)
            try:
                await self._ready(running)
                yield running
            finally:
                if process.returncode is None:
                    process.send_signal(signal.SIGCONT)
                    process.kill()
                    await process.wait()

    async def _ready(self, running: ApiProcess) -> None:
        async with asyncio.timeout(START_SECONDS_MAX):
            while running.process.returncode is None:
                try:
                    if (await running.client.get("/health/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
        raise AssertionError(running.log.read_text())
