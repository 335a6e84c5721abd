"""Mail: each part in the encoding that it names, and what names none, or a wrong one, as its bytes suggest."""

import re

from rag_pipeline.extractors.detect import MAIL
from rag_pipeline.extractors.documents import extract_markup, extract_office
from rag_pipeline.extractors.model import Extraction

_BLANK_LINE = r"\r?\n\r?\n"
_LOST = "\ufffd"
_HEAD_BYTES = 4096


def extract_mail(content: bytes, text: str) -> Extraction:
    """A mail; `text` is all of it, decoded as a whole. Raises ExtractionError unreadable."""
    if b"\0" in content[:_HEAD_BYTES]:
        # UTF-16, as an editor saves it: no part of it can be read by itself.
        return extract_markup(text, MAIL)
    # The head is outside of what its parts name: for itself, so that it decides nothing about their text.
    head, *body = re.split(_BLANK_LINE.encode(), content, maxsplit=1)
    whole_head, *whole_body = re.split(_BLANK_LINE, text, maxsplit=1)
    try:
        head_text = head.decode("utf-8-sig")
    except UnicodeDecodeError:
        head_text = whole_head
    start = [head_text.encode("utf-8", "replace")]
    named = extract_office(b"\n\n".join(start + body), MAIL)
    # Decoded first, a part that names another encoding than UTF-8 would be decoded twice: only where the names are
    # wrong, which loses most of what is beyond ASCII, and not where a byte is damaged.
    if _lost_characters(named) <= _foreign_characters(named) - sum(not sign.isascii() for sign in head_text):
        return named
    decoded = [part.encode("utf-8", "replace") for part in whole_body]
    guessed = extract_office(b"\n\n".join(start + decoded), MAIL)
    return min(named, guessed, key=_lost_characters)


def _foreign_characters(extraction: Extraction) -> int:
    return sum(not sign.isascii() and sign != _LOST for page in extraction.pages for sign in page.text)


def _lost_characters(extraction: Extraction) -> int:
    return sum(page.text.count(_LOST) for page in extraction.pages)
