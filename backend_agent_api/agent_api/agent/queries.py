"""SQL behind the agent's tools. Every query names the person whose documents it may see."""

from typing import Any
from uuid import UUID

from agent_api.database import Connection

Row = dict[str, Any]


async def find_embedding_space(connection: Connection, *, model: str, dimensions: int) -> int | None:
    """The active space, where it is this model's; None when another model's is, or none: words alone are searched."""
    return await connection.fetchval(
        "select id from public.embedding_space where is_active and model = $1 and dimensions = $2", model, dimensions
    )


async def search_documents(
    connection: Connection,
    *,
    user_id: UUID,
    query: str,
    embedding: list[float] | None,
    space_id: int | None,
    limit: int,
) -> list[Row]:
    """Best passages for a query, as `search_documents` in SQL documents them."""
    vector = None if embedding is None or space_id is None else str(embedding)
    rows = await connection.fetch(
        """
        select chunk_id, document_id, title, url, content, page, char_start, char_end
        from public.search_documents($1, $2, $3, $4, $5)
        """,
        user_id, query, vector, space_id, limit,
    )  # fmt: skip
    return [dict(row) for row in rows]


async def list_documents(connection: Connection, *, user_id: UUID, limit: int) -> list[Row]:
    """Shared documents and the person's own, newest first."""
    rows = await connection.fetch(
        """
        select id, title, url, created_at
        from public.document_metadata
        where owner_id is null or owner_id = $1
        order by created_at desc, id
        limit $2
        """,
        user_id, limit,
    )  # fmt: skip
    return [dict(row) for row in rows]


async def read_document(connection: Connection, *, user_id: UUID, document_id: str) -> list[Row]:
    """All chunks of one document in reading order; empty when the person may not read it."""
    rows = await connection.fetch(
        """
        select d.content, d.chunk_index, d.page, d.char_start, d.char_end
        from public.documents as d
        where d.document_id = $1 and (d.owner_id is null or d.owner_id = $2)
        order by d.chunk_index, d.id
        """,
        document_id, user_id,
    )  # fmt: skip
    return [dict(row) for row in rows]
