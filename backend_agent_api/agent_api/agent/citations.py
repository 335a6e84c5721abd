"""Numbering the passages of a turn, so that an answer can say which of them it relies on."""

from typing import Any

from pydantic_ai.ui.vercel_ai.response_types import SourceDocumentChunk

from agent_api.agent.queries import Row
from agent_api.documents.access import web_address

EXCERPT_MAX_CHARACTERS = 300
UNTITLED = "Untitled document"
KEPT = ("document_id", "url", "page", "heading_path", "char_start", "char_end")


class Citations:
    """One per turn: 1, 2, 3 ... in the order in which passages were first found, whichever call found them."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def number(self, rows: list[Row]) -> tuple[list[int], list[SourceDocumentChunk]]:
        """The number of each passage, and the sources that the browser has not been told of yet."""
        new: list[SourceDocumentChunk] = []
        for row in rows:
            chunk_id: int = row["chunk_id"]
            if chunk_id not in self._numbers:
                self._numbers[chunk_id] = len(self._numbers) + 1
                new.append(_source(row, self._numbers[chunk_id]))
        return [self._numbers[row["chunk_id"]] for row in rows], new


def _source(row: Row, number: int) -> SourceDocumentChunk:
    # Earlier versions kept paths of files as addresses.
    found = {**row, "url": web_address(row["url"])}
    passage: dict[str, Any] = {key: found[key] for key in KEPT if found[key] is not None}
    return SourceDocumentChunk(
        source_id=str(row["chunk_id"]),
        media_type="text/plain",
        title=row["title"] or UNTITLED,
        provider_metadata={"passage": {"number": number, **passage, "excerpt": excerpt_of(row["content"] or "")}},
    )


def excerpt_of(text: str) -> str:
    """The beginning of a passage in one line, cut between words."""
    line = " ".join(text.split())
    if len(line) <= EXCERPT_MAX_CHARACTERS:
        return line
    cut = line[:EXCERPT_MAX_CHARACTERS]
    # One long word, or a language without blanks, is cut where it is.
    return cut[: cut.rfind(" ") if " " in cut[EXCERPT_MAX_CHARACTERS // 2 :] else EXCERPT_MAX_CHARACTERS - 1] + "…"
