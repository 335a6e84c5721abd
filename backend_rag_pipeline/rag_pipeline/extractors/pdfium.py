"""The part of pypdfium2 that is used, with types: its raw interface has none."""

import ctypes
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import Any, Protocol, cast

from rag_pipeline.extractors.model import ExtractionError


@dataclass(frozen=True)
class Line:
    """One line of a page. Sizes in points; 0 where the page gives none."""

    text: str
    height: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Bookmark:
    """An entry of the outline; `level` counts from 0, `page` from 0."""

    level: int
    title: str
    page: int


class _TextPage(Protocol):
    raw: Any

    def count_chars(self) -> int: ...
    def get_text_range(self, index: int, count: int) -> str: ...
    def close(self) -> None: ...


class _Page(Protocol):
    def get_textpage(self) -> _TextPage: ...
    def get_objects(self, filter: list[int]) -> Iterator[object]: ...
    def close(self) -> None: ...


class _Destination(Protocol):
    def get_index(self) -> int | None: ...


class _Bookmark(Protocol):
    level: int

    def get_title(self) -> str: ...
    def get_dest(self) -> _Destination | None: ...


class PdfDocument(Protocol):
    """pypdfium2.PdfDocument, as far as it is used."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> _Page: ...
    def get_formtype(self) -> int: ...
    def get_metadata_value(self, key: str) -> str: ...
    def get_toc(self) -> Iterator[_Bookmark]: ...
    def close(self) -> None: ...


_pdfium = cast(Any, import_module("pypdfium2"))
_raw = cast(Any, import_module("pypdfium2.raw"))
_FIELDS_MAX = 20_000
"""Of one document, which take two seconds."""


@contextmanager
def open_pdf(content: bytes) -> Generator[PdfDocument]:
    """Open a PDF. Raises ExtractionError: encrypted, unreadable."""
    try:
        document = cast(PdfDocument, _pdfium.PdfDocument(content))
    except _pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise ExtractionError("encrypted", "The file is protected with a password.") from None
        raise ExtractionError("unreadable", "The PDF is damaged or incomplete.") from None
    try:
        yield document
    finally:
        document.close()


def read_lines(document: PdfDocument, index: int) -> list[Line]:
    """The text of a page, line by line, in the order of its content."""
    try:
        page = document[index]
    except _pdfium.PdfiumError:
        return []  # A page that is broken costs itself, not the document.
    try:
        text_page = page.get_textpage()
        count = text_page.count_chars()
        text = text_page.get_text_range(0, count) if count > 0 else ""
        # Positions are per character of PDFium; where these are not Python's, a page goes without sizes.
        return list(_lines(text, text_page if len(text) == count else None))
    finally:
        page.close()


def read_filled(document: PdfDocument) -> Iterator[tuple[int, list[str]]]:
    """What people have filled into a form: pages, and the lines that are on them once their fields are drawn.

    Changes the pages, but for those beyond the limit of fields.
    """
    left = _FIELDS_MAX if document.get_formtype() != _raw.FORMTYPE_NONE else 0
    for index in range(len(document) if left else 0):
        if not 0 < (fields := _count_fields(document, index)) <= left:
            continue
        left -= fields
        own = {line.text for line in read_lines(document, index)}
        _draw_fields(document, index)
        yield index, [line.text for line in read_lines(document, index) if line.text not in own]


def _count_fields(document: PdfDocument, index: int) -> int:
    """How many fields and notes a page has; 0 where it is broken."""
    try:
        page = document[index]
    except _pdfium.PdfiumError:
        return 0
    try:
        return int(_raw.FPDFPage_GetAnnotCount(page))
    finally:
        page.close()


def _draw_fields(document: PdfDocument, index: int) -> None:
    """Make the fields and notes of a page part of it. Where that fails nothing is drawn."""
    page = document[index]
    try:
        # By what each field looks like: to build the form itself takes a time that grows with its square.
        _raw.FPDFPage_Flatten(page, _raw.FLAT_NORMALDISPLAY)
    finally:
        page.close()


def has_picture(document: PdfDocument, index: int) -> bool:
    """Whether a page shows an image; one that is broken does not."""
    try:
        page = document[index]
    except _pdfium.PdfiumError:
        return False
    try:
        return next(page.get_objects(filter=[_raw.FPDF_PAGEOBJ_IMAGE]), None) is not None
    finally:
        page.close()


def page_alone(document: PdfDocument, index: int) -> bytes | None:
    """A PDF of this page only; None where the page is broken."""
    alone = _pdfium.PdfDocument.new()
    try:
        alone.import_pages(document, [index])
        content = BytesIO()
        alone.save(content)
        return content.getvalue()
    except _pdfium.PdfiumError:
        return None
    finally:
        alone.close()


def read_outline(document: PdfDocument) -> list[Bookmark]:
    """The bookmarks that lead to a page of this document."""
    found: list[Bookmark] = []
    for bookmark in document.get_toc():
        destination = bookmark.get_dest()
        index = destination.get_index() if destination is not None else None
        if index is not None:
            found.append(Bookmark(level=bookmark.level, title=bookmark.get_title(), page=index))
    return found


def _lines(text: str, text_page: _TextPage | None) -> Iterator[Line]:
    position = 0
    box = _raw.FS_RECTF()
    for raw_line in text.split("\n"):
        line = raw_line.rstrip("\r")
        stripped = line.strip()
        if stripped and text_page is not None:
            at = position + len(line) - len(line.lstrip())
            _raw.FPDFText_GetLooseCharBox(text_page.raw, at, ctypes.byref(box))
            top, bottom = float(box.top), float(box.bottom)
            yield Line(stripped, max(0.0, top - bottom), top, bottom)
        elif stripped:
            yield Line(stripped, 0, 0, 0)
        position += len(raw_line) + 1
