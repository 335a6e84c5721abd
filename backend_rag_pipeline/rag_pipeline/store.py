"""Writing a document's chunks and rows in place of the old ones, in one transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from rag_pipeline import queries
from rag_pipeline.chunking.model import Chunk
from rag_pipeline.database import Connection, Database
from rag_pipeline.extractors.model import ExtractionError, Table

SECONDS_PER_CHUNK_MAX = 0.1
"""An index that does not fit into memory makes a chunk this slow to add."""

COPY_CHUNKS = """
copy public.documents (
    document_id, owner_id, embedding_space_id, chunk_index, content, context, heading_path, page, char_start, char_end,
    metadata, embedding
) from stdin
"""
COPY_ROWS = "copy public.document_rows (dataset_id, table_name, row_data) from stdin"


@dataclass(frozen=True)
class IndexedContent:
    """Everything that replaces what is stored of a document. `vectors` has a list per space, in the order of chunks."""

    content_hash: str
    index_version: str
    document_version: str
    """Of the document, which what is not read yet may set apart from its chunks'."""
    note: ExtractionError | None
    """What the passages lack."""
    title: str | None
    mime_type: str
    size_bytes: int
    chunks: Sequence[Chunk]
    tables: Sequence[Table]
    page_count: int | None
    vectors: Mapping[int, Sequence[Sequence[float]]]


async def replace_document(database: Database, document_id: str, *, run: int, indexed: IndexedContent) -> bool:
    """Store all of it or nothing. False: the document was deleted, or a later attempt has begun."""
    more_seconds = SECONDS_PER_CHUNK_MAX * len(indexed.chunks) * len(indexed.vectors)
    title = None if indexed.title is None else storable(indexed.title)
    # Without passages no space would ever hold this content: what the others hold goes now.
    spaces = list(indexed.vectors) if indexed.chunks else None
    async with database.transaction(more_seconds=more_seconds) as connection:
        document = await queries.begin_replacement(connection, document_id, run=run, space_ids=spaces, title=title)
        if document is None:
            return False
        for space_id, vectors in indexed.vectors.items():
            await _copy_chunks(connection, document_id, document, indexed, space_id, vectors)
        await _copy_rows(connection, document_id, indexed.tables)
        return await queries.finish_document(
            connection,
            document_id,
            run=run,
            status="indexed",
            code=None if indexed.note is None else indexed.note.code,
            message=None if indexed.note is None else indexed.note.message,
            content_hash=indexed.content_hash,
            index_version=indexed.document_version,
            mime_type=indexed.mime_type,
            size_bytes=indexed.size_bytes,
            schema=schema_text(indexed.tables),
            chunk_count=len(indexed.chunks),
            page_count=indexed.page_count,
        )


def schema_text(tables: Sequence[Table]) -> str | None:
    """What `document_metadata.schema` holds: the tables of a document with the types of their columns."""
    if not tables:
        return None
    described = [
        {
            "table": table.name,
            "columns": [{"name": column.name, "type": column.type} for column in table.columns],
            "row_count": len(table.rows),
        }
        for table in tables
    ]
    return storable(json.dumps(described, ensure_ascii=False))


def storable(text: str) -> str:
    """The text as Postgres can hold it: without NUL and without halves of characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def vector_text(vector: Sequence[float]) -> str:
    """A vector in pgvector's own notation."""
    return f"[{','.join(map(repr, vector))}]"


async def _copy_chunks(
    connection: Connection,
    document_id: str,
    document: Mapping[str, Any],
    indexed: IndexedContent,
    space_id: int,
    vectors: Sequence[Sequence[float]],
) -> None:
    # The keys that readers of earlier versions know, and those that tell which content the chunk is of.
    shared = {
        "file_id": document_id,
        "file_url": document["url"],
        "file_title": document["title"],
        "mime_type": indexed.mime_type,
        "content_hash": indexed.content_hash,
        "index_version": indexed.index_version,
    }
    async with connection.cursor() as cursor, cursor.copy(COPY_CHUNKS) as copy:
        for chunk, vector in zip(indexed.chunks, vectors, strict=True):
            await copy.write_row(
                (
                    document_id,
                    document["owner_id"],
                    space_id,
                    chunk.index,
                    storable(chunk.content),
                    storable(chunk.context),
                    storable(chunk.heading_path),
                    chunk.page,
                    chunk.char_start,
                    chunk.char_end,
                    Jsonb({**shared, "chunk_index": chunk.index}),
                    vector_text(vector),
                )
            )


async def _copy_rows(connection: Connection, document_id: str, tables: Sequence[Table]) -> None:
    if not tables:
        return
    async with connection.cursor() as cursor, cursor.copy(COPY_ROWS) as copy:
        for table in tables:
            name = storable(table.name)
            for row in table.rows:
                await copy.write_row((document_id, name, Jsonb(_storable_row(row))))


def _storable_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {storable(name): storable(value) if isinstance(value, str) else value for name, value in row.items()}
