"""One embedding model at a time: workers of another one wait until the last of this one has ended.

Two models that are both at work would each fill their own space, take over from the other, and begin again, for ever.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from uuid import NAMESPACE_URL, uuid5

import structlog

from rag_pipeline.database import Database
from rag_pipeline.leases import Lease
from rag_pipeline.settings import Settings

log = structlog.stdlib.get_logger(__name__)

LEASE = "rag-embedding-model"


class AnotherModelAtWork(Exception):
    """Workers of this database embed with another model than this one would."""


class ModelTurn:
    """Held together by all workers of one model; it runs out a while after the last of them has ended."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._model = settings.embedding_model_choice
        self._seconds = settings.rag_worker_stalled_seconds
        holder = uuid5(NAMESPACE_URL, self._model)
        # Never released: the others of this model still rely on it.
        self._lease = Lease(database, name=LEASE, seconds=self._seconds, holder=holder)

    @property
    def is_ours(self) -> bool:
        """Whether this model may fill its space and take over."""
        return self._lease.is_held

    async def begin(self, stop: asyncio.Event) -> None:
        """Return once it is ours, or at `stop`."""
        is_told = False
        while not stop.is_set() and not await self._lease.try_to_take():
            if not is_told:
                is_told = True
                log.error(
                    "another_embedding_model_at_work",
                    model=self._model,
                    reason="this worker waits until those with another EMBEDDING_MODEL_CHOICE have ended",
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._seconds / 3)

    async def begin_within_patience(self) -> None:
        """Wait for as long as one that has ended may still seem to run. Raises AnotherModelAtWork."""
        try:
            async with asyncio.timeout(self._seconds * 2):
                await self._lease.wait()
        except TimeoutError:
            raise AnotherModelAtWork(
                f"workers of this database embed with another EMBEDDING_MODEL_CHOICE than {self._model}"
            ) from None

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncGenerator[None]:
        """Renewed, and taken again once it is free, for as long as the block lasts."""
        keeper = asyncio.create_task(self._lease.keep())
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
