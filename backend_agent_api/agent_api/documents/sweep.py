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
FEW = 5
"""As many may be all there is: what a single crash or one person leaves behind."""
ADVICE = (
    "Most files in the bucket belong to no upload that this database knows, so none is removed. Does UPLOAD_BUCKET"
    " belong to another database, or was this one emptied? If they are left over indeed, set UPLOAD_SWEEP_SHARE_MAX=1"
    " once"
)


async def sweep(database: Database, storage: SupabaseStorage, *, grace_seconds: float, share_max: float) -> int:
    """Remove them once; how many there were. Only what we named, and what has been there for a while.

    Over the bucket of another database nearly every file looks left behind, and what is removed is gone for good: more
    than `share_max` of them is taken for that mistake, and none is removed.
    """
    kept = 0
    orphans: list[str] = []
    for offset in range(0, OBJECTS_MAX, LIST_MAX):
        page = await storage.list(offset=offset)
        until = datetime.now(UTC) - timedelta(seconds=grace_seconds)
        old = [each.path for each in page if each.upload_id is not None and each.created_at <= until]
        async with database.statement() as connection:
            unknown = await queries.unknown_paths(connection, paths=old)
        orphans += unknown
        kept += len(old) - len(unknown)
        if len(page) < LIST_MAX:
            break
    if len(orphans) > FEW and len(orphans) > share_max * (len(orphans) + kept):
        log.error("uploads_not_swept", unknown=len(orphans), known=kept, advice=ADVICE)
        return 0
    for start in range(0, len(orphans), LIST_MAX):
        await storage.remove([Place("supabase", path=path) for path in orphans[start : start + LIST_MAX]])
    if orphans:
        log.info("uploads_swept", removed=len(orphans))
    return len(orphans)


async def keep_swept(
    database: Database,
    storage: SupabaseStorage,
    *,
    in_use: bool,
    interval_seconds: float,
    grace_seconds: float,
    share_max: float,
) -> None:
    """Sweep now and then. Several replicas may: it is repeatable.

    Where new uploads go elsewhere (`in_use` is false), as long as older ones lay there: accounts are still deleted.
    """
    while True:
        try:
            if await _was_ever_used(database, in_use=in_use):
                await sweep(database, storage, grace_seconds=grace_seconds, share_max=share_max)
        except (StorageUnavailable, DatabaseUnavailable) as error:
            log.warning("uploads_not_swept", exc_info=error)
        await asyncio.sleep(interval_seconds)


async def _was_ever_used(database: Database, *, in_use: bool) -> bool:
    async with database.statement() as connection:
        if not in_use:
            return await queries.ever_used_bucket(connection)
        await queries.note_bucket(connection)
        return True
