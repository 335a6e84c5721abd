"""SQL of documents and uploads. Every query names the person whose documents it may see."""

from datetime import datetime
from uuid import UUID

import asyncpg

from agent_api.database import Connection
from agent_api.documents.storage import Place

UPLOADS_LOCK_CLASS = 4_001
"""Of advisory locks: one person's uploads are counted and added one after another."""
OWNER_SECONDS = 15.0
OWNER_SECONDS_PER_CHUNK = 0.1
"""An index that does not fit into memory makes a chunk this slow to change."""
OWNER_SECONDS_MAX = 300.0
"""Less than a proxy waits for a reply (330 s): what nobody hears of is not to happen."""


async def is_admin(connection: Connection, *, user_id: UUID) -> bool | None:
    """Whether the caller is an operator; None where the account is gone."""
    return await connection.fetchval("select is_admin from public.user_profiles where id = $1", user_id)


async def list_documents(
    connection: Connection,
    *,
    user_id: UUID,
    scope: str,
    status: str | None,
    text: str | None,
    limit: int,
    before: tuple[datetime, str] | None,
) -> list[asyncpg.Record]:
    """Documents the person may read, newest first, from `before` on."""
    moment, document_id = before or (None, None)
    return await connection.fetch(
        """
        select m.id, m.title, m.file_name, m.url, m.source, m.mime_type, m.size_bytes, m.status, m.error_code,
            m.error_message, m.quarantined_at, m.chunk_count, m.page_count, m.created_at, m.updated_at, m.indexed_at,
            m.owner_id, u.owner_id as uploader_id, m.source <> 'upload' and not exists (
                select from public.rag_pipeline_state as s
                where s.pipeline_id = m.pipeline_id and s.last_check_time > now() - interval '7 days'
            ) as is_abandoned
        from public.document_metadata as m
        left join public.uploads as u on u.document_id = m.id
        where (m.owner_id is null or m.owner_id = $1)
          and ($2 <> 'own' or m.owner_id = $1 or u.owner_id = $1)
          and ($2 <> 'shared' or m.owner_id is null)
          and ($3::text is null or m.status = $3)
          and ($4::text is null
              or strpos(lower(concat_ws(chr(10), m.title, m.file_name)), lower($4)) > 0)
          and ($5::timestamptz is null or (m.created_at, m.id) < ($5, $6::text))
        order by m.created_at desc, m.id desc
        limit $7
        """,
        user_id, scope, status, text, moment, document_id, limit,
    )  # fmt: skip


async def get_document(connection: Connection, *, user_id: UUID, document_id: str) -> asyncpg.Record | None:
    """One document, where the person may read it."""
    return await connection.fetchrow(
        """
        select m.id, m.title, m.file_name, m.url, m.source, m.mime_type, m.size_bytes, m.status, m.error_code,
            m.error_message, m.quarantined_at, m.chunk_count, m.page_count, m.created_at, m.updated_at, m.indexed_at,
            m.owner_id, u.owner_id as uploader_id, m.source <> 'upload' and not exists (
                select from public.rag_pipeline_state as s
                where s.pipeline_id = m.pipeline_id and s.last_check_time > now() - interval '7 days'
            ) as is_abandoned
        from public.document_metadata as m
        left join public.uploads as u on u.document_id = m.id
        where m.id = $2 and (m.owner_id is null or m.owner_id = $1)
        """,
        user_id, document_id,
    )  # fmt: skip


async def lock_document(connection: Connection, *, document_id: str) -> None:
    """Keep a document as it is until the transaction ends. Whoever stores chunks of it takes the same lock."""
    await connection.execute("select 1 from public.document_metadata where id = $1 for update", document_id)


async def count_by_status(connection: Connection, *, user_id: UUID) -> list[asyncpg.Record]:
    """(status, documents, searchable, chunks) over what the person may read.

    A document keeps its chunks until its next text is stored, whatever its status says meanwhile.
    """
    return await connection.fetch(
        """
        select m.status, count(*) as documents,
            count(*) filter (where m.status = 'indexed' or m.chunk_count > 0) as searchable,
            coalesce(sum(m.chunk_count), 0)::bigint as chunks
        from public.document_metadata as m
        where m.owner_id is null or m.owner_id = $1
        group by m.status
        """,
        user_id,
    )


async def list_pipelines(connection: Connection) -> list[asyncpg.Record]:
    """What the workers last did."""
    return await connection.fetch(
        """
        select s.pipeline_id, s.pipeline_type, s.last_run, s.last_check_time,
            nullif(concat_ws(' ', s.embedding_error, s.error_message), '') as error
        from public.rag_pipeline_state as s
        order by s.pipeline_id
        limit 100
        """
    )


async def lock_uploads(connection: Connection, *, user_id: UUID) -> None:
    """Let nobody else count or add uploads of this person until the transaction ends."""
    await connection.execute("select pg_advisory_xact_lock($1, hashtext($2::text))", UPLOADS_LOCK_CLASS, str(user_id))


async def usage_of(connection: Connection, *, user_id: UUID) -> asyncpg.Record:
    """(documents, bytes) that a person has uploaded."""
    row = await connection.fetchrow(
        """
        select count(*) as documents, coalesce(sum(size_bytes), 0)::bigint as bytes
        from public.uploads
        where owner_id = $1
        """,
        user_id,
    )
    assert row is not None, "an aggregate has one row"
    return row


async def find_upload(connection: Connection, *, user_id: UUID, sha256: str) -> str | None:
    """The document that a person made of this content."""
    return await connection.fetchval(
        "select document_id from public.uploads where owner_id = $1 and sha256 = $2 limit 1", user_id, sha256
    )


async def add_document(
    connection: Connection,
    *,
    owner_id: UUID | None,
    title: str,
    file_name: str,
    mime_type: str,
    size_bytes: int,
) -> str:
    """A document that waits to be indexed; without owner it is everyone's. Gives its id."""
    return await connection.fetchval(
        """
        insert into public.document_metadata (id, title, owner_id, source, file_name, mime_type, size_bytes, status)
        values (gen_random_uuid()::text, $1, $2, 'upload', $3, $4, $5, 'pending')
        returning id
        """,
        title, owner_id, file_name, mime_type, size_bytes,
    )  # fmt: skip


async def add_upload(
    connection: Connection,
    *,
    upload_id: UUID,
    document_id: str,
    user_id: UUID,
    place: Place,
    sha256: str,
    size_bytes: int,
) -> None:
    """Whose file a document was made of, and where it is kept."""
    await connection.execute(
        """
        insert into public.uploads (id, document_id, owner_id, storage, content, storage_path, sha256, size_bytes)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        upload_id, document_id, user_id, place.kind, place.content, place.path, sha256, size_bytes,
    )  # fmt: skip


async def enqueue(connection: Connection, *, document_id: str, priority: int) -> None:
    """Queue a document to be indexed, in this transaction: after as many as its owner has waiting already.

    So the first file of one person comes before the fiftieth of another.
    """
    await connection.execute(
        """
        select public.enqueue_document(m.id, $2 - least($2, (
            select count(*)::integer from public.document_metadata as o
            where o.owner_id = m.owner_id and o.id <> m.id and o.status in ('pending', 'indexing')
        )))
        from public.document_metadata as m where m.id = $1
        """,
        document_id, priority,
    )  # fmt: skip


async def forget_failures(connection: Connection, *, document_id: str) -> None:
    """Let a document be tried as often as a new one."""
    await connection.execute(
        """
        update public.document_metadata
        set attempts = 0, quarantined_at = null, error_code = null, error_message = null, updated_at = now()
        where id = $1
        """,
        document_id,
    )


async def rename(connection: Connection, *, document_id: str, title: str) -> None:
    """Give a document another title, which ingestion keeps from then on.

    Its passages stay as they are embedded, under the former one, until the content changes: a rename costs nothing.
    """
    await connection.execute(
        "update public.document_metadata set title = $2, title_is_given = true, updated_at = now() where id = $1",
        document_id,
        title,
    )


async def set_owner(connection: Connection, *, document_id: str, owner_id: UUID | None, chunk_count: int) -> None:
    """Whose it is; null: everyone's. A trigger carries it to the chunks, which search filters without a join.

    Each of these goes through their indexes again, so that a large document has more time than another statement: the
    server's own limit, two minutes at Supabase, would cut it off as well.
    """
    seconds = min(OWNER_SECONDS + OWNER_SECONDS_PER_CHUNK * chunk_count, OWNER_SECONDS_MAX)
    await connection.execute("select set_config('statement_timeout', $1, true)", f"{round(seconds * 1_000)}ms")
    await connection.execute(
        "update public.document_metadata set owner_id = $2, updated_at = now() where id = $1",
        document_id,
        owner_id,
        timeout=seconds,
    )


async def find_place(connection: Connection, *, document_id: str, with_content: bool) -> Place | None:
    """Where the bytes of an upload are; the bytes themselves only on request."""
    row = await connection.fetchrow(
        """
        select storage, case when $2 then content end as content, storage_path
        from public.uploads
        where document_id = $1
        """,
        document_id, with_content,
    )  # fmt: skip
    return None if row is None else Place(row["storage"], row["content"], row["storage_path"])


async def delete_document(connection: Connection, *, document_id: str) -> None:
    """Its chunks, its rows and its upload go with it."""
    await connection.execute("delete from public.document_metadata where id = $1", document_id)


async def note_bucket(connection: Connection) -> None:
    """Remember that uploads go into the bucket: their rows tell it no more when their accounts are deleted."""
    await connection.execute(
        "insert into public.app_settings (key, value) values ('uploads_in_bucket', 'true') on conflict (key) do nothing"
    )


async def ever_used_bucket(connection: Connection) -> bool:
    """Whether uploads of this database ever went into the bucket, noted by an API that kept them there or by SQL."""
    return await connection.fetchval("select exists (select from public.app_settings where key = 'uploads_in_bucket')")


async def unknown_paths(connection: Connection, *, paths: list[str]) -> list[str]:
    """Those that no upload owns."""
    rows = await connection.fetch(
        """
        select p.path from unnest($1::text[]) as p (path)
        where not exists (select 1 from public.uploads as u where u.storage_path = p.path)
        """,
        paths,
    )
    return [row["path"] for row in rows]
