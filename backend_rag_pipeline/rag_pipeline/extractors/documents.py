"""Documents, slides, pages of the web and mail: Markdown through the extraction library."""

import html
import json
import re
from contextlib import suppress

from rag_pipeline.extractors.cleaning import clean_line, clean_text
from rag_pipeline.extractors.detect import MAIL, PPTX
from rag_pipeline.extractors.model import Extraction, PageText
from rag_pipeline.extractors.reader import read
from rag_pipeline.extractors.slides import in_shown_order

_SLIDES = {PPTX, "application/vnd.ms-powerpoint", "application/vnd.oasis.opendocument.presentation"}
_MAILS = {MAIL, "application/vnd.ms-outlook"}
_TITLE = re.compile(r"<title[^>]{0,200}>(.{0,2000}?)</title>", re.IGNORECASE | re.DOTALL)
_META_CHARSET = re.compile(r"""(<meta[^>]{0,200}?charset\s*=\s*["']?)[A-Za-z0-9_.:-]{2,40}""", re.IGNORECASE)
_XML_ENCODING = re.compile(r"""\A\s*<\?xml[^>]{0,200}\?>""")
# A tag up to its style where that makes it see-through: the one way to hide which the library does not know.
_SEE_THROUGH = re.compile(
    r"""(<[a-z][^<>]{0,1000}?)(?=\sstyle\s*+=\s*+["'][^"'<>]{0,1000}?"""
    r"""(?<![\w-])opacity\s*+:\s*+0*+(?:\.0*+)?+%?+\s*+[;"'!])""",
    re.IGNORECASE,
)
# Text that a link would run instead of show.
_HARMFUL_LINK = re.compile(r"\]\(\s*<?(?:javascript|vbscript|data|file):(?:[^()\n]|\([^()\n]*\))*\)", re.IGNORECASE)
_ESCAPED_SIGN = re.compile(r"\\([<>&])")
_FIRST_HEADING = re.compile(r"\A\s*# +(.+)$", re.MULTILINE)
_MINIFIED_LINE_CHARACTERS = 2_000


def extract_office(content: bytes, mime_type: str) -> Extraction:
    """A document or slides. Slides are pages; documents have none: where a page ends is up to the printer.

    Raises ExtractionError: unreadable, encrypted.
    """
    document = read(in_shown_order(content) if mime_type == PPTX else content, mime_type)
    subject = document.metadata.subject if mime_type in _MAILS else None
    title = clean_line(subject or document.metadata.title or "", max_characters=300) or None
    if mime_type in _SLIDES and document.pages:
        pages = tuple(
            PageText(page.page_number, _markdown(_with_notes(page.content, page.speaker_notes)))
            for page in document.pages
        )
        return Extraction(title=title, mime_type=mime_type, pages=pages)
    return Extraction(title=title, mime_type=mime_type, pages=(PageText(None, _markdown(document.content)),))


def extract_markup(text: str, mime_type: str) -> Extraction:
    """Formats that are text but need a reader: xml, mail, notebooks, rst, rtf. Raises ExtractionError unreadable."""
    body = _XML_ENCODING.sub("", text) if mime_type == "application/xml" else text
    return extract_office(body.encode("utf-8", "replace"), mime_type)


def extract_html(text: str) -> Extraction:
    """A web page: what a browser would show, without navigation. Raises ExtractionError unreadable."""
    found = _TITLE.search(text)
    title = clean_line(html.unescape(found.group(1)), max_characters=300) if found else ""
    # The bytes below are UTF-8, whatever the page was in.
    body = _META_CHARSET.sub(r"\g<1>utf-8", _TITLE.sub("", text))
    body = _SEE_THROUGH.sub(r"\1 hidden", _XML_ENCODING.sub("", body))
    document = read(body.encode("utf-8", "replace"), "text/html")
    return Extraction(title=title or None, mime_type="text/html", pages=(PageText(None, _markdown(document.content)),))


def extract_json(text: str) -> Extraction:
    """JSON as it is written; on one endless line it is laid out first."""
    longest = max((len(line) for line in text.splitlines()), default=0)
    if longest > _MINIFIED_LINE_CHARACTERS:
        with suppress(ValueError, RecursionError):  # No JSON, or too deep: then it is text.
            text = json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    return Extraction(title=None, mime_type="application/json", pages=(PageText(None, clean_text(text)),))


def extract_text(text: str, mime_type: str) -> Extraction:
    """Plain text and Markdown, unchanged but for what nobody can see."""
    cleaned = clean_text(text)
    heading = _FIRST_HEADING.match(cleaned) if mime_type == "text/markdown" else None
    title = clean_line(heading.group(1).rstrip("# "), max_characters=300) if heading else None
    return Extraction(title=title, mime_type=mime_type, pages=(PageText(None, cleaned),))


def _with_notes(text: str, notes: str | None) -> str:
    return f"{text.rstrip()}\n\nNotes: {notes.strip()}" if notes and notes.strip() else text


def _markdown(text: str) -> str:
    return clean_text(_ESCAPED_SIGN.sub(r"\1", _HARMFUL_LINK.sub("]", text)))
