"""The documents: what is not indexed and why, what cannot be found, and whether anybody works on what waits."""

import asyncpg

from agent_api.doctor.findings import Finding, Findings, fail, listed, ok, warn

WAITING_MINUTES = 10
"""Longer than any one document takes."""
HEARTBEAT_SECONDS_MAX = 120
START = (
    "start the ingestion worker (backend_rag_pipeline, or the service rag-pipeline) and read its log; several may run"
)


async def examine_documents(connection: asyncpg.Connection) -> Findings:
    """Documents that failed, and those that the active embedding space does not know."""
    row = await connection.fetchrow(
        """
        select count(*) as documents, count(*) filter (where m.status = 'indexed') as indexed,
            count(*) filter (where m.status = 'failed') as failed,
            count(*) filter (where m.status = 'not_indexed') as not_indexed,
            coalesce(array_agg(distinct m.error_code) filter (
                where m.status = 'failed' and m.error_code is not null
            ), '{}') as codes
        from public.document_metadata as m
        """
    )
    assert row is not None, "an aggregate is one row"
    findings: Findings = []
    if row["failed"]:
        reasons = f" ({listed(sorted(row['codes']))})" if row["codes"] else ""
        cure = (
            "the page /documents says what to do about each: mend or remove the file, or press Retry as administrator"
        )
        findings.append(warn("documents", f"{row['failed']} could not be indexed{reasons}", cure))
    if unknown := await _unknown_to_the_active_space(connection):
        detail = f"{unknown} indexed documents have no passage in the active embedding space: only others are found"
        findings.append(warn("documents", detail, "let the ingestion worker run: it embeds them anew, slowly"))
    told = f"{row['indexed']} of {row['documents']} indexed, {row['not_indexed']} hold nothing to index"
    return findings or [ok("documents", told)]


async def _unknown_to_the_active_space(connection: asyncpg.Connection) -> int:
    """Chunks of older databases name no space, and belong to the first one."""
    return await connection.fetchval(
        """
        select count(*)
        from public.document_metadata as m
        cross join public.embedding_space as s
        where s.is_active and m.status = 'indexed' and m.chunk_count > 0
          and not exists (
              select from public.documents as d
              where d.document_id = m.id and (
                  d.embedding_space_id = s.id or (
                      d.embedding_space_id is null and s.id = (select min(f.id) from public.embedding_space as f)
                  )
              )
          )
        """
    )


async def examine_queue(connection: asyncpg.Connection) -> Findings:
    """Documents that wait, and the workers that should be at them."""
    row = await connection.fetchrow(
        """
        select count(*) as waiting,
            count(*) filter (where m.updated_at < now() - make_interval(mins => $1)) as late,
            count(*) filter (where not exists (
                select from queue.procrastinate_jobs as j
                where j.lock = 'document:' || m.id and j.status in ('todo', 'doing')
            ) and m.updated_at < now() - make_interval(mins => $1)) as forgotten,
            coalesce(array_agg(distinct public.document_queue(m.pipeline_id)) filter (
                where m.updated_at < now() - make_interval(mins => $1)
            ), '{}') as queues,
            (select extract(epoch from now() - max(w.last_heartbeat))::float8 from queue.procrastinate_workers as w)
                as seconds_since_heartbeat
        from public.document_metadata as m
        where m.status in ('pending', 'indexing')
        """,
        WAITING_MINUTES,
    )
    assert row is not None, "an aggregate is one row"
    seconds: float | None = row["seconds_since_heartbeat"]
    is_worked = seconds is not None and seconds <= HEARTBEAT_SECONDS_MAX
    return [_judge_queue(row, is_worked=is_worked), *await _examine_pipelines(connection)]


def _judge_queue(row: asyncpg.Record, *, is_worked: bool) -> Finding:
    late = f"{row['late']} documents wait for more than {WAITING_MINUTES} minutes"
    if row["forgotten"]:
        detail = f"{row['forgotten']} documents wait, and nothing is queued for them"
        return fail(
            "queue", detail, "select public.enqueue_document(id) from public.document_metadata where status = 'pending'"
        )
    if row["late"] and not is_worked:
        return fail("queue", f"{late} and no worker runs", START)
    if row["late"]:
        cure = (
            f"a worker must serve {listed(sorted(row['queues']))}: look at its RAG_PIPELINE_ID and its log; add workers"
        )
        return warn("queue", f"{late} although a worker runs", cure)
    workers = "a worker runs" if is_worked else "no worker runs"
    return ok("queue", f"{row['waiting']} documents wait, none of them long; {workers}")


async def _examine_pipelines(connection: asyncpg.Connection) -> Findings:
    rows = await connection.fetch(
        "select pipeline_id, error_code, error_message, embedding_error from public.rag_pipeline_state"
        " where error_message is not null or embedding_error is not null order by 1 limit 20"
    )
    refused = [
        warn(
            "pipelines",
            f"{row['pipeline_id']} cannot use its embedding model: it gives other vectors or waits for other pipelines",
            "the page /documents, seen by an administrator, says why; look at the worker's EMBEDDING_BASE_URL",
        )
        for row in rows
        if row["embedding_error"] is not None
    ]
    return refused + [
        warn(
            "pipelines",
            f"{row['pipeline_id']} could not read its source when it last looked ({row['error_code'] or 'unknown'})",
            "the page /documents, seen by an administrator, says why; nothing was removed meanwhile",
        )
        for row in rows
        if row["error_message"] is not None
    ]
