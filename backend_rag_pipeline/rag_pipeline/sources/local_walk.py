"""Going through a folder and all below it, without following links and without stopping at what may not be read."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import PurePath

import structlog

from rag_pipeline.sources.local_names import is_ignored, is_too_long, key_of
from rag_pipeline.sources.local_reading import link_target, open_folder_beneath, opened_folder
from rag_pipeline.sources.source import SourceUnavailable

log = structlog.stdlib.get_logger(__name__)

GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""Deleted or replaced by something else meanwhile: then it holds nothing."""


class FolderWalk:
    """One look through a folder. `mounts` and `unread` are complete once `files` has ended."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.mounts: list[str] = []
        """Keys of the folders on which another disk is mounted."""
        self.unread: dict[str, str] = {}
        """Keys of the folders and files that could not be looked at, with the reason."""

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Every regular file, by its path below the folder. Raises SourceUnavailable where that cannot be opened."""
        with opened_folder(self._root) as root:
            waiting = [("", os.fstat(root).st_dev)]
            while waiting:
                path, device_above = waiting.pop()
                try:
                    folder = open_folder_beneath(root, PurePath(path).parts)
                except OSError as error:
                    self._note(path, error)
                    continue
                try:
                    device = os.fstat(folder).st_dev
                    if device != device_above:
                        self.mounts.append(key_of(path))
                    folders, files = self._names(path, folder)
                    waiting += [(os.path.join(path, name), device) for name in reversed(folders)]
                    yield from self._examined(path, folder, files)
                finally:
                    os.close(folder)

    def _names(self, path: str, folder: int) -> tuple[list[str], list[str]]:
        """The names of its folders and of everything else, but of what is never indexed."""
        folders: list[str] = []
        others: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if not is_ignored(entry.name, is_folder=is_folder):
                        (folders if is_folder else others).append(entry.name)
        except OSError as error:
            self._note(path, error)
        return folders, others

    def _examined(self, path: str, folder: int, names: list[str]) -> Iterator[tuple[str, os.stat_result]]:
        for name in names:
            file = os.path.join(path, name)
            if is_too_long(key_of(file)):
                # It must not keep the others from being stored.
                log.warning("path_too_long", begins_with=key_of(file)[:100])
                continue
            try:
                status = self._status(file, name, folder)
            except OSError as error:
                self._note(file, error)
                continue
            if status is not None:
                yield file, status

    def _status(self, path: str, name: str, folder: int) -> os.stat_result | None:
        """What is known of a regular file; None for anything else, and for a link that leads out."""
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            target = link_target(self._root, path)
            if target is None:
                log.debug("link_refused", key=key_of(path))
                return None
            status = os.stat(os.path.join(os.path.realpath(self._root), target), follow_symlinks=False)
        return status if stat.S_ISREG(status.st_mode) else None

    def _note(self, path: str, error: OSError) -> None:
        if not path:
            raise SourceUnavailable(f"the folder cannot be read: {error.strerror}") from None
        if error.errno not in GONE:
            self.unread[key_of(path)] = error.strerror or "unknown"
