"""Numbering what was read in a turn, so that an answer can say which of them it relies on."""

from pydantic_ai.ui.vercel_ai.response_types import SourceDocumentChunk

from agent_api.agent.queries import Row
from agent_api.documents.access import web_address
from agent_api.documents.reading import TextPage

EXCERPT_MAX_CHARACTERS = 300
UNTITLED = "Untitled document"
KEPT = ("document_id", "page", "heading_path", "char_start", "char_end")


class Citations:
    """One per turn: 1, 2, 3 ... in the order in which texts were first found, whichever call found them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, rows: list[Row]) -> tuple[list[int], list[SourceDocumentChunk]]:
        """The number of each passage, and the sources that the browser has not been told of yet."""
        numbers: list[int] = []
        new: list[SourceDocumentChunk] = []
        for row in rows:
            number, is_new = self._number_of(str(row["chunk_id"]))
            numbers.append(number)
            if is_new:
                kept = {key: row[key] for key in KEPT}
                new.append(_source(str(row["chunk_id"]), number, row, row["content"] or "", kept))
        return numbers, new

    def number_page(self, document: Row, page: TextPage) -> tuple[int, list[SourceDocumentChunk]]:
        """The number of a page of a document's text, and its source where the browser has not been told of it yet."""
        # No passage's id: those are numbers.
        source_id = f"{document['id']}:text:{page.number}"
        number, is_new = self._number_of(source_id)
        kept = {"document_id": document["id"], "text_page": page.number}
        return number, [_source(source_id, number, document, page.text, kept)] if is_new else []

    def _number_of(self, source_id: str) -> tuple[int, bool]:
        is_new = source_id not in self._numbers
        return self._numbers.setdefault(source_id, len(self._numbers) + 1), is_new


def _source(source_id: str, number: int, document: Row, text: str, kept: Row) -> SourceDocumentChunk:
    # Earlier versions kept paths of files as addresses.
    told: Row = {"number": number, **kept, "url": web_address(document["url"]), "excerpt": excerpt_of(text)}
    return SourceDocumentChunk(
        source_id=source_id,
        media_type="text/plain",
        title=document["title"] or UNTITLED,
        provider_metadata={"passage": {key: value for key, value in told.items() if value is not None}},
    )


def excerpt_of(text: str) -> str:
    """The beginning of a passage in one line, cut between words."""
    line = " ".join(text.split())
    if len(line) <= EXCERPT_MAX_CHARACTERS:
        return line
    cut = line[:EXCERPT_MAX_CHARACTERS]
    # One long word, or a language without blanks, is cut where it is.
    return cut[: cut.rfind(" ") if " " in cut[EXCERPT_MAX_CHARACTERS // 2 :] else EXCERPT_MAX_CHARACTERS - 1] + "…"
