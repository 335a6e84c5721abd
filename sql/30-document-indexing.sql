-- Attempts at documents, and what is to be tried again; each act of the worker is one function.

select private.drop_functions('begin_document_indexing');
create function public.begin_document_indexing(p_document_id text) returns table (
    run bigint, owner_id uuid, title text, title_is_given boolean, url text, source text, pipeline_id text, source_key text, file_name text,
    mime_type text, content_hash text, index_version text, status text, attempts integer, upload_storage text, upload_path text
)
language plpgsql
set search_path = ''
as $$
declare
    v_status text;
begin
    select m.status into v_status from public.document_metadata as m where m.id = p_document_id for update;
    return query
    with begun as (
        update public.document_metadata as m set status = 'indexing', indexing_run = m.indexing_run + 1, updated_at = now()
        where m.id = p_document_id
        returning m.*
    )
    select b.indexing_run, b.owner_id,
        case when b.title_is_given then b.title else coalesce(private.readable_name(b.file_name), b.title) end, b.title_is_given, b.url,
        b.source, b.pipeline_id, b.source_key, b.file_name, b.mime_type, b.content_hash, b.index_version, v_status, b.attempts, u.storage, u.storage_path
    from begun as b
    left join public.uploads as u on u.document_id = b.id;
end;
$$;
comment on function public.begin_document_indexing(text) is
'Marks a document as being indexed and says what is known of it; its title is the one a person gave, else its file''s name as words. '
'No row: there is no such document any more.';

-- Earlier versions left text of a former embedding model with documents that are not indexed any more.
delete from public.documents as d using public.document_metadata as m
where m.id = d.document_id and m.status = 'not_indexed';

-- A newer job may wait already (the file changed while it was indexed): then the document is not finished.
create or replace function private.settled_status(p_document_id text, p_status text) returns text
language sql
set search_path = ''
as $$
    select case when exists (
        select from queue.procrastinate_jobs as j
        where j.queueing_lock = 'document:' || p_document_id and j.status = 'todo'
    ) then 'pending' else p_status end;
$$;
comment on function private.settled_status(text, text) is 'The status after a job: pending where another one already waits.';

select private.drop_functions('begin_document_replacement');
create function public.begin_document_replacement(p_document_id text, p_run bigint, p_space_ids integer[], p_title text)
returns table (owner_id uuid, title text, url text)
language plpgsql
set search_path = ''
as $$
declare
    -- Chunks of earlier versions name no space: they count as the active one's.
    v_with_null boolean := exists (
        select from public.embedding_space as s where s.is_active and s.id = any(p_space_ids)
    );
begin
    -- The lock makes owner and title those of the moment in which the chunks become visible.
    return query
    update public.document_metadata as m set
        title = case when m.title_is_given then m.title else coalesce(p_title, private.readable_name(m.file_name), m.title) end
    where m.id = p_document_id and m.indexing_run = p_run
    returning m.owner_id, m.title, m.url;
    if not found then
        return;
    end if;
    delete from public.documents as d
    where d.document_id = p_document_id
      and (p_space_ids is null or d.embedding_space_id = any(p_space_ids) or (v_with_null and d.embedding_space_id is null));
    delete from public.document_rows as r where r.dataset_id = p_document_id;
end;
$$;
comment on function public.begin_document_replacement(text, bigint, integer[], text) is
'First step of storing a document: locks it, names it p_title (null: as its file) unless a person did, and takes its chunks of these spaces '
'(null: of all) and its rows away. The caller adds the new ones in the same transaction. No row: the document was deleted, or a later attempt at it has begun, and nothing may be stored.';

create or replace function public.finish_document_indexing(
    p_document_id text, p_run bigint, p_status text, p_code text, p_message text, p_content_hash text, p_index_version text,
    p_mime_type text, p_size_bytes bigint, p_schema text, p_chunk_count integer, p_page_count integer
) returns boolean
language plpgsql
set search_path = ''
as $$
begin
    update public.document_metadata as m set
        status = private.settled_status(p_document_id, p_status), error_code = p_code, error_message = p_message,
        attempts = 0, quarantined_at = null,
        content_hash = p_content_hash, index_version = p_index_version, mime_type = coalesce(p_mime_type, m.mime_type),
        size_bytes = coalesce(p_size_bytes, m.size_bytes), schema = p_schema, chunk_count = p_chunk_count,
        page_count = p_page_count, indexed_at = now(), updated_at = now()
    where m.id = p_document_id and m.indexing_run = p_run;
    return found;
end;
$$;
comment on function public.finish_document_indexing(
    text, bigint, text, text, text, text, text, text, bigint, text, integer, integer
) is 'Last step of storing a document: indexed, or not_indexed with the reason. False: a later attempt has begun.';

create or replace function public.finish_document_unchanged(p_document_id text, p_run bigint, p_status text) returns boolean
language plpgsql
set search_path = ''
as $$
begin
    update public.document_metadata as m set
        status = private.settled_status(p_document_id, p_status), attempts = 0, quarantined_at = null,
        -- With a sight in its version, some of its pages are still not read, whatever failed meanwhile.
        error_code = case when p_status = 'not_indexed' then m.error_code when m.index_version like '%+%' then 'needs_vision' end,
        error_message = case
            when p_status = 'not_indexed' or (m.index_version like '%+%' and m.error_code = 'needs_vision') then m.error_message
            when m.index_version like '%+%' then 'Not all of it can be searched: some of its pages are pictures that were not read.'
        end,
        updated_at = now()
    where m.id = p_document_id and m.indexing_run = p_run;
    return found;
end;
$$;
comment on function public.finish_document_unchanged(text, bigint, text) is
'The content is what is indexed already: nothing to store. False: a later attempt has begun.';

select private.drop_functions('record_document_failure');
create function public.record_document_failure(
    p_document_id text, p_run bigint, p_code text, p_message text, p_retry_seconds double precision, p_tried_with text default null
) returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_lock constant text := 'document:' || p_document_id;
    v_attempts integer;
    v_queue text;
    v_priority integer;
begin
    update public.document_metadata as m set
        status = private.settled_status(p_document_id, 'failed'), error_code = p_code, error_message = p_message,
        attempts = m.attempts + 1, quarantined_at = case when p_retry_seconds is null then now() end, tried_with = p_tried_with,
        updated_at = now()
    where m.id = p_document_id and m.indexing_run = p_run
    returning m.attempts, public.document_queue(m.pipeline_id), case when m.source = 'upload' then 100 else 0 end
    into v_attempts, v_queue, v_priority;
    if found and p_retry_seconds is not null then
        begin
            perform queue.procrastinate_defer_jobs_v1(array[row(
                v_queue, 'rag_pipeline.index_document', v_priority, v_lock, v_lock, jsonb_build_object('document_id', p_document_id),
                clock_timestamp() + make_interval(secs => p_retry_seconds)
            )::queue.procrastinate_job_to_defer_v1]);
        exception when unique_violation then
            null; -- A job waits already, and will try again sooner.
        end;
    end if;
    return v_attempts;
end;
$$;
comment on function public.record_document_failure(text, bigint, text, text, double precision, text) is
'Notes why a document could not be indexed and queues the next attempt in p_retry_seconds; null: left alone until it, or p_tried_with, changes. Chunks and rows '
'stay. Returns how often it was tried in vain; null: deleted, or a later attempt has begun.';

-- Jobs whose worker was killed, or lost its connection at the very end. One statement, whose conditions hold under the
-- lock of the row: two replicas never give the same job back twice.
create or replace function public.requeue_lost_jobs(
    p_stalled_seconds double precision, p_worker_id bigint, p_lost_job_ids bigint[]
) returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_job record;
    v_count integer := 0;
begin
    for v_job in
        select j.id, coalesce(j.worker_id <> p_worker_id, true) as is_crash from queue.procrastinate_jobs as j
        where j.status = 'doing' and j.task_name = 'rag_pipeline.index_document' and (
            j.worker_id is null
            or (j.worker_id = p_worker_id and j.id = any(p_lost_job_ids))
            or exists (
                select from queue.procrastinate_workers as w
                where w.id = j.worker_id and w.last_heartbeat < clock_timestamp() - make_interval(secs => p_stalled_seconds)
            )
        )
        order by j.id
        for update of j skip locked
    loop
        update queue.procrastinate_jobs as j set
            status = 'todo', attempts = j.attempts + 1, scheduled_at = null, worker_id = null, abort_requested = false,
            args = case
                when v_job.is_crash then j.args || jsonb_build_object('crashes', coalesce((j.args ->> 'crashes')::integer, 0) + 1)
                else j.args
            end
        where j.id = v_job.id;
        -- It gave way to a newer job for the same document, which waits already.
        delete from queue.procrastinate_jobs as j where j.id = v_job.id and j.status = 'aborted';
        v_count := v_count + 1;
    end loop;
    return v_count;
end;
$$;
comment on function public.requeue_lost_jobs(double precision, bigint, bigint[]) is
'Gives back the jobs of workers not heard of for p_stalled_seconds, each with its count of such crashes, and those of the caller that it found '
'it no longer works on.';

create or replace function public.enqueue_forgotten_documents(p_pipeline_id text, p_limit integer) returns integer
language sql
set search_path = ''
as $$
    select count(*)::integer from (
        select public.enqueue_document(m.id, case when m.source = 'upload' then 100 else 0 end)
        from public.document_metadata as m
        where (m.pipeline_id = p_pipeline_id or (m.pipeline_id is null and m.source = 'upload'))
          and (m.status in ('pending', 'indexing') or (m.status = 'failed' and m.quarantined_at is null))
          and not exists (
              select from queue.procrastinate_jobs as j
              where j.lock = 'document:' || m.id and j.status in ('todo', 'doing')
          )
        limit p_limit
    ) as enqueued;
$$;
comment on function public.enqueue_forgotten_documents(text, integer) is
'Queues what is unfinished and has no job: the queue was emptied by hand, say. Returns how many.';

select private.drop_functions('enqueue_outdated_documents');
create function public.enqueue_outdated_documents(
    p_pipeline_id text, p_space_id integer, p_index_version text, p_sight text, p_limit integer
) returns integer
language sql
set search_path = ''
as $$
    update public.rag_pipeline_state as s set index_version = v.index_version, updated_at = now()
    from (select concat_ws('+', p_index_version, nullif(p_sight, '')) as index_version) as v
    where s.pipeline_id = p_pipeline_id and s.index_version is distinct from v.index_version;

    select count(*)::integer from (
        select public.enqueue_document(m.id, -100)
        from public.document_metadata as m
        where (m.pipeline_id = p_pipeline_id or m.pipeline_id is null)
          and m.status in ('indexed', 'not_indexed')
          and (
              -- Rows of earlier versions whose file is unknown have but their chunks, which may get other vectors.
              ((m.pipeline_id is not null or m.source = 'upload') and (
                  m.index_version is null or split_part(m.index_version, '+', 1) <> p_index_version
                  -- Pictures that nobody could read; who sees nothing leaves them alone.
                  or (m.index_version like '%+%' and p_sight <> '' and m.index_version <> p_index_version || '+' || p_sight)
              ) and not (
                  -- Uploads are everybody's: two pipelines that index differently would undo each other's work for ever.
                  m.source = 'upload' and exists (
                      select from public.rag_pipeline_state as o
                      where o.pipeline_id <> p_pipeline_id and o.last_check_time > now() - interval '7 days'
                        and rtrim(m.index_version, '+') in (o.index_version, split_part(o.index_version, '+', 1))
                  )
              ))
              or (
                  -- What is not indexed has nothing to embed: queued for that, it would be queued again and again.
                  m.status = 'indexed'
                  and exists (select from public.documents as d where d.document_id = m.id and d.content <> '')
                  and not exists (
                      select from public.documents as d where d.document_id = m.id and d.embedding_space_id = p_space_id
                  )
              )
          )
          and not exists (
              select from queue.procrastinate_jobs as j
              where j.lock = 'document:' || m.id and j.status in ('todo', 'doing')
          )
        limit p_limit
    ) as enqueued;
$$;
comment on function public.enqueue_outdated_documents(text, integer, text, text, integer) is
'Queues, behind everything else, documents that were indexed in another way or have no chunks in the space, and pictures nobody could read that '
'were not tried with p_sight (the vision model and OCR of the caller; empty: none), but no upload that is as another pipeline of the last 7 days '
'indexes it. Returns how many.';

create or replace function public.enqueue_given_up_documents(p_pipeline_id text, p_tried_with text, p_limit integer) returns integer
language sql
set search_path = ''
as $$
    update public.rag_pipeline_state as s set tried_with = p_tried_with, updated_at = now()
    where s.pipeline_id = p_pipeline_id and s.tried_with is distinct from p_tried_with;

    select count(*)::integer from (
        select public.enqueue_document(m.id, -100)
        from public.document_metadata as m
        where (m.pipeline_id = p_pipeline_id or (m.pipeline_id is null and m.source = 'upload'))
          and m.status = 'failed' and m.quarantined_at is not null and m.tried_with is distinct from p_tried_with
          and not (
              -- Uploads are everybody's: two pipelines with other limits would try them in turn for ever.
              m.source = 'upload' and exists (
                  select from public.rag_pipeline_state as o
                  where o.pipeline_id <> p_pipeline_id and o.last_check_time > now() - interval '7 days'
                    and o.tried_with = m.tried_with
              )
          )
          and not exists (
              select from queue.procrastinate_jobs as j
              where j.lock = 'document:' || m.id and j.status in ('todo', 'doing')
          )
        limit p_limit
    ) as enqueued;
$$;
comment on function public.enqueue_given_up_documents(text, text, integer) is
'Queues, behind everything else, documents that were given up with another version or other limits, but no upload that another pipeline of '
'the last 7 days gave up as it tries now. Returns how many.';

create or replace function public.list_documents_outside_space(p_space_id integer)
returns table (document_id text, run bigint, pipeline_id text, is_left boolean)
language sql stable
set search_path = ''
as $$
    select m.id, m.indexing_run, m.pipeline_id,
        (m.status = 'failed' and m.quarantined_at is not null)
        or (m.pipeline_id is not null and not exists (
            select from public.rag_pipeline_state as s
            where s.pipeline_id = m.pipeline_id and s.last_check_time > now() - interval '7 days'
        ))
    from public.document_metadata as m
    where m.status <> 'not_indexed'
      and exists (
          select from public.documents as d
          where d.document_id = m.id and d.embedding_space_id is distinct from p_space_id and d.content <> ''
      )
      and not exists (
          select from public.documents as d where d.document_id = m.id and d.embedding_space_id = p_space_id
      );
$$;
comment on function public.list_documents_outside_space(integer) is
'The documents that would be lost to search if the space became the active one now. is_left: no job will bring it there, for it was given up, or '
'no worker has looked at its source for 7 days.';

create or replace function public.count_documents_outside_space(p_space_id integer) returns integer
language sql stable
set search_path = ''
as $$
    select count(*)::integer from public.list_documents_outside_space(p_space_id);
$$;
comment on function public.count_documents_outside_space(integer) is
'How many documents would be lost to search if the space became the active one now.';

create or replace function public.refresh_document_statistics() returns boolean
language plpgsql
set search_path = ''
as $$
declare
    v_stored constant double precision := (select coalesce(sum(m.chunk_count), 0) from public.document_metadata as m);
    v_counted constant double precision := (
        select greatest(c.reltuples, 0) from pg_catalog.pg_class as c where c.oid = 'public.documents'::regclass
    );
begin
    if v_stored <= 1.2 * v_counted + 100 or not pg_try_advisory_xact_lock(hashtext('public.documents statistics')) then
        return false;
    end if;
    analyze public.documents;
    return true;
end;
$$;
comment on function public.refresh_document_statistics() is
'Counts words and chunks anew where far more are stored than were counted: search weighs words by it, and a first bulk load would else go '
'uncounted until autovacuum comes. Returns whether it did.';

do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select p.oid from pg_catalog.pg_proc as p
        where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace) and p.proname in (
            'apply_source_listing', 'record_source_failure', 'begin_document_indexing', 'begin_document_replacement',
            'finish_document_indexing', 'finish_document_unchanged', 'record_document_failure', 'requeue_lost_jobs',
            'enqueue_forgotten_documents', 'enqueue_outdated_documents', 'enqueue_given_up_documents', 'list_documents_outside_space',
            'count_documents_outside_space',
            'settled_status', 'readable_name', 'refresh_document_statistics'
        )
    loop
        execute format('revoke all on function %s from public, anon, authenticated, service_role', v_function);
    end loop;
end;
$$;

create or replace function public.schema_version() returns integer
language sql immutable
set search_path = ''
as $$ select 5 $$;
