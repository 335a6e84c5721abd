"""Reading a document: its text a page at a time, and one passage in its place."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from agent_api.database import Connection
from agent_api.documents import reading_queries as queries
from agent_api.documents import texts
from agent_api.documents.access import shown_title, web_address
from agent_api.documents.errors import DocumentNotFound, PassageNotFound
from agent_api.documents.queries import get_document
from agent_api.documents.schemas import DocumentContent, DocumentName, PassageDocument, PassageRead
from agent_api.documents.texts import LOOK_BACK_CHARACTERS, Piece

PAGE_CHARACTERS = 12_000
WHOLE_PASSAGE_CHARACTERS_MIN = 40
"""A shorter passage is its own excerpt, "Appendix B" say, and any mention of it would be taken for it."""


@dataclass(frozen=True)
class TextPage:
    """One page of a document's text, and how many there are."""

    number: int
    count: int
    text: str


async def get_content(connection: Connection, *, user_id: UUID, document_id: str, page: int) -> DocumentContent:
    """One page of a document. Raises DocumentNotFound."""
    row = await get_document(connection, user_id=user_id, document_id=document_id)
    if row is None:
        raise DocumentNotFound
    found = await read_page(connection, user_id=user_id, document_id=document_id, page=page)
    return DocumentContent(
        document=DocumentName(id=row["id"], title=shown_title(row)),
        page=found.number,
        pages=found.count,
        text=found.text,
    )


async def read_page(connection: Connection, *, user_id: UUID, document_id: str, page: int) -> TextPage:
    """A page of the text that was read out of a document; past the end, the last one. Empty where there is none."""
    extent = await queries.get_extent(connection, user_id=user_id, document_id=document_id)
    if extent is None:
        return TextPage(1, 1, "")
    if not extent["is_placed"]:
        rows = await queries.list_chunks(connection, document_id=document_id, space_id=extent["embedding_space_id"])
        return _cut(texts.join([_piece(row) for row in rows]), page)
    pages = max(1, -(-extent["characters"] // PAGE_CHARACTERS))
    page = min(page, pages)
    # The page before ends up to LOOK_BACK_CHARACTERS early: where it does, is seen only with its text.
    start = max((page - 1) * PAGE_CHARACTERS - LOOK_BACK_CHARACTERS, 0)
    end = page * PAGE_CHARACTERS + 1
    rows = await queries.list_chunks_between(
        connection, document_id=document_id, space_id=extent["embedding_space_id"], start=start, end=end
    )
    text = texts.lay_out([_piece(row) for row in rows], start=start)
    return TextPage(page, pages, _between(text, start=start, page=page, pages=pages))


def _between(text: str, *, start: int, page: int, pages: int) -> str:
    first = 0 if page == 1 else texts.page_break(text, (page - 1) * PAGE_CHARACTERS - start)
    last = len(text) if page == pages else texts.page_break(text, page * PAGE_CHARACTERS - start)
    return text[first:last]


def _cut(text: str, page: int) -> TextPage:
    pages = max(1, -(-len(text) // PAGE_CHARACTERS))
    page = min(page, pages)
    return TextPage(page, pages, _between(text, start=0, page=page, pages=pages))


async def get_passage(connection: Connection, *, user_id: UUID, document_id: str, chunk_id: int) -> PassageRead:
    """A chunk with its neighbours. Raises PassageNotFound."""
    row = await queries.get_passage(connection, user_id=user_id, document_id=document_id, chunk_id=chunk_id)
    if row is None:
        raise PassageNotFound
    neighbours = await queries.list_neighbours(connection, chunk_id=chunk_id)
    piece = _piece(row)
    return PassageRead(
        document=PassageDocument(
            id=document_id, title=shown_title(row), url=web_address(row["url"]), source=row["source"]
        ),
        chunk_id=chunk_id,
        page=row["page"],
        heading_path=row["heading_path"],
        char_start=row["char_start"],
        char_end=row["char_end"],
        content=piece.content,
        before="".join(texts.before(piece, _piece(each)) for each in neighbours if each["place"] < 0),
        after="".join(texts.after(piece, _piece(each)) for each in neighbours if each["place"] > 0),
    )


async def find_passage(
    connection: Connection, *, user_id: UUID, document_id: str, excerpt: str, near: int | None
) -> PassageRead:
    """The chunk that holds an excerpt, with its neighbours. Raises PassageNotFound."""
    extent = await queries.get_extent(connection, user_id=user_id, document_id=document_id)
    text = excerpt.removesuffix("…")
    if extent is None or not text:
        raise PassageNotFound
    chunk_id = await queries.find_excerpt(
        connection,
        document_id=document_id,
        space_id=extent["embedding_space_id"],
        excerpt=text,
        near=near,
        at_start=not excerpt.endswith("…") and len(text) < WHOLE_PASSAGE_CHARACTERS_MIN,
    )
    if chunk_id is None:
        raise PassageNotFound
    return await get_passage(connection, user_id=user_id, document_id=document_id, chunk_id=chunk_id)


def _piece(row: asyncpg.Record) -> Piece:
    return Piece(row["content"] or "", row["char_start"], row["char_end"])
