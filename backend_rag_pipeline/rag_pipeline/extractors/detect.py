"""What a file is: by its content first, then by its name, then by what its source says."""

import re
import zipfile
from io import BytesIO
from pathlib import PurePosixPath
from typing import Literal

from rag_pipeline.extractors.model import ExtractionError

Kind = Literal[
    "pdf", "workbook", "sheets", "office", "image", "html", "delimited", "json", "markup", "markdown", "text"
]
"""Which extractor reads it. `office`: documents and slides; `markup`: formats in text that need their own reader."""

UNREADABLE_CONTENT = "What is in the file is neither text nor of a type that is read, whatever its name says."

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
XLS = "application/vnd.ms-excel"
MAIL = "message/rfc822"
_ZIP_PARTS: tuple[tuple[str, Kind, str], ...] = (
    ("word/document", "office", DOCX),
    ("ppt/presentation", "office", PPTX),
    ("xl/workbook.xml", "workbook", XLSX),
    ("xl/workbook.bin", "sheets", "application/vnd.ms-excel.sheet.binary.macroEnabled.12"),
)
_ZIP_MIME_TYPES: dict[str, Kind] = {
    "application/epub+zip": "office",
    "application/vnd.oasis.opendocument.text": "office",
    "application/vnd.oasis.opendocument.presentation": "office",
    "application/vnd.oasis.opendocument.spreadsheet": "sheets",
}
_CFB = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_CFB_STREAMS: tuple[tuple[str, Kind, str], ...] = (
    ("WordDocument", "office", "application/msword"),
    ("Workbook", "sheets", XLS),
    ("Book", "sheets", XLS),
    ("PowerPoint Document", "office", "application/vnd.ms-powerpoint"),
    ("__properties_version1.0", "office", "application/vnd.ms-outlook"),
)
_IMAGES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"II\*\0|MM\0\*"), "image/tiff"),
    (re.compile(rb"BM....\0\0\0\0", re.DOTALL), "image/bmp"),
)
_TEXT_EXTENSIONS: dict[str, tuple[Kind, str]] = {
    **dict.fromkeys(("md", "markdown", "mdx", "qmd", "rmd"), ("markdown", "text/markdown")),
    **dict.fromkeys(("htm", "html", "xhtml"), ("html", "text/html")),
    "csv": ("delimited", "text/csv"),
    "tsv": ("delimited", "text/tab-separated-values"),
    "tab": ("delimited", "text/tab-separated-values"),
    "json": ("json", "application/json"),
    "xml": ("markup", "application/xml"),
    "svg": ("markup", "application/xml"),
    "eml": ("markup", MAIL),
    "ipynb": ("markup", "application/x-ipynb+json"),
    "rst": ("markup", "text/x-rst"),
    "org": ("markup", "text/x-org"),
    "tex": ("markup", "application/x-latex"),
    "latex": ("markup", "application/x-latex"),
    "rtf": ("markup", "application/rtf"),
}
_BY_MIME_TYPE = {mime_type: found for found in _TEXT_EXTENSIONS.values() for mime_type in (found[1],)}
_HTML_START = re.compile(
    # A comment ends at its first end: with a choice, the ways to read thirty of them would be a thousand million.
    r"(?:\s|<!--(?:(?!-->).)*-->|<\?xml[^>]{0,200}\?>)*(?:<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>])",
    re.IGNORECASE | re.DOTALL,
)
_XML_START = re.compile(r"\s*<\?xml\s")
_MAIL_START = re.compile(
    r"(?:[A-Za-z-]{2,40}:[^\n]*\n(?:[ \t][^\n]*\n)*)*?(?:From|Received|Return-Path):", re.IGNORECASE
)


def detect_binary(content: bytes) -> tuple[Kind, str] | None:
    """The format that the first bytes prove, or None where it can only be text."""
    if b"%PDF-" in content[:1024]:
        return "pdf", "application/pdf"
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _detect_zip(content)
    if content.startswith(_CFB):
        return _detect_compound_file(content)
    for pattern, mime_type in _IMAGES:
        if pattern.match(content):
            return "image", mime_type
    if content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        return "image", "image/avif" if content[8:12] == b"avif" else "image/heic"
    return None


def detect_text(text: str, *, file_name: str, mime_type: str | None) -> tuple[Kind, str]:
    """What kind of text it is."""
    start = text[:4096]
    if start.startswith("{\\rtf"):
        return "markup", "application/rtf"
    extension = PurePosixPath(file_name.replace("\\", "/")).suffix.lower().lstrip(".")
    named = _TEXT_EXTENSIONS.get(extension) or _BY_MIME_TYPE.get((mime_type or "").partition(";")[0].strip())
    if _HTML_START.match(start) and named != _TEXT_EXTENSIONS["md"]:
        return _TEXT_EXTENSIONS["html"]
    if named is not None and named[1] != "application/rtf":
        return named
    if _XML_START.match(start):
        return _TEXT_EXTENSIONS["xml"]
    if extension in ("", "mail", "msg") and _MAIL_START.match(start):
        return _TEXT_EXTENSIONS["eml"]
    return "text", "text/plain"


def _detect_zip(content: bytes) -> tuple[Kind, str]:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            names = {info.filename for info in archive.infolist()}
            first = archive.infolist()[0] if names else None
            if first is not None and first.filename == "mimetype" and first.file_size < 200:
                mime_type = archive.read(first).decode("ascii", "replace").strip()
                if mime_type in _ZIP_MIME_TYPES:
                    return _ZIP_MIME_TYPES[mime_type], mime_type
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError):
        raise ExtractionError("unreadable", "The file is damaged or incomplete.") from None
    for part, kind, mime_type in _ZIP_PARTS:
        if any(name.startswith(part) for name in names):
            return kind, mime_type
    raise ExtractionError("unsupported_type", "Archives are not read. Unpack it and add the files themselves.")


def _detect_compound_file(content: bytes) -> tuple[Kind, str]:
    """Old Office formats, and today's with a password: directories hold their names in UTF-16."""
    if "EncryptedPackage".encode("utf-16-le") in content:
        raise ExtractionError("encrypted", "The file is protected with a password.")
    for stream, kind, mime_type in _CFB_STREAMS:
        if stream.encode("utf-16-le") + b"\0\0" in content:
            return kind, mime_type
    raise ExtractionError("unsupported_type", UNREADABLE_CONTENT)
