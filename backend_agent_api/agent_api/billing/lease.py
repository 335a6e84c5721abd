"""A job that runs on one replica at a time."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import structlog

from agent_api.billing import reconcile_queries
from agent_api.database import Database
from agent_api.errors import AppError

log = structlog.stdlib.get_logger(__name__)

ASK_AGAIN_SECONDS = 0.5
RECONCILIATION = "billing_reconciliation"


class LeaseLost(Exception):
    """Another replica holds the lease."""


class HeldLease:
    """The lease while it is held."""

    def __init__(self, database: Database, *, name: str, holder: UUID, seconds: int) -> None:
        self._database = database
        self._name = name
        self._holder = holder
        self._seconds = seconds
        self._renewed_at = time.monotonic()

    async def take(self, *, step_seconds: float = 0) -> bool:
        """Take or renew it, longer for a step that may last so long; False: somebody else holds it."""
        seconds = self._seconds + math.ceil(step_seconds)
        asked_at = time.monotonic()
        async with self._database.statement() as connection:
            held = await reconcile_queries.acquire_lease(
                connection, name=self._name, holder=self._holder, seconds=seconds
            )
        self._renewed_at = asked_at
        return held

    async def keep(self, *, step_seconds: float = 0) -> None:
        """Call between steps: renews when a quarter of it has passed, or for a long step. Raises LeaseLost."""
        is_due = step_seconds > 0 or time.monotonic() - self._renewed_at > self._seconds / 4
        if is_due and not await self.take(step_seconds=step_seconds):
            raise LeaseLost

    async def release(self) -> None:
        """Let others take it at once; where that fails it runs out by itself."""
        try:
            async with self._database.statement() as connection:
                await reconcile_queries.release_lease(connection, name=self._name, holder=self._holder)
        except (AppError, asyncpg.PostgresError) as error:
            log.warning("lease_not_released", job=self._name, exc_info=error)


@asynccontextmanager
async def job_lease(
    database: Database, *, name: str, seconds: int, wait_seconds: float = 0
) -> AsyncGenerator[HeldLease]:
    """Hold the lease while the block runs. Raises LeaseLost where another holds it and does not let go in time."""
    lease = HeldLease(database, name=name, holder=uuid4(), seconds=seconds)
    give_up_at = time.monotonic() + wait_seconds
    while not await lease.take():
        if time.monotonic() >= give_up_at:
            raise LeaseLost
        await asyncio.sleep(ASK_AGAIN_SECONDS)
    try:
        yield lease
    finally:
        await lease.release()
