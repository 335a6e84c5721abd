"""One replica at a time: a row in job_leases that its holder renews."""

import asyncio
import contextlib
from uuid import UUID, uuid4

import structlog

from rag_pipeline import queries
from rag_pipeline.database import Database

log = structlog.stdlib.get_logger(__name__)

ASK_AGAIN_SECONDS = 0.2
NOBODY = UUID(int=0)
"""Holds a lease that rests: who remembers nothing of it can tell it from one under which somebody works."""


class Lease:
    """Taken and renewed by `keep`, which runs beside the work; `is_held` says whether the work may go on.

    Those who give the same `holder` hold it together.
    """

    def __init__(self, database: Database, *, name: str, seconds: float, holder: UUID | None = None) -> None:
        self._database = database
        self._name = name
        self._seconds = seconds
        self._held_until = 0.0
        self._rests_until = 0.0
        self.holder = holder or uuid4()

    @property
    def is_held(self) -> bool:
        return asyncio.get_running_loop().time() < self._held_until

    async def take(self) -> bool:
        """Take or renew it; False: another replica holds it, or it rests."""
        asked_at = asyncio.get_running_loop().time()
        if asked_at < self._rests_until:
            return False
        async with self._database.transaction() as connection:
            held = await queries.acquire_lease(connection, name=self._name, holder=self.holder, seconds=self._seconds)
        self._held_until = asked_at + self._seconds if held else 0.0
        return held

    async def try_to_take(self) -> bool:
        """As `take`; False also where the database cannot be asked."""
        try:
            return await self.take()
        except Exception as error:
            log.warning("lease_not_taken", lease=self._name, exc_info=error)
            return False

    async def wait(self) -> None:
        """Return once it is held."""
        held = await self.take()
        while not held:
            await asyncio.sleep(ASK_AGAIN_SECONDS)
            held = await self.take()

    async def keep(self) -> None:
        """Renew it for as long as this runs, and take it over when its holder lets go."""
        while True:
            await self.try_to_take()
            await asyncio.sleep(self._seconds / 3)

    async def rest(self, seconds: float) -> None:
        """Let nobody take it for that long, whoever asks; where that cannot be stored, at least not this one."""
        self._held_until, self._rests_until = 0.0, asyncio.get_running_loop().time() + seconds
        with contextlib.suppress(Exception):
            async with self._database.transaction() as connection:
                await queries.release_lease(connection, name=self._name, holder=self.holder)
                await queries.acquire_lease(connection, name=self._name, holder=NOBODY, seconds=seconds)

    async def is_resting(self) -> bool:
        """Whether it rests now, whoever had it rest."""
        if asyncio.get_running_loop().time() < self._rests_until:
            return True
        async with self._database.transaction() as connection:
            return await queries.is_lease_held(connection, name=self._name, holder=NOBODY)

    async def release(self) -> None:
        """Let others take it at once; where that fails it runs out by itself."""
        self._held_until = 0.0
        with contextlib.suppress(Exception):
            async with self._database.transaction() as connection:
                await queries.release_lease(connection, name=self._name, holder=self.holder)
