"""Mail: each part in the encoding that it names, and what names none, or a wrong one, as its bytes suggest."""

import re

from rag_pipeline.extractors.detect import MAIL
from rag_pipeline.extractors.documents import extract_office
from rag_pipeline.extractors.model import Extraction

_BLANK_LINE = r"\r?\n\r?\n"
_LOST = "\ufffd"


def extract_mail(content: bytes, text: str) -> Extraction:
    """A mail; `text` is all of it, decoded as a whole. Raises ExtractionError unreadable."""
    # The head is outside of what its parts name: for itself, so that it decides nothing about their text.
    head, *body = re.split(_BLANK_LINE.encode(), content, maxsplit=1)
    whole_head, *whole_body = re.split(_BLANK_LINE, text, maxsplit=1)
    try:
        head_text = head.decode("utf-8-sig")
    except UnicodeDecodeError:
        head_text = whole_head
    start = [head_text.encode("utf-8", "replace")]
    named = extract_office(b"\n\n".join(start + body), MAIL)
    if not _lost_characters(named):
        return named
    # Decoded first, a part that names another encoding than UTF-8 would be decoded twice: only where more is lost.
    decoded = [part.encode("utf-8", "replace") for part in whole_body]
    guessed = extract_office(b"\n\n".join(start + decoded), MAIL)
    return min(named, guessed, key=_lost_characters)


def _lost_characters(extraction: Extraction) -> int:
    return sum(page.text.count(_LOST) for page in extraction.pages)
