"""Steps of the ingestion worker: a listing applied, an attempt begun and finished."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg

PIPELINE = "local"
SPACE_DIMENSIONS = 3


def file(key: str, fingerprint: str = "1", aliases: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    name = key.rsplit("/", 1)[-1]
    known: dict[str, Any] = {"key": key, "name": name, "fingerprint": fingerprint, "identity": f"inode of {key}"}
    return known | {"aliases": list(aliases)} | more


async def hold_lease(connection: asyncpg.Connection, pipeline_id: str = PIPELINE) -> UUID:
    holder = uuid4()
    await connection.execute("delete from public.job_leases")
    await connection.fetchval("select public.acquire_job_lease($1, $2, 600)", f"rag-sync:{pipeline_id}", holder)
    return holder


async def apply(
    connection: asyncpg.Connection,
    holder: UUID,
    files: Sequence[dict[str, Any]],
    *,
    removed: Sequence[str] = (),
    renames: Sequence[tuple[str, str]] = (),
    state: dict[str, Any] | None = None,
) -> tuple[int, ...]:
    row = await connection.fetchrow(
        "select * from public.apply_source_listing($1, 'local', $2, $3, $4, $5, true, $6)",
        PIPELINE,
        holder,
        json.dumps(list(files)),
        list(removed),
        json.dumps([{"old_key": old, "new_key": new} for old, new in renames]),
        json.dumps(state or {}),
    )
    assert row is not None
    return tuple(row.values())


async def documents(connection: asyncpg.Connection) -> dict[str, asyncpg.Record]:
    rows = await connection.fetch("select * from public.document_metadata")
    return {row["source_key"] or row["id"]: row for row in rows}


async def jobs(connection: asyncpg.Connection) -> list[tuple[str, str]]:
    rows = await connection.fetch(
        "select args ->> 'document_id' as id, status::text from queue.procrastinate_jobs order by procrastinate_jobs.id"
    )
    return [(row["id"], row["status"]) for row in rows]


async def begin(connection: asyncpg.Connection, document_id: str) -> int:
    run = await connection.fetchval("select run from public.begin_document_indexing($1)", document_id)
    assert isinstance(run, int)
    return run


async def finish(connection: asyncpg.Connection, document_id: str, run: int) -> bool:
    found = await connection.fetchval(
        "select public.finish_document_indexing($1, $2, 'indexed', null, null, $3, '1', null, 5, null, 1, null)",
        document_id,
        run,
        "0" * 64,
    )
    assert isinstance(found, bool)
    return found
