"""A local folder, read with everything below it.

Hidden and temporary files are skipped, links that lead out of the folder are refused, and a file that somebody is still
writing waits until two looks find it the same.
"""

import asyncio
import mimetypes
import os
import time
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from rag_pipeline.sources.local_names import key_of, path_of
from rag_pipeline.sources.local_reading import opened_folder, read_beneath
from rag_pipeline.sources.local_walk import FolderWalk
from rag_pipeline.sources.local_watch import FolderWatch
from rag_pipeline.sources.source import (
    Changes,
    ConfigurationError,
    FetchedFile,
    JsonValue,
    Listing,
    SourceFile,
    SourceUnavailable,
)

SETTLED_SECONDS = 10.0
"""Who writes a file touches it more often than this; one that is older need not be looked at twice."""
SECOND_LOOK_SECONDS = 0.5
"""Two looks this far apart that find the same size and time make a file settled."""


class LocalFiles:
    """The folder of RAG_WATCH_DIRECTORY."""

    def __init__(self, directory: Path, *, file_bytes_max: int, files_max: int) -> None:
        self._root = os.path.abspath(directory)
        self._file_bytes_max = file_bytes_max
        self._files_max = files_max
        self._looks: dict[str, tuple[str, float]] = {}
        self._watch = FolderWatch(self._root)

    @property
    def pipeline_type(self) -> str:
        return "local"

    async def check(self) -> None:
        if not await asyncio.to_thread(os.path.isdir, self._root):
            raise ConfigurationError(f"RAG_WATCH_DIRECTORY is no folder: {key_of(self._root)}")
        await asyncio.to_thread(self._identity)

    async def list_all(self) -> Listing:
        return await asyncio.to_thread(self._list)

    async def changes(self, state: Mapping[str, JsonValue]) -> Changes | None:
        """A folder keeps no list of changes: it is looked through each time, which reads no file."""
        return None

    async def fetch(self, key: str) -> FetchedFile:
        path = path_of(key)
        read = await asyncio.to_thread(read_beneath, self._root, path, bytes_max=self._file_bytes_max)
        name = os.path.basename(path)
        return FetchedFile(key_of(name), _mime_type(name), read.content, _mark(read.status))

    def wake(self) -> AsyncGenerator[None]:
        return self._watch.events()

    async def close(self) -> None:
        await asyncio.to_thread(self._watch.close)

    def _identity(self) -> dict[str, JsonValue]:
        with opened_folder(self._root) as folder:
            status = os.fstat(folder)
        return {"path": key_of(self._root), "device": status.st_dev, "inode": status.st_ino}

    def _list(self) -> Listing:
        identity = self._identity()
        found: list[SourceFile] = []
        unsettled: set[str] = set()
        looks: dict[str, tuple[str, float]] = {}
        walk = FolderWalk(self._root)
        for path, status in walk.files():
            if len(found) >= self._files_max:
                raise SourceUnavailable(f"more than RAG_FILES_MAX ({self._files_max}) files")
            file = _source_file(path, status)
            first_seen = self._first_seen(file)
            looks[file.key] = (file.fingerprint, first_seen)
            if not _is_settled(status, first_seen):
                unsettled.add(file.key)
            found.append(file)
        # Had the folder been swapped or unmounted meanwhile, this would be half a listing.
        if self._identity() != identity:
            raise SourceUnavailable("the folder was replaced while it was read")
        self._looks = looks
        self._watch.follow(f"{identity['device']}:{identity['inode']}")
        mounts: list[JsonValue] = [*walk.mounts]
        return Listing(tuple(found), {"folder": identity, "mounts": mounts}, frozenset(unsettled), walk.unread)

    def _first_seen(self, file: SourceFile) -> float:
        known = self._looks.get(file.key)
        return known[1] if known is not None and known[0] == file.fingerprint else time.monotonic()


def _source_file(path: str, status: os.stat_result) -> SourceFile:
    name = os.path.basename(path)
    return SourceFile(
        key=key_of(path),
        name=key_of(name),
        mime_type=_mime_type(name),
        size_bytes=status.st_size,
        modified_at=_moment(status.st_mtime),
        fingerprint=_mark(status),
        url=None,
        identity=str(status.st_ino),
    )


def _mark(status: os.stat_result) -> str:
    # Who copies a file may keep its time (rsync, unzip, cp -p); nobody sets when the file itself was last changed.
    return f"{status.st_size}:{status.st_mtime_ns};{status.st_ctime_ns}"


def _is_settled(status: os.stat_result, first_seen: float) -> bool:
    # A time in the future is a wrong clock, not a proof of anything.
    age_seconds = time.time() - status.st_mtime
    return age_seconds > SETTLED_SECONDS or time.monotonic() - first_seen >= SECOND_LOOK_SECONDS


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _mime_type(name: str) -> str | None:
    return mimetypes.guess_type(name, strict=False)[0]
