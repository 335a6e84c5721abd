"""Marked-up text as PDF and DOCX, simply and the same each time; each line's page is known because it is put there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import Any, Literal, cast

LINES_PER_PAGE = 50
CHARACTERS_PER_LINE = 92
KEPT_TOGETHER_MAX = 15
PAGE_WIDTH, PAGE_HEIGHT, MARGIN, LEADING = 595.0, 842.0, 56.0, 14.0

_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)|<img[^>]*>")
_LINK = re.compile(r"\[([^\]]+)\]\([^)\s]*\)|`([^`<]+?)\s*<[^>`]*>`_{1,2}")
_MARK = re.compile(r"\*\*|`+")
_UNDERLINE = re.compile(r"([=\-~^'\"#*+.])\1{2,}\s*$")
_HEADING = re.compile(r"#{1,6}\s+")


@dataclass(frozen=True)
class Line:
    """One printed line; level 0 is no heading."""

    text: str
    level: int = 0


def plain_lines(source: str, *, markup: Literal["md", "rst"]) -> list[Line]:
    """The text without its markup; headings know that they are."""
    lines: list[Line] = []
    is_code = False
    for raw in source.expandtabs(4).splitlines():
        if markup == "md" and raw.lstrip().startswith("```"):
            is_code = not is_code
        elif markup == "md" and not is_code and _HEADING.match(raw):
            level = len(raw) - len(raw.lstrip("#"))
            lines.append(Line(_without_marks(raw[level:]).strip("# "), min(level, 3)))
        elif markup == "rst" and _UNDERLINE.fullmatch(raw) and lines and lines[-1].text and not lines[-1].level:
            lines[-1] = Line(lines[-1].text, 1 if raw[0] == "=" else 2 if raw[0] == "-" else 3)
        else:
            lines.append(Line(_without_marks(raw)))
    return lines


def _without_marks(text: str) -> str:
    text = _LINK.sub(lambda found: found[1] or found[2], _IMAGE.sub("", text))
    # The standard fonts of PDF know Latin-1.
    return _MARK.sub("", text).encode("latin-1", "replace").decode("latin-1").rstrip()


def pages_of(lines: list[Line]) -> list[list[Line]]:
    """Lines as printed, by page; a short paragraph stays on one."""
    pages: list[list[Line]] = [[]]
    for paragraph in _paragraphs(lines):
        wrapped = [part for line in paragraph for part in _wrapped(line)]
        room = LINES_PER_PAGE - len(pages[-1])
        if len(wrapped) > room and len(wrapped) <= KEPT_TOGETHER_MAX:
            pages.append([])
        for line in wrapped:
            if len(pages[-1]) == LINES_PER_PAGE:
                pages.append([])
            pages[-1].append(line)
        if 0 < len(pages[-1]) < LINES_PER_PAGE:
            pages[-1].append(Line(""))
    return [page for page in pages if any(line.text for line in page)]


def _paragraphs(lines: list[Line]) -> Iterator[list[Line]]:
    """Lines without an empty one between them; a heading begins one and takes its text along."""
    paragraph: list[Line] = []
    for line in lines:
        if (line.level or not line.text) and any(not one.level for one in paragraph):
            yield paragraph
            paragraph = []
        if line.text:
            paragraph.append(line)
    if paragraph:
        yield paragraph


def _wrapped(line: Line) -> Iterator[Line]:
    text = line.text
    indent = " " * min(len(text) - len(text.lstrip()), 20)
    while len(text) > CHARACTERS_PER_LINE:
        cut = text.rfind(" ", len(indent) + 1, CHARACTERS_PER_LINE)
        cut = cut if cut > len(indent) else CHARACTERS_PER_LINE
        yield Line(text[:cut], line.level)
        text = indent + text[cut:].lstrip()
    yield Line(text, line.level)


def write_pdf(title: str, pages: list[list[Line]]) -> bytes:
    """One page of the file per page of lines."""
    canvas_module = cast(Any, import_module("reportlab.pdfgen.canvas"))
    file = BytesIO()
    canvas = canvas_module.Canvas(file, pagesize=(PAGE_WIDTH, PAGE_HEIGHT), invariant=1)
    canvas.setTitle(title)
    for page in pages:
        for number, line in enumerate(page):
            canvas.setFont("Helvetica-Bold" if line.level else "Helvetica", 15 - 2 * line.level if line.level else 9.5)
            canvas.drawString(MARGIN, PAGE_HEIGHT - MARGIN - number * LEADING, line.text)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def write_docx(title: str, lines: list[Line]) -> bytes:
    """Paragraphs and headings."""
    docx = cast(Any, import_module("docx"))
    document = docx.Document()
    document.core_properties.title = title
    for line in lines:
        if line.level:
            document.add_heading(line.text, level=line.level)
        elif line.text:
            document.add_paragraph(line.text)
    file = BytesIO()
    document.save(file)
    return file.getvalue()
