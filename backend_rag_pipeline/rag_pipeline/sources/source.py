"""The protocol between the synchroniser and what it reads documents from.

A source never decides what is deleted: it says what it has seen. Only a listing that is complete and free of errors
may remove documents, so whatever keeps a source from seeing everything raises `SourceUnavailable` or is named in the
listing as unread, and never silently shortens it.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias, runtime_checkable

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"
SourceState: TypeAlias = dict[str, JsonValue]
"""What a source wants to remember between two syncs, saved only in the transaction that queues the work."""


class SourceError(Exception):
    """What a source may raise. `code` is stable; the text is written for the operator and holds no secret."""

    code = "source_error"


class ConfigurationError(SourceError):
    """The source cannot work with these settings."""

    code = "configuration"


class AuthenticationError(SourceError):
    """The source refuses our credentials."""

    code = "authentication"


class SourceUnavailable(SourceError):
    """The source could not be read completely now; nothing may be concluded from it."""

    code = "source_unavailable"


class FileError(SourceError):
    """One file could not be read; the others can."""

    code = "unreadable"
    is_permanent = False
    """Trying again is of no use before the file changes."""


class FileGone(FileError):
    """The file is not there any more. The next complete listing decides about its document."""

    code = "gone"


class FileNotPermitted(FileError):
    """The file is there, and the source does not let us read it."""

    code = "not_permitted"


class FileTooLarge(FileError):
    """The file is above the limit of the settings."""

    code = "too_large"
    is_permanent = True


class FileUnsupported(FileError):
    """There is nothing in the file that could be indexed, and nothing wrong with it."""

    code = "unsupported_type"
    is_permanent = True


class FileForbidden(FileError):
    """The file may be seen and not be read."""

    code = "forbidden"
    is_permanent = True


class FileNotStable(FileError):
    """The file changes while it is read; it is tried again."""

    code = "not_stable"


@dataclass(frozen=True)
class SourceFile:
    """One file as a listing shows it, without its content."""

    key: str
    """Stable name within the source: relative path with '/', or the Drive file id."""
    name: str
    mime_type: str | None
    size_bytes: int | None
    modified_at: datetime | None
    fingerprint: str
    """Cheap mark that changes whenever the content may have changed. What follows a ';' changes with the key too."""
    url: str | None
    identity: str | None = None
    """What stays the same when the key changes: a file's inode, say. None where the key itself never changes."""


@dataclass(frozen=True)
class Listing:
    """Everything the source holds now, complete and free of errors but for what it names as unread."""

    files: tuple[SourceFile, ...]
    state: SourceState = field(default_factory=dict[str, JsonValue])
    unsettled: frozenset[str] = frozenset()
    """Keys that are there but are not to be read yet, because somebody is still writing them: neither changed nor
    removed."""
    unread: Mapping[str, str] = field(default_factory=dict[str, str])
    """What could not be looked at, with the reason: nothing may be concluded about these keys, nor about any below
    them ('key/...')."""


@dataclass(frozen=True)
class Changes:
    """What happened since the state that was handed in. A renamed file is a changed one with the same key; where the
    key itself changes, a complete listing is asked for (`changes` returns None)."""

    changed: tuple[SourceFile, ...]
    removed: tuple[str, ...]
    state: SourceState


@dataclass(frozen=True)
class FetchedFile:
    """The content of one file, read in one piece."""

    name: str
    mime_type: str | None
    content: bytes
    fingerprint: str


class Source(Protocol):
    """One folder or one Drive. Methods are called by one task at a time, `fetch` by several."""

    @property
    def pipeline_type(self) -> str:
        """local | google_drive"""
        ...

    async def check(self) -> None:
        """Return if the source can work. Raises ConfigurationError, AuthenticationError or SourceUnavailable."""
        ...

    async def list_all(self) -> Listing:
        """Everything there is. Raises SourceUnavailable or AuthenticationError; never returns half a listing."""
        ...

    async def changes(self, state: Mapping[str, JsonValue]) -> Changes | None:
        """What changed since `state`; None: a complete listing is needed. Raises as `list_all`."""
        ...

    async def fetch(self, key: str) -> FetchedFile:
        """Raises a FileError, SourceUnavailable or AuthenticationError."""
        ...

    async def close(self) -> None:
        """Give back what the source holds."""
        ...


@runtime_checkable
class WakingSource(Protocol):
    """A source that notices by itself when something may have changed."""

    def wake(self) -> AsyncIterator[None]:
        """Yields when a sync now is worth it; the interval stays as the fallback."""
        ...
