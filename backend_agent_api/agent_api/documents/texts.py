"""Putting chunks together again: what two neighbours share is told once."""

from collections.abc import Sequence
from dataclasses import dataclass

OVERLAP_MIN_CHARACTERS = 20
"""Less than this may be the same by chance."""
OVERLAP_MAX_CHARACTERS = 2_000
LOOK_BACK_CHARACTERS = 200
"""How far before its end a page may break, so that no word is cut."""


@dataclass(frozen=True)
class Piece:
    """A chunk; `start` and `end` are its place in the document's text, where that is known."""

    content: str
    start: int | None
    end: int | None

    @property
    def is_placed(self) -> bool:
        """Whether the content is exactly the text of its place."""
        return self.start is not None and self.end is not None and self.end - self.start == len(self.content)


def before(piece: Piece, neighbour: Piece) -> str:
    """The part of the neighbour in front that `piece` does not tell."""
    return neighbour.content[: len(neighbour.content) - shared_characters(neighbour, piece)]


def after(piece: Piece, neighbour: Piece) -> str:
    """The part of the neighbour behind that `piece` does not tell."""
    return neighbour.content[shared_characters(piece, neighbour) :]


def shared_characters(first: Piece, second: Piece) -> int:
    """How much of its end a chunk shares with the beginning of the one behind it."""
    if first.is_placed and second.is_placed:
        assert first.end is not None and second.start is not None, "placed"
        return min(max(first.end - second.start, 0), len(first.content), len(second.content))
    longest = min(len(first.content), len(second.content), OVERLAP_MAX_CHARACTERS)
    return next(
        (n for n in range(longest, OVERLAP_MIN_CHARACTERS - 1, -1) if first.content.endswith(second.content[:n])), 0
    )


def join(pieces: Sequence[Piece]) -> str:
    """One text of chunks in reading order."""
    texts: list[str] = []
    last: Piece | None = None
    for piece in pieces:
        shared = 0 if last is None else shared_characters(last, piece)
        if texts and not shared:
            texts.append(_gap(last, piece))
        texts.append(piece.content[shared:])
        last = piece
    return "".join(texts)


def _gap(first: Piece | None, second: Piece) -> str:
    if first is None or first.end is None or second.start is None or not (first.is_placed and second.is_placed):
        return "\n\n"
    size = second.start - first.end
    return "" if size <= 0 else "\n" if size == 1 else "\n\n"


def lay_out(pieces: Sequence[Piece], *, start: int) -> str:
    """The text from `start` on, each placed chunk at its place, blanks where there is none."""
    texts: list[str] = []
    at = start
    for piece in pieces:
        assert piece.start is not None, "placed"
        if piece.start > at:
            gap = piece.start - at
            texts.append("\n" * min(gap, 2) + " " * (gap - 2))
            at = piece.start
        new = piece.content[at - piece.start :]
        texts.append(new)
        at += len(new)
    return "".join(texts)


def page_break(text: str, near: int) -> int:
    """Where a page ends that has room up to `near`: after a blank, if there is one."""
    if near >= len(text):
        return len(text)
    for place in range(near, max(near - LOOK_BACK_CHARACTERS, 0), -1):
        if text[place - 1].isspace():
            return place
    return near
