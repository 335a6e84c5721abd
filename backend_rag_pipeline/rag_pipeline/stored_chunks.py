"""New vectors for chunks whose file cannot be read: it is unknown, was given up, or its pipeline has ended."""

from psycopg.types.json import Jsonb

from rag_pipeline.database import Database
from rag_pipeline.store import COPY_CHUNKS, SECONDS_PER_CHUNK_MAX, vector_text
from rag_pipeline.targets import Target

# The chunks of one other space, and none where the target holds some already.
SELECT_CHUNKS = """
select d.document_id, d.owner_id, d.chunk_index, d.content, d.context, d.heading_path, d.page, d.char_start, d.char_end,
    d.metadata
from public.documents as d
where d.document_id = %(id)s and d.content <> ''
  and d.embedding_space_id is not distinct from (
      select o.embedding_space_id from public.documents as o
      where o.document_id = %(id)s and o.embedding_space_id is distinct from %(space_id)s
      order by o.embedding_space_id nulls last
      limit 1
  )
  and not exists (
      select from public.documents as n where n.document_id = %(id)s and n.embedding_space_id = %(space_id)s
  )
order by d.chunk_index, d.id
"""
HELD = "select from public.documents where document_id = %(id)s and embedding_space_id = %(space_id)s limit 1"
# Chunks of earlier versions name no space, and are found in the first one, or the active one.
DELETE_FORMER = """
delete from public.documents as d
where d.document_id = %(id)s and d.embedding_space_id is null
  and exists (
      select from public.embedding_space as s
      where s.id = %(space_id)s and (s.is_active or private.is_first_space(s.id))
  )
"""


async def embed_stored_chunks(database: Database, document_id: str, *, run: int, target: Target) -> bool:
    """Embed the stored texts for the target's space, once; nothing else changes. False: a later attempt has begun."""
    place = {"id": document_id, "space_id": target.space_id}
    async with database.transaction() as connection:
        found = await connection.execute(SELECT_CHUNKS, place)
        rows = await found.fetchall()
    texts = [f"{row['context']}\n\n{row['content']}" if row["context"] else row["content"] for row in rows]
    vectors = await target.embedder.embed(texts) if texts else []
    async with database.transaction(more_seconds=SECONDS_PER_CHUNK_MAX * len(rows)) as connection:
        locked = await connection.execute(
            "select 1 from public.document_metadata where id = %s and indexing_run = %s for update", [document_id, run]
        )
        if await locked.fetchone() is None:
            return False
        await connection.execute(DELETE_FORMER, place)
        if await (await connection.execute(HELD, place)).fetchone() is not None:
            return True  # Another replica brought them meanwhile.
        async with connection.cursor() as cursor, cursor.copy(COPY_CHUNKS) as copy:
            for row, vector in zip(rows, vectors, strict=True):
                await copy.write_row(
                    (
                        *(row["document_id"], row["owner_id"], target.space_id, row["chunk_index"], row["content"]),
                        *(row["context"], row["heading_path"], row["page"], row["char_start"], row["char_end"]),
                        *(Jsonb(row["metadata"]), vector_text(vector)),
                    )
                )
    return True
