"""What extraction gives, and how it fails."""

from dataclasses import dataclass, field
from typing import Literal

ColumnType = Literal["text", "integer", "number", "boolean", "date", "datetime"]
Cell = str | int | float | bool | None
"""A value of a row. Dates are ISO 8601 text."""

ErrorCode = Literal[
    "unsupported_type",
    "empty",
    "encrypted",
    "unreadable",
    "too_large",
    "too_many_pages",
    "archive_too_large",
    "timed_out",
    "crashed",
    "needs_vision",
    "vision_unavailable",
]


@dataclass(frozen=True)
class PageText:
    """Markdown of one page or slide; `number` counts from 1 and is None where the format has no pages."""

    number: int | None
    text: str


@dataclass(frozen=True)
class Column:
    """A column of a table; every value in it is of its type or None."""

    name: str
    type: ColumnType


@dataclass(frozen=True)
class Table:
    """One sheet. Every row holds every column."""

    name: str
    columns: tuple[Column, ...]
    rows: list[dict[str, Cell]] = field(repr=False)


@dataclass(frozen=True)
class Extraction:
    """A document's text and tables. `mime_type` is what the content is, whatever the file was called."""

    title: str | None
    mime_type: str
    pages: tuple[PageText, ...]
    tables: tuple[Table, ...] = ()
    unread_pages: int = 0
    unread_reason: str = ""
    """Pages that are pictures and were not read, and why; the text is that of the others."""


class ExtractionError(Exception):
    """No text could be had. `message` is written for the person whose file it is.

    Permanent: the same bytes will fail again, so only a changed file or changed settings are worth another try.
    """

    def __init__(self, code: ErrorCode, message: str, *, is_permanent: bool = True) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.is_permanent = is_permanent
