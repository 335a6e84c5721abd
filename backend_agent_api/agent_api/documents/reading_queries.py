"""SQL of texts and passages."""

from uuid import UUID

import asyncpg

from agent_api.database import Connection

BLANKS = r"[\s\u001c-\u001f\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"
"""What str.split takes for blanks, which Postgres by itself does not."""


async def get_extent(connection: Connection, *, user_id: UUID, document_id: str) -> asyncpg.Record | None:
    """The chunks to read a document by: those of the active space, else of any one; None where there are none.

    While a new embedding model is being introduced a document has chunks in two spaces.
    """
    return await connection.fetchrow(
        """
        select d.embedding_space_id, max(d.char_end) as characters,
            bool_and(coalesce(d.char_end - d.char_start = char_length(d.content), false)) as is_placed
        from public.documents as d
        left join public.embedding_space as s on s.id = d.embedding_space_id
        where d.document_id = $2 and (d.owner_id is null or d.owner_id = $1)
        group by d.embedding_space_id, s.is_active
        order by coalesce(s.is_active, false) desc, d.embedding_space_id nulls first
        limit 1
        """,
        user_id, document_id,
    )  # fmt: skip


async def list_chunks(connection: Connection, *, document_id: str, space_id: int | None) -> list[asyncpg.Record]:
    """All chunks of a document in one space, in reading order."""
    return await connection.fetch(
        """
        select content, char_start, char_end
        from public.documents
        where document_id = $1 and embedding_space_id is not distinct from $2
        order by chunk_index, id
        """,
        document_id, space_id,
    )  # fmt: skip


async def list_chunks_between(
    connection: Connection, *, document_id: str, space_id: int | None, start: int, end: int
) -> list[asyncpg.Record]:
    """The chunks that hold a stretch of the text."""
    return await connection.fetch(
        """
        select content, char_start, char_end
        from public.documents
        where document_id = $1 and embedding_space_id is not distinct from $2 and char_end > $3 and char_start < $4
        order by char_start, chunk_index, id
        """,
        document_id, space_id, start, end,
    )  # fmt: skip


async def get_passage(
    connection: Connection, *, user_id: UUID, document_id: str, chunk_id: int
) -> asyncpg.Record | None:
    """One chunk with its document, where the person may read both."""
    return await connection.fetchrow(
        """
        select d.content, d.char_start, d.char_end, d.page, d.heading_path, m.title, m.file_name, m.url, m.source
        from public.documents as d
        join public.document_metadata as m on m.id = d.document_id
        where d.id = $3 and m.id = $2
          and (d.owner_id is null or d.owner_id = $1) and (m.owner_id is null or m.owner_id = $1)
        """,
        user_id, document_id, chunk_id,
    )  # fmt: skip


async def find_excerpt(
    connection: Connection, *, document_id: str, space_id: int | None, excerpt: str, near: int | None, at_start: bool
) -> int | None:
    """The chunk that holds an excerpt, or in which one begins that the next chunk ends; the nearest of several.

    With `at_start` only a chunk that begins with it.
    """
    return await connection.fetchval(
        """
        select d.id
        from public.documents as d
        left join public.documents as n
            on n.document_id = d.document_id and n.embedding_space_id is not distinct from d.embedding_space_id
            and n.chunk_index = d.chunk_index + 1
        cross join lateral (
            select regexp_replace(d.content, $4, ' ', 'g') as alone,
                regexp_replace(
                    d.content || coalesce(
                        case when n.char_start > d.char_end then ' ' else '' end
                            || substr(n.content, d.char_end - n.char_start + 1),
                        ''
                    ),
                    $4, ' ', 'g'
                ) as with_next
        ) as t
        where d.document_id = $1 and d.embedding_space_id is not distinct from $2
            and case when $6 then starts_with(ltrim(t.with_next), $3) else strpos(t.with_next, $3) > 0 end
        order by strpos(t.alone, $3) = 0, abs(d.char_start - $5::integer), d.chunk_index
        limit 1
        """,
        document_id, space_id, excerpt, BLANKS, near, at_start,
    )  # fmt: skip


async def list_neighbours(connection: Connection, *, chunk_id: int) -> list[asyncpg.Record]:
    """The chunk in front (place -1) and the one behind (1), of the same document and space."""
    return await connection.fetch(
        """
        select n.content, n.char_start, n.char_end, n.chunk_index - d.chunk_index as place
        from public.documents as d
        join public.documents as n
            on n.document_id = d.document_id and n.embedding_space_id is not distinct from d.embedding_space_id
            and n.chunk_index in (d.chunk_index - 1, d.chunk_index + 1)
        where d.id = $1
        order by n.chunk_index, n.id
        """,
        chunk_id,
    )
