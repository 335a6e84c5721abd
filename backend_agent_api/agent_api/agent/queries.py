"""SQL behind the agent's tools. Every query names the person whose documents it may see."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agent_api.database import Connection

Row = dict[str, Any]


@dataclass(frozen=True)
class Space:
    """The embedding space that is searched."""

    id: int
    model: str
    dimensions: int


async def find_active_space(connection: Connection) -> Space | None:
    """The one that documents are found in; None before anything was indexed."""
    row = await connection.fetchrow("select id, model, dimensions from public.embedding_space where is_active")
    return None if row is None else Space(row["id"], row["model"], row["dimensions"])


async def search_documents(
    connection: Connection,
    *,
    user_id: UUID,
    query: str,
    embedding: list[float] | None,
    space_id: int | None,
    document_ids: list[str] | None,
    limit: int,
) -> list[Row]:
    """Best passages for a query, as `search_documents` in SQL documents them."""
    rows = await connection.fetch(
        """
        select chunk_id, document_id, title, url, content, page, char_start, char_end, heading_path
        from public.search_documents($1, $2, $3, $4, p_limit => $5, p_document_ids => $6)
        """,
        user_id, query, None if embedding is None else str(embedding), space_id, limit, document_ids,
    )  # fmt: skip
    return [dict(row) for row in rows]


async def list_documents(
    connection: Connection, *, user_id: UUID, text: str | None, limit: int
) -> tuple[list[Row], int]:
    """Shared documents and the person's own, newest first, and how many there are in all."""
    rows = await connection.fetch(
        """
        select id, coalesce(title, file_name) as title, status, error_message, chunk_count,
            count(*) over () as total
        from public.document_metadata
        where (owner_id is null or owner_id = $1)
          and ($2::text is null or strpos(lower(concat_ws(chr(10), title, file_name)), lower($2)) > 0)
        order by created_at desc, id
        limit $3
        """,
        user_id, text, limit,
    )  # fmt: skip
    return [dict(row) for row in rows], rows[0]["total"] if rows else 0


async def find_document(connection: Connection, *, user_id: UUID, document_id: str) -> Row | None:
    """A document that the person may read."""
    row = await connection.fetchrow(
        """
        select id, coalesce(title, file_name) as title, url, status, error_message, chunk_count
        from public.document_metadata
        where id = $2 and (owner_id is null or owner_id = $1)
        """,
        user_id, document_id,
    )  # fmt: skip
    return None if row is None else dict(row)
