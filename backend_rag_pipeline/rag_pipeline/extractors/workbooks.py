"""Spreadsheets: every sheet is a typed table and a Markdown table.

xlsx is read by openpyxl, cell by cell, because values must stay exact: readers that go through doubles turn
9007199254740993 into ...992. The older and other formats hold doubles themselves.
"""

import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import Any, cast

from rag_pipeline.extractors.cleaning import clean_line
from rag_pipeline.extractors.columns import build_table, table_markdown
from rag_pipeline.extractors.detect import XLSX
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.model import Cell, Extraction, ExtractionError, PageText, Table
from rag_pipeline.extractors.reader import read

_FORMULA = re.compile(rb"<(?:\w+:)?f[ >/]")


def extract_workbook(content: bytes, limits: ExtractionLimits) -> Extraction:
    """An xlsx or xlsm. A formula gives the value it had when saved, else its own text; macros are not looked at.

    Raises ExtractionError: unreadable, too_large.
    """
    # Only here: it is a third of what a reader's process takes to start, and most files are no spreadsheets.
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        values = openpyxl.load_workbook(BytesIO(content), read_only=True, data_only=True, keep_links=False)
        formulas = (
            openpyxl.load_workbook(BytesIO(content), read_only=True, data_only=False, keep_links=False)
            if _has_formulas(content)
            else None
        )
        title = clean_line(str(values.properties.title or ""), max_characters=300) or None
        tables = [
            build_table(sheet.title, _sheet_rows(sheet, formulas[sheet.title] if formulas else None), limits)
            for sheet in cast("list[Any]", values.worksheets)
        ]
    except ExtractionError:
        raise
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, IndexError):
        raise _unreadable() from None
    except SyntaxError:  # An XML parser's error is one.
        raise _unreadable() from None
    return workbook_extraction(title, XLSX, [table for table in tables if table is not None])


def extract_sheets(content: bytes, mime_type: str, limits: ExtractionLimits) -> Extraction:
    """An xls, xlsb or ods. Raises ExtractionError: unreadable, encrypted, too_large."""
    document = read(content, mime_type)
    names = {page.page_number: page.sheet_name for page in document.pages or []}
    tables = [
        build_table(names.get(found.page_number) or f"Sheet {index}", found.cells, limits)
        for index, found in enumerate(document.tables, start=1)
    ]
    found_tables = [table for table in tables if table is not None]
    title = clean_line(document.metadata.title or "", max_characters=300) or None
    return workbook_extraction(title, mime_type, found_tables)


def workbook_extraction(title: str | None, mime_type: str, tables: Sequence[Table]) -> Extraction:
    """One text per sheet under its name. Sheets are no pages, so they have no number."""
    pages = tuple(PageText(None, f"## {table.name}\n\n{table_markdown(table)}") for table in tables)
    return Extraction(title=title, mime_type=mime_type, pages=pages or (PageText(None, ""),), tables=tuple(tables))


def _has_formulas(content: bytes) -> bool:
    """Whether any sheet holds one; reading every cell a second time is only then worth it."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml") and _FORMULA.search(archive.read(name)):
                return True
    return False


def _sheet_rows(values: Any, formulas: Any | None) -> Iterator[list[Cell]]:
    # What a file claims as its dimensions may be wrong or absurd: reset, so that only cells that exist are read.
    values.reset_dimensions()
    if formulas is None:
        yield from ([_cell(value) for value in row] for row in values.iter_rows(values_only=True))
        return
    formulas.reset_dimensions()
    for row, texts in zip(values.iter_rows(values_only=True), formulas.iter_rows(values_only=True), strict=False):
        yield [_cell(text if value is None else value) for value, text in zip(row, texts, strict=False)]


def _cell(value: object) -> Cell:
    match value:
        case None | str() | bool() | int():
            return value
        case float():
            # 12.0 is how a spreadsheet stores 12.
            return int(value) if value.is_integer() and abs(value) <= 2**53 else value if _is_finite(value) else None
        case datetime():
            at_midnight = value.time() == time(0)
            return value.date().isoformat() if at_midnight else value.isoformat()
        case date() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
        case _:
            text = getattr(value, "text", None)  # an array formula
            return text if isinstance(text, str) else str(value)


def _is_finite(value: float) -> bool:
    return value - value == 0


def _unreadable() -> ExtractionError:
    return ExtractionError("unreadable", "The spreadsheet is damaged or incomplete.")
