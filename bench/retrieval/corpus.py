"""The documents: texts that come with installed packages, by a manifest, in the formats that people have.

Nothing of them is kept in the repository. Some are written as PDF, so that it is known on which page each word stands,
some as DOCX; the others stay as they are.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Literal, get_args

from bench.retrieval.paper import Line, pages_of, plain_lines, write_docx, write_pdf
from bench.servers import BenchError

MANIFEST = Path(__file__).with_name("documents.json")
Format = Literal["md", "rst", "pdf", "docx"]


@dataclass(frozen=True)
class Entry:
    """One line of the manifest. `file` is a path in the package, or METADATA: its description."""

    name: str
    package: str
    version: str
    file: str
    licence: str
    markup: Literal["md", "rst"]
    format: Format
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.name}.{self.format}"


@dataclass(frozen=True)
class Document:
    """A document as it is given to the worker. `pages` are the words of each page where there are pages."""

    entry: Entry
    content: bytes
    text: str
    pages: tuple[str, ...]


def read_manifest() -> list[Entry]:
    entries = [Entry(**fields) for fields in json.loads(MANIFEST.read_text(encoding="utf-8"))]
    assert all(entry.format in get_args(Format) for entry in entries)
    return entries


def read_source(entry: Entry) -> str:
    """The text in the installed package. Raises BenchError where it is another one than the manifest's."""
    text, version = _installed(entry.package, entry.file)
    if _digest(text) != entry.sha256:
        raise BenchError(
            f"{entry.name}: {entry.package} {version} holds another text than {entry.version} did; "
            "run python -m bench.retrieval --renew-manifest, then its tests: they check the questions"
        )
    return text


def renew_manifest() -> list[str]:
    """Write the installed versions and their texts' hashes into the manifest; returns what has changed."""
    changed: list[str] = []
    lines: list[str] = []
    for entry in read_manifest():
        text, version = _installed(entry.package, entry.file)
        renewed = replace(entry, version=version, sha256=_digest(text))
        if renewed != entry:
            changed.append(f"{entry.name}: {entry.version} -> {version}")
        lines.append("  " + json.dumps(asdict(renewed)))
    MANIFEST.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    return changed


def _installed(package: str, file: str) -> tuple[str, str]:
    """A text of an installed package, and the package's version."""
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        raise BenchError(f"{package} is not installed: use the environment of the tests") from None
    if file == "METADATA":
        text = str(distribution.metadata.json["description"])
    else:
        text = Path(str(distribution.locate_file(file))).read_text(encoding="utf-8")
    return text, distribution.version


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_document(entry: Entry) -> Document:
    """The document in its format; the same bytes each time, but for the clock in a DOCX."""
    source = read_source(entry)
    if entry.format in ("md", "rst"):
        return Document(entry, source.encode(), source, ())
    lines = plain_lines(source, markup=entry.markup)
    if entry.format == "docx":
        return Document(entry, write_docx(entry.name, lines), _joined(lines), ())
    pages = pages_of(lines)
    texts = tuple(_joined(page) for page in pages)
    return Document(entry, write_pdf(entry.name, pages), "\n".join(texts), texts)


def make_documents() -> list[Document]:
    """All of the manifest, in its order. Raises BenchError."""
    return [make_document(entry) for entry in read_manifest()]


def _joined(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines)
