"""Keeps the documents of a pipeline in step with its source. One replica at a time does it; all of them index.

Each look ends in one transaction: documents written, jobs queued and only with them the state from which the next look
goes on. Whatever goes wrong before it leaves everything as it was, with the reason on the pipeline.
"""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from rag_pipeline import queries
from rag_pipeline.comparing import (
    Difference,
    candidates_by_size,
    compare,
    why_lost,
    with_renames,
    with_unread_mounts,
)
from rag_pipeline.database import Database, is_beyond_limits, is_passing_failure
from rag_pipeline.leases import Lease
from rag_pipeline.queries import Applied, KnownFile
from rag_pipeline.settings import Settings
from rag_pipeline.sources.source import (
    AuthenticationError,
    Changes,
    FileError,
    JsonValue,
    Listing,
    Source,
    SourceError,
    SourceFile,
    SourceState,
    SourceUnavailable,
    WakingSource,
)
from rag_pipeline.worker import until_stopped

log = structlog.stdlib.get_logger(__name__)

COMPARED_BY_CONTENT_MAX = 200
"""Files read during one look to find out whether they are moved ones."""
UNSETTLED_WAIT_SECONDS = 1.0
"""Something is just being written: look again sooner than the interval says."""
SECONDS_PER_FILE = 0.02
"""What storing or deleting one may take, beside the limit of a statement."""
SYNCED_BY_ANOTHER = "AP409"
NOTHING = Applied(0, 0, 0, 0)


@dataclass(frozen=True)
class Look:
    """What one look at the source did."""

    applied: Applied
    unsettled: frozenset[str] = frozenset()
    """Keys of files that somebody is still writing."""
    is_partial: bool = False
    """Something could not be read; the pipeline says what."""


class Synchroniser:
    """Looks at one source."""

    def __init__(self, database: Database, source: Source, settings: Settings) -> None:
        self._database = database
        self._source = source
        self._settings = settings
        self._pipeline_id = settings.rag_pipeline_id
        self._lease = Lease(database, name=f"rag-sync:{self._pipeline_id}", seconds=settings.rag_sync_lease_seconds)
        self._woken = asyncio.Event()
        self._is_checked = False
        self._applied_listing: tuple[tuple[SourceFile, ...], SourceState, Mapping[str, str]] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Look whenever the interval has passed or the source says so, until `stop`."""
        keeper = asyncio.create_task(self._lease.keep())
        waker = asyncio.create_task(self._listen())
        try:
            while not stop.is_set():
                seconds = await until_stopped(self._turn(), stop)
                if seconds is not None:
                    await self._wait(stop, seconds)
        finally:
            for task in (keeper, waker):
                task.cancel()
            await asyncio.gather(keeper, waker, return_exceptions=True)
            await self._lease.release()

    async def check(self) -> None:
        """Return if the source can work. Raises SourceError, which the pipeline then shows."""
        try:
            await self._check()
        except SourceError as error:
            await self._note_failure(error)
            raise

    async def _check(self) -> None:
        if not self._is_checked:
            await self._source.check()
            self._is_checked = True

    async def once(self) -> Look:
        """One look of one's own. Raises SourceError, also where another replica keeps syncing."""
        try:
            async with asyncio.timeout(self._settings.rag_sync_lease_seconds * 2):
                await self._lease.wait()
        except TimeoutError:
            raise SourceUnavailable("another worker keeps looking at this source: does a continuous one run?") from None
        keeper = asyncio.create_task(self._lease.keep())
        try:
            added = NOTHING
            deadline = asyncio.get_running_loop().time() + self._settings.rag_settle_seconds_max
            while True:
                look = await self.look()
                added = _sum(added, look.applied)
                if not look.unsettled or asyncio.get_running_loop().time() > deadline:
                    return Look(added, look.unsettled, look.is_partial)
                await asyncio.sleep(UNSETTLED_WAIT_SECONDS)
        except SourceError as error:
            await self._note_failure(error)
            raise
        except Exception as error:
            await self._note_not_stored(error)
            raise
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await self._lease.release()

    async def look(self) -> Look:
        """See what changed and apply it. Raises SourceError."""
        async with self._database.transaction() as connection:
            state, listed_at = await queries.read_pipeline_state(connection, self._pipeline_id)
        if state and not self._is_listing_due(listed_at):
            changes = await self._source.changes(state)
            if changes is not None:
                return Look(await self._apply_changes(changes, state))
        is_due = self._is_listing_due(listed_at)
        return await self._apply_listing(await self._source.list_all(), state, is_due=is_due)

    def _is_listing_due(self, listed_at: datetime | None) -> bool:
        if listed_at is None:
            return True
        return (datetime.now(UTC) - listed_at).total_seconds() >= self._settings.rag_full_listing_seconds

    async def _turn(self) -> float:
        """One look, if it is this replica's turn. Returns the seconds until the next."""
        interval = self._settings.rag_interval_seconds
        if not self._lease.is_held and not await self._lease.try_to_take():
            # Whoever holds it may apply another listing meanwhile.
            self._applied_listing = None
            return min(interval, self._settings.rag_sync_lease_seconds / 3)
        try:
            await self._check()
            look = await self.look()
        except SourceError as error:
            await self._note_failure(error)
        except Exception as error:
            log.warning("sync_failed", pipeline_id=self._pipeline_id, exc_info=error)
            await self._note_not_stored(error)
        else:
            return min(interval, UNSETTLED_WAIT_SECONDS) if look.unsettled else interval
        return interval

    async def _wait(self, stop: asyncio.Event, seconds: float) -> None:
        waiting = [asyncio.create_task(stop.wait()), asyncio.create_task(self._woken.wait())]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        self._woken.clear()

    async def _listen(self) -> None:
        if not isinstance(self._source, WakingSource):
            return
        try:
            async for _ in self._source.wake():
                self._woken.set()
        except Exception as error:
            log.warning("source_events_ended", exc_info=error)

    async def _note_look(self, *, is_partial: bool = False) -> None:
        async with self._database.transaction() as connection:
            await queries.note_look(connection, self._pipeline_id, is_partial=is_partial)

    async def _note_not_stored(self, error: Exception) -> None:
        """A database that is away says nothing about the source."""
        is_absence = is_passing_failure(error) and not is_beyond_limits(error)
        if not is_absence and getattr(error, "sqlstate", None) != SYNCED_BY_ANOTHER:
            await self._note_failure(SourceError("what was found could not be stored; the worker's log says why"))

    async def _note_failure(self, error: SourceError) -> None:
        self._applied_listing = None
        level = log.error if isinstance(error, AuthenticationError) else log.warning
        level("source_failed", pipeline_id=self._pipeline_id, code=error.code, reason=str(error))
        with contextlib.suppress(Exception):
            async with self._database.transaction() as connection:
                await queries.record_source_failure(
                    connection,
                    pipeline_id=self._pipeline_id,
                    pipeline_type=self._source.pipeline_type,
                    code=error.code,
                    message=str(error),
                )

    async def _apply_changes(self, changes: Changes, state: SourceState) -> Applied:
        if not changes.changed and not changes.removed and changes.state == state:
            await self._note_look()
            return NOTHING
        difference = Difference(changes.changed, changes.removed)
        return await self._apply(difference, changes.state, is_complete=False)

    async def _apply_listing(self, listing: Listing, state: SourceState, *, is_due: bool) -> Look:
        state_now = with_unread_mounts(state, listing)
        seen = (listing.files, state_now, listing.unread)
        if self._applied_listing == seen and not is_due:
            await self._note_look(is_partial=bool(listing.unread))
            return Look(NOTHING, is_partial=bool(listing.unread))
        async with self._database.transaction() as connection:
            known = await queries.list_known_files(connection, self._pipeline_id)
        difference = compare(listing, known)
        lost = why_lost(listing, difference, known, state)
        if lost and not self._settings.rag_accept_new_folder:
            raise SourceUnavailable(f"{lost} If this is meant, set RAG_ACCEPT_NEW_FOLDER=true once")
        renames = difference.renames | await self._renames_by_content(difference, known)
        applied = await self._apply(with_renames(difference, renames), state_now, is_complete=True)
        if listing.unread:
            await self._note_failure(_unread(listing.unread))
        self._applied_listing = None if listing.unsettled else seen
        return Look(applied, listing.unsettled, bool(listing.unread))

    async def _renames_by_content(self, difference: Difference, known: Mapping[str, KnownFile]) -> dict[str, str]:
        """Files that were copied elsewhere and deleted here, or moved between file systems."""
        candidates = candidates_by_size(difference, known)
        found: dict[str, str] = {}
        for new_key, former_keys in list(candidates.items())[:COMPARED_BY_CONTENT_MAX]:
            try:
                fetched = await self._source.fetch(new_key)
            except FileError:
                continue
            content_hash = hashlib.sha256(fetched.content).hexdigest()
            for former_key in former_keys:
                if former_key not in found and known[former_key].content_hash == content_hash:
                    found[former_key] = new_key
                    break
        return found

    async def _apply(self, difference: Difference, state: Mapping[str, JsonValue], *, is_complete: bool) -> Applied:
        more_seconds = (len(difference.upserts) + len(difference.removed)) * SECONDS_PER_FILE
        async with self._database.transaction(more_seconds=more_seconds) as connection:
            applied = await queries.apply_listing(
                connection,
                pipeline_id=self._pipeline_id,
                pipeline_type=self._source.pipeline_type,
                holder=self._lease.holder,
                files=[self._described(file) for file in difference.upserts],
                removed=difference.removed,
                renames=difference.renames,
                is_complete=is_complete,
                state=state,
            )
        if applied != NOTHING:
            log.info("source_synced", pipeline_id=self._pipeline_id, **vars(applied))
        return applied

    def _described(self, file: SourceFile) -> dict[str, Any]:
        return {
            "key": file.key,
            "name": file.name,
            "mime_type": file.mime_type,
            "size_bytes": file.size_bytes,
            "modified_at": None if file.modified_at is None else file.modified_at.isoformat(),
            "fingerprint": file.fingerprint,
            "url": file.url,
            "identity": file.identity,
            "aliases": self._former_ids(file.key),
        }

    def _former_ids(self, key: str) -> list[str]:
        """How earlier versions named the document of a local file: by its path, as the folder was given to them."""
        if self._source.pipeline_type != "local":
            return []
        folder = self._settings.rag_watch_directory
        folders = {str(folder), os.path.abspath(folder), f"./{folder.name}", folder.name, f"/app/{folder.name}"}
        return sorted(f"{each}/{key}" for each in folders)


def _unread(unread: Mapping[str, str]) -> SourceUnavailable:
    key, reason = next(iter(sorted(unread.items())))
    others = f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
    return SourceUnavailable(f"cannot be read, and left as it is known: {key}{others}: {reason}")


def _sum(one: Applied, other: Applied) -> Applied:
    return Applied(
        one.added + other.added,
        one.changed + other.changed,
        one.renamed + other.renamed,
        one.removed + other.removed,
    )
