"""Giving up work whose document was deleted meanwhile, or was taken over by another worker."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from rag_pipeline import queries
from rag_pipeline.database import Database, is_passing_failure

T = TypeVar("T")
RECHECK_SECONDS = 2.0
"""Its place, and what its model costs, are for those who still wait."""


class Superseded(Exception):
    """Nobody wants the result."""


async def while_wanted(database: Database, document_id: str, run: int, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled where its document is gone: Superseded then. Raises what it raises."""
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait({task}, timeout=RECHECK_SECONDS))[0]:
            if not await _is_wanted(database, document_id, run):
                raise Superseded
        return await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _is_wanted(database: Database, document_id: str, run: int) -> bool:
    try:
        async with database.transaction() as connection:
            return await queries.is_current_run(connection, document_id, run)
    except Exception as error:
        if is_passing_failure(error):
            # A database that is away for a moment must not cost an hour of embedding.
            return True
        raise
