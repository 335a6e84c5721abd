"""The worker's SQL. Rules stand in functions of sql/29-source-listings.sql and 30; here they are called with types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from rag_pipeline.database import Connection
from rag_pipeline.sources.source import JsonValue, SourceState


@dataclass(frozen=True)
class BegunDocument:
    """A document as it is when an attempt at indexing it begins."""

    run: int
    owner_id: UUID | None
    title: str | None
    title_is_given: bool
    url: str | None
    source: str
    pipeline_id: str | None
    source_key: str | None
    file_name: str | None
    mime_type: str | None
    content_hash: str | None
    index_version: str | None
    status: str
    attempts: int
    upload_storage: str | None
    upload_path: str | None


@dataclass(frozen=True)
class KnownFile:
    """What the database knows of a file of a pipeline."""

    fingerprint: str | None
    identity: str | None
    name: str | None
    url: str | None
    size_bytes: int | None
    content_hash: str | None


@dataclass(frozen=True)
class Applied:
    """What a listing changed."""

    added: int
    changed: int
    renamed: int
    removed: int


@dataclass(frozen=True)
class Space:
    """One embedding model with its dimension."""

    id: int
    model: str
    dimensions: int
    is_active: bool


async def _one(connection: Connection, query: Any, parameters: Sequence[Any]) -> dict[str, Any]:
    row = await (await connection.execute(query, parameters)).fetchone()
    assert row is not None, "every function called through here returns a row"
    return row


async def _value(connection: Connection, query: Any, parameters: Sequence[Any]) -> Any:
    return next(iter((await _one(connection, query, parameters)).values()))


async def begin_document(connection: Connection, document_id: str) -> BegunDocument | None:
    """None: the document was deleted."""
    found = await connection.execute("select * from public.begin_document_indexing(%s)", [document_id])
    row = await found.fetchone()
    return None if row is None else BegunDocument(**row)


async def read_upload(connection: Connection, document_id: str) -> bytes | None:
    """The bytes of an upload kept in Postgres; None where it is gone."""
    found = await connection.execute("select content from public.uploads where document_id = %s", [document_id])
    row = await found.fetchone()
    return None if row is None or row["content"] is None else bytes(row["content"])


async def spaces_holding(connection: Connection, document_id: str, content_hash: str, index_version: str) -> set[int]:
    """The spaces in which the document's chunks are those of this content and version."""
    found = await connection.execute(
        """
        select distinct d.embedding_space_id as id from public.documents as d
        where d.document_id = %s and d.embedding_space_id is not null
          and d.metadata ->> 'content_hash' = %s and d.metadata ->> 'index_version' = %s
        """,
        [document_id, content_hash, index_version],
    )
    return {row["id"] for row in await found.fetchall()}


async def begin_replacement(
    connection: Connection, document_id: str, *, run: int, space_ids: Sequence[int] | None, title: str | None
) -> dict[str, Any] | None:
    """Owner, title and url under the document's lock; None: nothing may be stored.

    The document loses its chunks of `space_ids`; None: of all spaces. `title`: that of the content.
    """
    found = await connection.execute(
        "select * from public.begin_document_replacement(%s, %s, %s, %s)",
        [document_id, run, None if space_ids is None else list(space_ids), title],
    )
    return await found.fetchone()


async def finish_document(
    connection: Connection,
    document_id: str,
    *,
    run: int,
    status: str,
    code: str | None = None,
    message: str | None = None,
    content_hash: str,
    index_version: str,
    mime_type: str | None,
    size_bytes: int,
    schema: str | None,
    chunk_count: int,
    page_count: int | None,
) -> bool:
    """False: a later attempt has begun, and nothing may be stored."""
    return await _value(
        connection,
        "select public.finish_document_indexing(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            *[document_id, run, status, code, message, content_hash, index_version, mime_type, size_bytes],
            *[schema, chunk_count, page_count],
        ],
    )


async def finish_unchanged(connection: Connection, document_id: str, *, run: int, status: str) -> None:
    await connection.execute("select public.finish_document_unchanged(%s, %s, %s)", [document_id, run, status])


async def is_current_run(connection: Connection, document_id: str, run: int) -> bool:
    """Whether the document is there and no later attempt at it has begun."""
    query = "select from public.document_metadata as m where m.id = %s and m.indexing_run = %s"
    return await (await connection.execute(query, [document_id, run])).fetchone() is not None


async def last_failure(connection: Connection, document_id: str) -> str | None:
    """The code with which the latest attempt ended, where that failed."""
    query = "select m.error_code from public.document_metadata as m where m.id = %s"
    row = await (await connection.execute(query, [document_id])).fetchone()
    return None if row is None else row["error_code"]


async def record_failure(
    connection: Connection,
    document_id: str,
    *,
    run: int,
    code: str,
    message: str,
    retry_seconds: float | None,
    tried_with: str,
) -> None:
    await connection.execute(
        "select public.record_document_failure(%s, %s, %s, %s, %s, %s)",
        [document_id, run, code, message, retry_seconds, tried_with],
    )


async def list_known_files(connection: Connection, pipeline_id: str) -> dict[str, KnownFile]:
    found = await connection.execute(
        """
        select m.source_key, m.fingerprint, m.source_identity, m.file_name, m.url, m.size_bytes, m.content_hash
        from public.document_metadata as m
        where m.pipeline_id = %s and m.source_key is not null
        """,
        [pipeline_id],
    )
    return {
        row["source_key"]: KnownFile(
            row["fingerprint"],
            row["source_identity"],
            row["file_name"],
            row["url"],
            row["size_bytes"],
            row["content_hash"],
        )
        for row in await found.fetchall()
    }


async def read_pipeline_state(connection: Connection, pipeline_id: str) -> tuple[SourceState, datetime | None]:
    """Where the source goes on, and when everything was listed last."""
    found = await connection.execute(
        "select source_state, last_full_listing_at from public.rag_pipeline_state where pipeline_id = %s", [pipeline_id]
    )
    row = await found.fetchone()
    return ({}, None) if row is None else (row["source_state"], row["last_full_listing_at"])


async def apply_listing(
    connection: Connection,
    *,
    pipeline_id: str,
    pipeline_type: str,
    holder: UUID,
    files: Sequence[Mapping[str, Any]],
    removed: Sequence[str],
    renames: Mapping[str, str],
    is_complete: bool,
    state: Mapping[str, JsonValue],
) -> Applied:
    moved = [{"old_key": old, "new_key": new} for old, new in renames.items()]
    row = await _one(
        connection,
        "select * from public.apply_source_listing(%s, %s, %s, %s, %s, %s, %s, %s)",
        [
            *[pipeline_id, pipeline_type, holder, Jsonb(list(files)), list(removed), Jsonb(moved)],
            *[is_complete, Jsonb(dict(state))],
        ],
    )
    return Applied(**row)


async def note_look(connection: Connection, pipeline_id: str, *, is_partial: bool) -> None:
    """The source was looked at, and nothing has changed. `is_partial`: what could not be read is still shown."""
    await connection.execute(
        """
        update public.rag_pipeline_state set
            last_check_time = now(), last_run = now(), updated_at = now(),
            error_code = case when %(is_partial)s then error_code end,
            error_message = case when %(is_partial)s then error_message end,
            error_at = case when %(is_partial)s then error_at end
        where pipeline_id = %(pipeline_id)s
        """,
        {"pipeline_id": pipeline_id, "is_partial": is_partial},
    )


async def count_waiting_jobs(connection: Connection, queues: Sequence[str]) -> int:
    """Jobs that wait or run, those of a later retry included."""
    return await _value(
        connection,
        """
        select count(*) from queue.procrastinate_jobs
        where queue_name = any(%s) and status in ('todo', 'doing')
        """,
        [list(queues)],
    )


async def record_source_failure(
    connection: Connection, *, pipeline_id: str, pipeline_type: str, code: str, message: str
) -> None:
    await connection.execute(
        "select public.record_source_failure(%s, %s, %s, %s)", [pipeline_id, pipeline_type, code, message]
    )


async def acquire_lease(connection: Connection, *, name: str, holder: UUID, seconds: float) -> bool:
    return await _value(connection, "select public.acquire_job_lease(%s, %s, %s)", [name, holder, round(seconds)])


async def release_lease(connection: Connection, *, name: str, holder: UUID) -> None:
    await connection.execute("delete from public.job_leases where name = %s and holder = %s", [name, holder])


async def is_lease_held(connection: Connection, *, name: str, holder: UUID) -> bool:
    return await _value(
        connection,
        """
        select exists (
            select from public.job_leases where name = %s and holder = %s and expires_at > clock_timestamp()
        )
        """,
        [name, holder],
    )


async def queue_of(connection: Connection, pipeline_id: str | None) -> str:
    return await _value(connection, "select public.document_queue(%s)", [pipeline_id])


async def list_jobs_of_worker(connection: Connection, worker_id: int) -> set[int]:
    found = await connection.execute(
        "select id from queue.procrastinate_jobs where status = 'doing' and worker_id = %s", [worker_id]
    )
    return {row["id"] for row in await found.fetchall()}


async def requeue_lost_jobs(
    connection: Connection, *, stalled_seconds: float, worker_id: int | None, lost_job_ids: Sequence[int]
) -> int:
    return await _value(
        connection, "select public.requeue_lost_jobs(%s, %s, %s)", [stalled_seconds, worker_id, list(lost_job_ids)]
    )


async def enqueue_forgotten(connection: Connection, pipeline_id: str, *, limit: int) -> int:
    return await _value(connection, "select public.enqueue_forgotten_documents(%s, %s)", [pipeline_id, limit])


async def enqueue_given_up(connection: Connection, pipeline_id: str, *, tried_with: str, limit: int) -> int:
    return await _value(
        connection, "select public.enqueue_given_up_documents(%s, %s, %s)", [pipeline_id, tried_with, limit]
    )


async def enqueue_outdated(
    connection: Connection, pipeline_id: str, *, space_id: int, index_version: str, sight: str, limit: int
) -> int:
    return await _value(
        connection,
        "select public.enqueue_outdated_documents(%s, %s, %s, %s, %s)",
        [pipeline_id, space_id, index_version, sight, limit],
    )


async def ensure_space(connection: Connection, *, model: str, dimensions: int) -> int:
    return await _value(connection, "select public.ensure_embedding_space(%s, %s)", [model, dimensions])


async def read_active_space(connection: Connection) -> Space | None:
    found = await connection.execute(
        "select id, model, dimensions, is_active from public.embedding_space where is_active"
    )
    row = await found.fetchone()
    return None if row is None else Space(**row)


async def count_missing(connection: Connection, space_id: int) -> dict[str | None, int]:
    """Of each pipeline (None: of no one's), how many documents a worker still has to bring into the space."""
    found = await connection.execute(
        """
        select pipeline_id, count(*) as documents
        from public.list_documents_outside_space(%s) where not is_left
        group by pipeline_id
        """,
        [space_id],
    )
    return {row["pipeline_id"]: row["documents"] for row in await found.fetchall()}


async def list_left(connection: Connection, space_id: int, *, after: str, limit: int) -> list[tuple[str, int]]:
    """Documents, each with its run, that no worker will bring into the space."""
    found = await connection.execute(
        """
        select document_id, run from public.list_documents_outside_space(%s)
        where is_left and document_id > %s order by document_id limit %s
        """,
        [space_id, after, limit],
    )
    return [(row["document_id"], row["run"]) for row in await found.fetchall()]


async def activate_space(connection: Connection, space_id: int) -> None:
    await connection.execute("select public.activate_embedding_space(%s)", [space_id])


async def drop_inactive_chunks(connection: Connection, *, limit: int) -> int:
    return await _value(connection, "select public.drop_inactive_chunks(%s)", [limit])


async def refresh_statistics(connection: Connection) -> bool:
    return await _value(connection, "select public.refresh_document_statistics()", [])
