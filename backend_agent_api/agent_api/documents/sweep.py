"""Removing files from the bucket that no upload owns: left by a crash, or by an account that was deleted."""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from agent_api.database import Database
from agent_api.documents import queries
from agent_api.documents.errors import StorageUnavailable
from agent_api.documents.storage import Place
from agent_api.documents.supabase_storage import LIST_MAX, SupabaseStorage
from agent_api.errors import DatabaseUnavailable

log = structlog.stdlib.get_logger(__name__)

OBJECTS_MAX = 1_000_000
"""In one sweep."""


async def sweep(database: Database, storage: SupabaseStorage, *, grace_seconds: float) -> int:
    """Remove them once; how many there were. Only what we named, and what has been there for a while."""
    removed = offset = 0
    while offset < OBJECTS_MAX:
        page = await storage.list(offset=offset)
        until = datetime.now(UTC) - timedelta(seconds=grace_seconds)
        old = [each.path for each in page if each.upload_id is not None and each.created_at <= until]
        async with database.statement() as connection:
            orphans = await queries.unknown_paths(connection, paths=old)
        await storage.remove([Place("supabase", path=path) for path in orphans])
        removed += len(orphans)
        if len(page) < LIST_MAX:
            break
        # What was removed made the rest move up.
        offset += len(page) - len(orphans)
    if removed:
        log.info("uploads_swept", removed=removed)
    return removed


async def keep_swept(
    database: Database, storage: SupabaseStorage, *, interval_seconds: float, grace_seconds: float
) -> None:
    """Sweep now and then. Several replicas may: it is repeatable."""
    while True:
        try:
            await sweep(database, storage, grace_seconds=grace_seconds)
        except (StorageUnavailable, DatabaseUnavailable) as error:
            log.warning("uploads_not_swept", exc_info=error)
        await asyncio.sleep(interval_seconds)
