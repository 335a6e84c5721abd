"""Rows of text or values to typed columns. A type is claimed only when every value has it, exactly."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from rag_pipeline.extractors.cleaning import clean_line, clean_text
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.model import Cell, Column, ColumnType, ExtractionError, Table

# No leading zero (a postcode or an article number is no number), no sign but minus, at most 38 digits.
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,37})")
# More than 15 digits would not survive a double.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)\.\d+")
_NUMBER_MAX_DIGITS = 15
_BOOLEANS = {"true": True, "false": False}
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?")
_NAME_MAX_CHARACTERS = 100


def build_table(name: str, rows: Iterable[Sequence[Cell]], limits: ExtractionLimits) -> Table | None:
    """A table from raw rows, or None without any value. The first row is the header where it reads like one.

    Raises ExtractionError too_large.
    """
    cells = list(_filled(rows, limits))
    if not cells:
        return None
    width = max(len(row) for row in cells)
    if width > limits.columns_max:
        raise ExtractionError("too_large", f"A table has {width:,} columns; at most {limits.columns_max:,} are read.")
    has_header = _is_header(cells)
    names = _column_names(cells[0] if has_header else (), width)
    body = cells[1:] if has_header else cells
    values = [_typed([row[index] if index < len(row) else None for row in body]) for index in range(width)]
    columns = tuple(Column(name=name, type=kind) for name, (kind, _) in zip(names, values, strict=True))
    rows_out = [dict(zip(names, row, strict=True)) for row in zip(*(column for _, column in values), strict=True)]
    return Table(name=clean_line(name, max_characters=_NAME_MAX_CHARACTERS), columns=columns, rows=rows_out)


def table_markdown(table: Table) -> str:
    """The table as Markdown, one line per row."""
    names = [column.name for column in table.columns]
    lines = [_row(names), _row(["---"] * len(names))]
    lines += [_row([_shown(row[name]) for name in names]) for row in table.rows]
    return "\n".join(lines)


def _filled(rows: Iterable[Sequence[Cell]], limits: ExtractionLimits) -> Iterator[list[Cell]]:
    """Rows that hold something, cleaned; counts them and their characters."""
    count = 0
    characters = 0
    for row in rows:
        cells = [_clean(cell) for cell in row]
        while cells and cells[-1] is None:
            cells.pop()
        if not cells:
            continue
        count += 1
        if count > limits.rows_max + 1:
            raise ExtractionError("too_large", f"A table has more than {limits.rows_max:,} rows. Split it.")
        characters += sum(len(cell) if isinstance(cell, str) else 8 for cell in cells)
        if characters > limits.text_max_characters:
            raise ExtractionError("too_large", "The table holds more text than can be indexed. Split it.")
        yield cells


def _clean(cell: Cell) -> Cell:
    if isinstance(cell, str):
        return clean_text(cell).strip() or None
    return cell


def _is_header(cells: Sequence[Sequence[Cell]]) -> bool:
    """Names: text in every column of the first row, no two alike, none that is a number or a date."""
    first = cells[0]
    if len(cells) < 2 or not all(isinstance(cell, str) for cell in first):
        return False
    names = [str(cell).casefold() for cell in first]
    return len(set(names)) == len(names) and all(_kind_of(str(cell)) == "text" for cell in first)


def _column_names(header: Sequence[Cell], width: int) -> list[str]:
    names: list[str] = []
    taken: set[str] = set()
    for index in range(width):
        cell = header[index] if index < len(header) else None
        base = clean_line(str(cell or ""), max_characters=_NAME_MAX_CHARACTERS) or f"column_{index + 1}"
        name, number = base, 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name)
        names.append(name)
    return names


def _typed(values: list[Cell]) -> tuple[ColumnType, list[Cell]]:
    kinds: set[ColumnType] = {_kind_of(value) for value in values if value is not None}
    kind = _common(kinds)
    return kind, [_convert(value, kind) for value in values]


def _kind_of(value: Cell) -> ColumnType:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    text = value or ""
    if _INTEGER.fullmatch(text):
        return "integer"
    if _NUMBER.fullmatch(text) and sum(character.isdigit() for character in text) <= _NUMBER_MAX_DIGITS:
        return "number"
    if text.lower() in _BOOLEANS:
        return "boolean"
    if _DATE.fullmatch(text) and _is_iso(text, date):
        return "date"
    if _DATETIME.fullmatch(text) and _is_iso(text, datetime):
        return "datetime"
    return "text"


def _is_iso(text: str, kind: type[date]) -> bool:
    try:
        kind.fromisoformat(text)
    except ValueError:
        return False
    return True


def _common(kinds: set[ColumnType]) -> ColumnType:
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds == {"integer", "number"}:
        return "number"
    if kinds == {"date", "datetime"}:
        return "datetime"
    return "text"


def _convert(value: Cell, kind: ColumnType) -> Cell:
    if value is None:
        return None
    match kind:
        case "text":
            return _shown(value)
        case "integer":
            return int(value)
        case "number":
            return _number(value)
        case "boolean":
            return value if isinstance(value, bool) else _BOOLEANS[str(value).lower()]
        case "date":
            return str(value)
        case "datetime":
            return datetime.fromisoformat(str(value)).isoformat()


def _number(value: str | float) -> int | float:
    """An integer among numbers stays exact."""
    if isinstance(value, str):
        return int(value) if _INTEGER.fullmatch(value) else float(value)
    return value


def _shown(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
