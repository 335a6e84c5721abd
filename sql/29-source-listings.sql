-- What a look at a folder or a Drive does to documents. Only the worker's role calls these functions and those of the next
-- script; they read and write schema queue, where nobody else has any right.

alter table public.document_metadata
add column if not exists source_identity text,
add column if not exists indexing_run bigint not null default 0,
add column if not exists title_is_given boolean not null default false,
add column if not exists tried_with text;
comment on column public.document_metadata.source_identity is 'What stays when a file is renamed: its inode, say.';
comment on column public.document_metadata.indexing_run is
'Counts the attempts at indexing; only the latest may store, so that a worker that was thought dead changes nothing.';
comment on column public.document_metadata.tried_with is
'The version and the limits with which the last attempt failed: others are worth another one.';
comment on column public.document_metadata.title_is_given is
'A person named it; every other title is that of the content, or made of the file''s name, and follows them.';

alter table public.document_rows
add column if not exists table_name text;
comment on column public.document_rows.table_name is 'The sheet the row is of; its columns stand in document_metadata.schema.';

alter table public.rag_pipeline_state
add column if not exists source_state jsonb not null default '{}',
add column if not exists last_full_listing_at timestamptz,
add column if not exists error_code text,
add column if not exists error_message text,
add column if not exists error_at timestamptz,
add column if not exists index_version text,
add column if not exists embedding_error text,
add column if not exists tried_with text;
comment on column public.rag_pipeline_state.tried_with is 'The version and the limits with which the pipeline''s workers try.';
comment on column public.rag_pipeline_state.embedding_error is
'Why the embedding model is not in use, for an operator, whatever a look at the source said; null = nothing is known against it.';
comment on column public.rag_pipeline_state.source_state is
'Where the source goes on; written only in the transaction that queues what was found.';
comment on column public.rag_pipeline_state.index_version is 'How the pipeline''s workers index, and with which sight.';
comment on column public.rag_pipeline_state.error_message is 'Why the last look at the source failed, for an operator; null = it did not.';

create or replace function private.readable_name(p_file_name text) returns text
language sql immutable
set search_path = ''
as $$
    select case
        when s.stem = '' then p_file_name
        -- Who writes spaces wrote the name for people.
        when s.stem ~ '\s' then s.stem
        -- 2026-11-03 stays a date.
        else upper(left(w.words, 1)) || substr(w.words, 2)
    end
    from (select btrim(regexp_replace(p_file_name, '(.)\.[A-Za-z][A-Za-z0-9]{0,4}$', '\1')) as stem) as s
    cross join lateral (
        select coalesce(nullif(btrim(regexp_replace(s.stem, '(?<![0-9])[-_]+|[-_]+(?![0-9])', ' ', 'g')), ''), s.stem) as words
    ) as w;
$$;
comment on function private.readable_name(text) is
'What a document is called that has no title: its file''s name without the extension, as words.';

-- One look at a source, applied: documents added, changed, renamed and removed, their jobs queued, and only with them the
-- state from which the next look goes on.
create or replace function public.apply_source_listing(
    p_pipeline_id text, p_pipeline_type text, p_holder uuid, p_files jsonb, p_removed text[], p_renames jsonb,
    p_is_complete boolean, p_state jsonb
) returns table (added integer, changed integer, renamed integer, removed integer)
language plpgsql
set search_path = ''
as $$
declare
    v_added text[];
    v_changed text[];
    v_retyped text[];
    v_renamed integer;
    v_removed integer;
begin
    -- The row stays locked until the end: whoever takes the lease over waits for this listing.
    perform 1 from public.job_leases as l
    where l.name = 'rag-sync:' || p_pipeline_id and l.holder = p_holder and l.expires_at > clock_timestamp()
    for update;
    if not found then
        raise exception 'another replica syncs pipeline %', p_pipeline_id using errcode = 'AP409';
    end if;

    -- Documents of earlier versions bear their path or Drive id as id.
    with former as (
        select distinct on (f.key) f.key, m.id
        from jsonb_to_recordset(p_files) as f (key text, aliases text[])
        cross join unnest(f.aliases || f.key) as a (id)
        join public.document_metadata as m on m.id = a.id
        where m.pipeline_id is null and m.source <> 'upload'
          and not exists (
              select from public.document_metadata as o where o.pipeline_id = p_pipeline_id and o.source_key = f.key
          )
        order by f.key, m.created_at desc
    )
    update public.document_metadata as m set pipeline_id = p_pipeline_id, source_key = f.key, source = p_pipeline_type
    from former as f
    where m.id = f.id;

    update public.document_metadata as m set source_key = r.new_key
    from jsonb_to_recordset(p_renames) as r (old_key text, new_key text)
    where m.pipeline_id = p_pipeline_id and m.source_key = r.old_key;
    get diagnostics v_renamed = row_count;

    -- The same bytes under another extension may be another kind of file. Whoever reads them as the former kind stores nothing.
    with retyped as (
        update public.document_metadata as m set index_version = null, mime_type = null, indexing_run = m.indexing_run + 1
        from jsonb_to_recordset(p_files) as f (key text, name text)
        where m.pipeline_id = p_pipeline_id and m.source_key = f.key
          and lower(substring(m.file_name from '.(\.[A-Za-z][A-Za-z0-9]*)$'))
              is distinct from lower(substring(f.name from '.(\.[A-Za-z][A-Za-z0-9]*)$'))
        returning m.id
    )
    select coalesce(array_agg(r.id), '{}') into v_retyped from retyped as r;

    select v_retyped || coalesce(array_agg(m.id), '{}') into v_changed
    from jsonb_to_recordset(p_files) as f (key text, fingerprint text)
    join public.document_metadata as m on m.pipeline_id = p_pipeline_id and m.source_key = f.key
    where m.fingerprint is distinct from f.fingerprint and m.id <> all(v_retyped)
      -- A pure rename keeps its content; whoever found it compared.
      and not exists (
          select from jsonb_to_recordset(p_renames) as r (new_key text) where r.new_key = f.key
      );

    update public.document_metadata as m set
        title = case
            when m.title_is_given then m.title
            when m.title is null or m.title in (m.file_name, private.readable_name(m.file_name)) then private.readable_name(f.name)
            else m.title
        end,
        file_name = f.name, url = f.url, mime_type = coalesce(f.mime_type, m.mime_type), size_bytes = f.size_bytes,
        fingerprint = f.fingerprint, source_identity = f.identity, source_modified_at = f.modified_at, updated_at = now()
    from jsonb_to_recordset(p_files) as f (
        key text, name text, mime_type text, size_bytes bigint, modified_at timestamptz, fingerprint text, url text, identity text
    )
    where m.pipeline_id = p_pipeline_id and m.source_key = f.key
      and (m.file_name, m.url, m.fingerprint, m.source_identity) is distinct from (f.name, f.url, f.fingerprint, f.identity);

    -- What an indexed document lacks is known until its content is found to be another.
    update public.document_metadata as m set attempts = 0, quarantined_at = null, error_code = null, error_message = null
    where m.id = any(v_changed) and m.status <> 'indexed';

    with inserted as (
        insert into public.document_metadata (
            id, title, url, source, pipeline_id, source_key, file_name, mime_type, size_bytes, fingerprint, source_identity,
            source_modified_at, status
        )
        select gen_random_uuid()::text, private.readable_name(f.name), f.url, p_pipeline_type, p_pipeline_id, f.key, f.name, f.mime_type, f.size_bytes,
            f.fingerprint, f.identity, f.modified_at, 'pending'
        from jsonb_to_recordset(p_files) as f (
            key text, name text, mime_type text, size_bytes bigint, modified_at timestamptz, fingerprint text, url text, identity text
        )
        on conflict (pipeline_id, source_key) do nothing
        returning id
    )
    select coalesce(array_agg(i.id), '{}') into v_added from inserted as i;

    perform public.enqueue_document(d.id, 0) from unnest(v_added || v_changed) as d (id);

    delete from public.document_metadata as m
    where m.pipeline_id = p_pipeline_id and m.source_key = any(p_removed);
    get diagnostics v_removed = row_count;

    insert into public.rag_pipeline_state as s (
        pipeline_id, pipeline_type, last_check_time, last_run, source_state, last_full_listing_at
    ) values (p_pipeline_id, p_pipeline_type, now(), now(), p_state, case when p_is_complete then now() end)
    on conflict (pipeline_id) do update set
        pipeline_type = excluded.pipeline_type, last_check_time = excluded.last_check_time, last_run = excluded.last_run,
        source_state = excluded.source_state,
        last_full_listing_at = coalesce(excluded.last_full_listing_at, s.last_full_listing_at),
        error_code = null, error_message = null, error_at = null, updated_at = now();
    return query select cardinality(v_added), cardinality(v_changed), v_renamed, v_removed;
end;
$$;
comment on function public.apply_source_listing(text, text, uuid, jsonb, text[], jsonb, boolean, jsonb) is
'Applies in one transaction what a look at a source showed against what is known: p_files new or changed, p_removed gone, p_renames moved. '
'p_is_complete: everything was listed. AP409 where p_holder does not hold the lease rag-sync:<pipeline>.';

create or replace function public.record_source_failure(
    p_pipeline_id text, p_pipeline_type text, p_code text, p_message text
) returns void
language sql
set search_path = ''
as $$
    insert into public.rag_pipeline_state (pipeline_id, pipeline_type, last_check_time, error_code, error_message, error_at)
    values (p_pipeline_id, p_pipeline_type, now(), p_code, p_message, now())
    on conflict (pipeline_id) do update set
        last_check_time = excluded.last_check_time, error_code = excluded.error_code, error_message = excluded.error_message,
        error_at = excluded.error_at, updated_at = now();
$$;
comment on function public.record_source_failure(text, text, text, text) is
'Notes why a look at the source failed; documents and the state to go on from stay as they are.';
