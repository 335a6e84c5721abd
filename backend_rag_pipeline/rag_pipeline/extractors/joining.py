"""The pages of a picture that has several, put together from what was seen on each."""

from collections.abc import Sequence

from rag_pipeline.extractors.model import Extraction, ExtractionError, PageText


def joined_pages(mime_type: str, texts: Sequence[str | None], *, count: int, reason: str = "") -> Extraction:
    """What was read of the first pages, None where that failed; the others stay unread, and the document says so, with
    the reason where it is not a limit.

    Raises ExtractionError: empty, needs_vision, unreadable.
    """
    is_cut = len(texts) < count
    if not reason:
        reason = "only so many of one document are read. Split it" if is_cut else "these could not be read"
    if not any(texts):
        if None in texts:
            raise ExtractionError("unreadable", "The picture's pages are damaged or in a format that is not read.")
        if is_cut:
            raise ExtractionError("needs_vision", f"No text was found on the picture's first pages; {reason}.")
        raise ExtractionError("empty", "The picture's pages hold no text.")
    unread = count - len(texts) + texts.count(None)
    filled = [*texts, *[""] * (count - len(texts))]
    return Extraction(
        title=None,
        mime_type=mime_type,
        pages=tuple(PageText(number, text or "") for number, text in enumerate(filled, start=1)),
        unread_pages=unread,
        unread_reason=reason if unread else "",
    )
