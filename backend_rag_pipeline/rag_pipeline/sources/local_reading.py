"""Opening files of a folder that other people write to, so that nothing outside it is ever read.

Every step goes from an open directory to a name in it, without following links: swapping a folder for a link between
the check and the open leads nowhere.
"""

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath

from rag_pipeline.sources.source import FileGone, FileNotPermitted, FileNotStable, FileTooLarge, SourceUnavailable

READ_SIZE_BYTES = 1024 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking: opening a pipe that nobody writes to would otherwise never return.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class ReadFile:
    """What was read, and what the file was while it was read."""

    content: bytes
    status: os.stat_result


@contextmanager
def opened_folder(root: str) -> Generator[int]:
    """A descriptor of the folder itself, which may be a link. Raises SourceUnavailable."""
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceUnavailable(f"the folder cannot be opened: {error.strerror}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_beneath(root: str, relative_path: str, *, bytes_max: int) -> ReadFile:
    """Read a regular file below `root` in one piece. A link is followed where it ends below `root`.

    Raises FileGone, FileNotPermitted, FileTooLarge, FileNotStable or SourceUnavailable.
    """
    with opened_folder(root) as folder:
        try:
            try:
                descriptor = _open_beneath(folder, PurePath(relative_path).parts)
            except OSError:
                target = link_target(root, relative_path)
                if target is None:
                    raise
                descriptor = _open_beneath(folder, PurePath(target).parts)
        except PermissionError:
            raise FileNotPermitted("the file may not be read") from None
        except OSError as error:
            # ELOOP, ENOTDIR: a link where there was a file or a folder.
            raise FileGone(f"the file cannot be opened: {error.strerror}") from None
    try:
        return _read(descriptor, bytes_max)
    except OSError as error:
        raise SourceUnavailable(f"the file cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


def link_target(root: str, relative_path: str) -> str | None:
    """Where a link ends, as a path below `root`; None where it is no link or leads out."""
    path = os.path.join(root, relative_path)
    if not os.path.islink(path):
        return None
    real_root, real_path = os.path.realpath(root), os.path.realpath(path)
    if os.path.commonpath([real_root, real_path]) != real_root or real_path == real_root:
        return None
    return os.path.relpath(real_path, real_root)


def open_folder_beneath(folder: int, parts: tuple[str, ...]) -> int:
    """A descriptor of the folder itself (no parts) or of one below it, with no link on the way. Raises OSError."""
    return _open_beneath(folder, parts or (".",), _DIRECTORY)


def _open_beneath(folder: int, parts: tuple[str, ...], flags: int = _FILE) -> int:
    if not parts or any(part in ("..", "/") for part in parts):
        raise NotADirectoryError("not a path below the folder")
    opened: list[int] = []
    try:
        current = folder
        for part in parts[:-1]:
            current = os.open(part, _DIRECTORY, dir_fd=current)
            opened.append(current)
        return os.open(parts[-1], flags, dir_fd=current)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _read(descriptor: int, bytes_max: int) -> ReadFile:
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        raise FileGone("not a regular file any more")
    if before.st_size > bytes_max:
        raise FileTooLarge(f"{before.st_size} bytes")
    pieces: list[bytes] = []
    total = 0
    while piece := os.read(descriptor, READ_SIZE_BYTES):
        pieces.append(piece)
        total += len(piece)
        if total > bytes_max:
            raise FileTooLarge(f"more than {bytes_max} bytes")
    after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or total != after.st_size:
        raise FileNotStable("the file changed while it was read")
    return ReadFile(b"".join(pieces), after)
