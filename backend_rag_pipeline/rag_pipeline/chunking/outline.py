"""Headings and tables of a Markdown text, and where they stand.

A line may be as long as a file, and whoever wrote it may want to stop us: nothing here takes more steps than the line
has characters. (This runs in the service itself, where a pattern that never ends would stop everything.)
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]")
_DELIMITER_ROW = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?")
_MARKUP = re.compile(r"\[([^\[\]]*)\]\([^()]*\)|[*_`]{1,3}")
_HEADING_MAX_CHARACTERS = 200
_HEADING_SOURCE_MAX_CHARACTERS = 2_000
"""With the addresses of links in it."""


@dataclass(frozen=True)
class Heading:
    """A heading line; `path` are the headings above it and itself."""

    start: int
    end: int
    path: tuple[str, ...]


@dataclass(frozen=True)
class TableSpan:
    """Where the rows of a table stand; `header` is its first row."""

    start: int
    end: int
    header: str


class Outline:
    """Headings and tables of one text."""

    def __init__(self, text: str) -> None:
        lines = list(_lines(text))
        self.headings = list(_headings(lines))
        self.tables = list(_tables(lines))
        self._heading_starts = [heading.start for heading in self.headings]
        self._table_starts = [table.start for table in self.tables]

    def path_at(self, position: int) -> tuple[str, ...]:
        """The headings above a position, its own line included."""
        index = bisect_right(self._heading_starts, position) - 1
        return self.headings[index].path if index >= 0 else ()

    def header_at(self, position: int) -> str:
        """The header row of the table whose rows the position is among; empty elsewhere."""
        index = bisect_right(self._table_starts, position) - 1
        if index < 0 or position >= self.tables[index].end:
            return ""
        return self.tables[index].header

    def skip_headings(self, start: int, end: int, text: str) -> int:
        """The first position of a range that is no heading and no space; `end` where there is none."""
        position = start
        while True:
            while position < end and text[position].isspace():
                position += 1
            index = bisect_right(self._heading_starts, position) - 1
            if position >= end or index < 0 or position >= self.headings[index].end:
                return min(position, end)
            position = self.headings[index].end


def _lines(text: str) -> Iterator[tuple[int, str, bool]]:
    """Start, text and whether it is code, for each line."""
    fence = ""
    position = 0
    for line in text.split("\n"):
        found = _FENCE.match(line)
        mark = found.group(1) if found else ""
        is_code = bool(fence)
        if not fence and mark:
            fence, is_code = mark, True
        elif fence and mark[:1] == fence[0] and len(mark) >= len(fence) and line.strip() == mark:
            fence = ""
        yield position, line, is_code
        position += len(line) + 1


def _headings(lines: list[tuple[int, str, bool]]) -> Iterator[Heading]:
    stack: list[tuple[int, str]] = []
    for start, line, is_code in lines:
        found = None if is_code else _HEADING.match(line)
        if found is None:
            continue
        level = len(found.group(1))
        source = line[found.end() :].lstrip(" \t").rstrip(" \t#")[:_HEADING_SOURCE_MAX_CHARACTERS]
        title = " ".join(_MARKUP.sub(r"\1", source).split())[:_HEADING_MAX_CHARACTERS]
        while stack and stack[-1][0] >= level:
            stack.pop()
        if title:
            stack.append((level, title))
        yield Heading(start=start, end=start + len(line), path=tuple(name for _, name in stack))


def _tables(lines: list[tuple[int, str, bool]]) -> Iterator[TableSpan]:
    index = 0
    while index + 1 < len(lines):
        _, header, is_code = lines[index]
        below = lines[index + 1]
        if is_code or "|" not in header or "|" not in below[1] or not _DELIMITER_ROW.fullmatch(below[1].strip(" \t")):
            index += 1
            continue
        first = last = index + 2
        while last < len(lines) and "|" in lines[last][1]:
            last += 1
        if last > first:
            end = lines[last - 1][0] + len(lines[last - 1][1])
            yield TableSpan(start=lines[first][0], end=end, header=header.strip())
        index = last
