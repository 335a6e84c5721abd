"""Pieces of bounded length for the splitter, whose work grows faster than the text it is given at once."""

from collections.abc import Iterator

_SEGMENT_MAX_CHARACTERS = 6_000
_SEGMENT_MIN_CHARACTERS = 3_000
_BREAKS = ("\n# ", "\n## ", "\n### ", "\n\n", "\n", " ")


def segments(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Ranges that cover a range of the text, cut where it hurts least."""
    while end - start > _SEGMENT_MAX_CHARACTERS:
        cut = _best_cut(text, start)
        yield start, cut
        start = cut
    if start < end:
        yield start, end


def _best_cut(text: str, start: int) -> int:
    low, high = start + _SEGMENT_MIN_CHARACTERS, start + _SEGMENT_MAX_CHARACTERS
    for mark in _BREAKS:
        found = text.rfind(mark, low, high)
        if found >= 0:
            return found + 1
    return _between_characters(text, high)


def _between_characters(text: str, position: int) -> int:
    """Not before a mark that belongs to the character before it."""
    limit = position + 50
    while position < min(len(text), limit) and _joins(text[position - 1], text[position]):
        position += 1
    return position


def _joins(left: str, right: str) -> bool:
    return left == "\u200d" or right == "\u200d" or "\u0300" <= right <= "\u036f" or "\ufe00" <= right <= "\ufe0f"
