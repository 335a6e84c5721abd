"""PDF: text and headings per page by PDFium, scanned pages by OCR.

PDFium gives more of poppler's words than the other reader here, which finds headings of its own but loses spaces, and
is 10 times faster (docs/decisions/0009). So headings come from the outline where there is one, else from the letters'
size.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic

from rag_pipeline.extractors.cleaning import clean_line, clean_text
from rag_pipeline.extractors.language_data import has_ocr
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.model import Extraction, ExtractionError, PageText
from rag_pipeline.extractors.ocr import read_pdf_page
from rag_pipeline.extractors.pdfium import (
    Bookmark,
    Line,
    PdfDocument,
    has_picture,
    open_pdf,
    page_alone,
    read_filled,
    read_lines,
    read_outline,
)

_HEADING_MAX_CHARACTERS = 120
_HEADING_RATIO = 1.18
_PARAGRAPH_GAP = 0.6
"""Of a line's height. Lines of one paragraph are closer."""
_RUNNING_LINE_PAGES_MIN = 6
_SOFT_HYPHEN = "\ufffe"
"""PDFium's mark for a word broken at the end of a line, which it has joined already."""
_JUNK_TITLES = re.compile(r"^(untitled|\(anonymous\)|microsoft \w+ - .*|.*\.(docx?|tex|dvi|indd|pdf|pptx?))$", re.I)
_LEADERS = re.compile(r"(?: ?\.){6,}")
"""Dots that lead to a page number in a table of contents."""
_NUMBERING = re.compile(r"^(?:(?:chapter|section|appendix)\s+)?[\dIVXA-Z]{0,4}(?:\.\d+)*[.:)]?\s+", re.I)


def extract_pdf(content: bytes, limits: ExtractionLimits, on_picture: Callable[[], None]) -> Extraction:
    """Read a PDF. Raises ExtractionError: encrypted, unreadable, too_many_pages, too_large, needs_vision."""
    with open_pdf(content) as document:
        count = len(document)
        if count > limits.pages_max:
            raise ExtractionError(
                "too_many_pages", f"The PDF has {count:,} pages; at most {limits.pages_max:,} are read. Split it."
            )
        pages: list[list[Line]] = []
        budget = limits.text_max_characters
        for index in range(count):
            pages.append(read_lines(document, index))
            budget -= sum(len(line.text) for line in pages[-1])
            if budget < 0:
                raise ExtractionError("too_large", "The PDF holds more text than can be indexed. Split it.")
        outline = read_outline(document)
        title = _title(document.get_metadata_value("Title"))
        texts = dict(enumerate(_page_texts(_without_running_lines(pages), outline)))
        empty = [index for index, text in texts.items() if not text]
        # Where no page has text, letters may be drawn as lines.
        pictures = empty if len(empty) == count else [index for index in empty if has_picture(document, index)]
        is_read = has_ocr(limits.ocr_languages)
        read = _read_pictures(document, pictures, limits, on_picture) if is_read else {}
        known = {index: text for index, text in read.items() if text is not None}
        texts |= known
        for index, lines in read_filled(document):
            texts[index] = clean_text("\n\n".join((texts[index], "\n".join(map(_literal, lines)))).strip())
    unread = len(pictures) - len(known)
    reason = _unread_reason(is_read, is_cut=len(read) < len(pictures))
    if unread and not any(texts.values()):
        if None in read.values():
            # Damaged: no other way of seeing would help.
            raise ExtractionError("unreadable", "The PDF holds no text, and pages that OCR cannot read.")
        raise ExtractionError("needs_vision", f"The PDF holds pictures of pages and no text; {reason}.")
    return Extraction(
        title=title,
        mime_type="application/pdf",
        pages=tuple(PageText(number=index + 1, text=texts[index]) for index in range(count)),
        unread_pages=unread,
        unread_reason=reason if unread else "",
    )


def _unread_reason(is_read: bool, *, is_cut: bool) -> str:
    if not is_read:
        return "reading these is not set up here"
    return "only so many of one document are read. Split it" if is_cut else "these could not be read"


def _read_pictures(
    document: PdfDocument, pictures: Sequence[int], limits: ExtractionLimits, on_picture: Callable[[], None]
) -> dict[int, str | None]:
    """What OCR reads on these pages, one by one for as long as the limits allow; None: it does not take the page."""
    texts: dict[int, str | None] = {}
    end = monotonic() + limits.ocr_seconds_max
    for index in pictures[: limits.ocr_pages_max]:
        if monotonic() >= end:
            break
        page = page_alone(document, index)
        on_picture()
        try:
            texts[index] = "" if page is None else read_pdf_page(page, limits.ocr_languages)
        except ExtractionError:
            texts[index] = None
    return texts


def _page_texts(pages: Sequence[list[Line]], outline: Iterable[Bookmark]) -> Iterator[str]:
    bookmarks: dict[int, dict[str, int]] = {}
    for bookmark in outline:
        bookmarks.setdefault(bookmark.page, {})[_key(bookmark.title)] = min(bookmark.level, 5) + 1
    sizes = {} if bookmarks else _heading_sizes(pages)
    for index, lines in enumerate(pages):
        yield clean_text(_markdown(lines, bookmarks.get(index, {}), sizes).replace(_SOFT_HYPHEN, ""))


def _markdown(lines: Sequence[Line], bookmarks: dict[str, int], sizes: dict[float, int]) -> str:
    """Lines as they stand, blank lines between paragraphs, `#` before headings."""
    parts: list[str] = []
    previous: Line | None = None
    for line in lines:
        is_short = len(line.text) <= _HEADING_MAX_CHARACTERS
        level = (bookmarks.get(_key(line.text)) or sizes.get(round(line.height))) if is_short else None
        if level is not None:
            parts += ["", "#" * level + " " + line.text, ""]
        else:
            gap = previous.bottom - line.top if previous is not None else 0
            # A new column starts higher up: a new paragraph too.
            if previous is not None and (gap > _PARAGRAPH_GAP * previous.height or line.bottom > previous.top):
                parts.append("")
            parts.append(_literal(_LEADERS.sub(" …", line.text)))
        previous = line
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts))


def _literal(text: str) -> str:
    """A line of text must not begin like a Markdown heading or fence."""
    return "\\" + text if re.match(r"#{1,6}\s|```|~~~", text) else text


def _heading_sizes(pages: Iterable[list[Line]]) -> dict[float, int]:
    """Letter sizes, rounded, that only headings have, each with its level: the largest is 1, at most three."""
    letters: Counter[int] = Counter()
    for lines in pages:
        for line in lines:
            letters[round(line.height)] += len(line.text)
    if not letters:
        return {}
    body = letters.most_common(1)[0][0]
    total = letters.total()
    # A size that fills much of the document is a second body, not a heading.
    larger = sorted(
        (size for size, count in letters.items() if size >= body * _HEADING_RATIO and count < total * 0.2), reverse=True
    )
    return {size: min(level, 3) for level, size in enumerate(larger, start=1)} if body else {}


def _without_running_lines(pages: list[list[Line]]) -> list[list[Line]]:
    """Without headers and footers that stand on most pages: they are noise in every passage. The first one stays."""
    if len(pages) < _RUNNING_LINE_PAGES_MIN:
        return pages
    counts: Counter[str] = Counter()
    for lines in pages:
        counts.update({_running_key(line) for line in (*lines[:1], *lines[-1:])})
    running = {key for key, count in counts.items() if count >= len(pages) * 0.5}
    seen: set[str] = set()
    kept: list[list[Line]] = []
    for lines in pages:
        page: list[Line] = []
        for position, line in enumerate(lines):
            key = _running_key(line)
            if key in running and position in (0, len(lines) - 1):
                if key in seen:
                    continue
                seen.add(key)
            page.append(line)
        kept.append(page)
    return kept


def _running_key(line: Line) -> str:
    """A header of every page is the same but for the page's number."""
    return re.sub(r"\d+", "0", line.text)


def _key(text: str) -> str:
    """A heading as outline and page both have it: without numbering, case and spaces."""
    flat = clean_line(text.replace(_SOFT_HYPHEN, ""), max_characters=300)
    return re.sub(r"\W+", "", _NUMBERING.sub("", flat)).lower()


def _title(text: str) -> str | None:
    title = clean_line(text, max_characters=300)
    return title if title and not _JUNK_TITLES.match(title) else None
