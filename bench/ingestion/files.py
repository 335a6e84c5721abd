"""A thousand files, the same ones each time, from the texts of the retrieval benchmark."""

from __future__ import annotations

import random
from pathlib import Path

from bench.ingest import write_file
from bench.retrieval.corpus import read_manifest, read_source
from bench.retrieval.paper import Line, pages_of, write_docx, write_pdf

CHARACTERS = 3000
PDF_EACH, DOCX_EACH = 20, 25
SEED = 4


def make_files(folder: Path, count: int) -> int:
    """Write them; returns their bytes. About one in twenty is a PDF, one in twenty-five a DOCX."""
    paragraphs = [
        paragraph
        for entry in read_manifest()
        for paragraph in read_source(entry).split("\n\n")
        if 20 < len(paragraph) < CHARACTERS
    ]
    choose = random.Random(SEED)  # noqa: S311 - the same files each time
    total = 0
    for number in range(count):
        text = f"# File {number}\n\n" + _text(paragraphs, choose)
        name, content = _written(number, text)
        write_file(folder, name, content)
        total += len(content)
    return total


def _text(paragraphs: list[str], choose: random.Random) -> str:
    """Neighbouring paragraphs from somewhere."""
    position = choose.randrange(len(paragraphs))
    parts: list[str] = []
    while sum(map(len, parts)) < CHARACTERS:
        parts.append(paragraphs[position % len(paragraphs)])
        position += 1
    return "\n\n".join(parts)


def _written(number: int, text: str) -> tuple[str, bytes]:
    lines = [Line(line.encode("latin-1", "replace").decode("latin-1")) for line in text.splitlines()]
    if number % PDF_EACH == 0:
        return f"{number}.pdf", write_pdf(f"File {number}", pages_of(lines))
    if number % DOCX_EACH == 1:
        return f"{number}.docx", write_docx(f"File {number}", lines)
    return f"{number}.md", text.encode()
