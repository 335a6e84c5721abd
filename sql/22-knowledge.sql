-- Knowledge: who may read a document, what becomes of it, where a chunk was read, and in which vector space it is.

create table if not exists public.embedding_space (
    id integer generated always as identity primary key,
    model text not null,
    dimensions integer not null,
    is_active boolean not null default false,
    created_at timestamptz not null default now(),
    constraint embedding_space_dimensions_indexable check (dimensions between 1 and 4000),
    constraint embedding_space_model_and_dimensions_unique unique (model, dimensions)
);
alter table public.embedding_space enable row level security;
revoke all on public.embedding_space from anon, authenticated;
create unique index if not exists embedding_space_one_active on public.embedding_space (is_active) where is_active;
comment on table public.embedding_space is 'One row per embedding model and dimension; chunks of different spaces are never compared.';

alter table public.document_metadata
add column if not exists owner_id uuid references public.user_profiles (id) on delete cascade;
comment on column public.document_metadata.owner_id is 'The only person who may read it; null = shared with everyone.';

-- Rows of earlier versions have been indexed; those who add a document say what it waits for.
alter table public.document_metadata
add column if not exists source text not null default 'local',
add column if not exists pipeline_id text,
add column if not exists source_key text,
add column if not exists file_name text,
add column if not exists mime_type text,
add column if not exists size_bytes bigint,
add column if not exists fingerprint text,
add column if not exists content_hash text,
add column if not exists index_version text,
add column if not exists status text not null default 'indexed',
add column if not exists error_code text,
add column if not exists error_message text,
add column if not exists attempts integer not null default 0,
add column if not exists quarantined_at timestamptz,
add column if not exists chunk_count integer not null default 0,
add column if not exists page_count integer,
add column if not exists source_modified_at timestamptz,
add column if not exists indexed_at timestamptz,
add column if not exists updated_at timestamptz not null default now();
alter table public.document_metadata
drop constraint if exists document_metadata_source_known,
add constraint document_metadata_source_known check (source in ('local', 'google_drive', 'upload')),
drop constraint if exists document_metadata_status_known,
add constraint document_metadata_status_known check (status in ('pending', 'indexing', 'indexed', 'failed', 'not_indexed')),
drop constraint if exists document_metadata_counts_not_negative,
add constraint document_metadata_counts_not_negative check (attempts >= 0 and chunk_count >= 0 and size_bytes >= 0 and page_count >= 0);
create unique index if not exists document_metadata_source_key on public.document_metadata (pipeline_id, source_key);
create index if not exists document_metadata_status on public.document_metadata (status) where status <> 'indexed';
comment on column public.document_metadata.pipeline_id is 'The pipeline that keeps it in step with its source; null for uploads and for rows of earlier versions.';
comment on column public.document_metadata.source_key is 'Its name in the source: a path relative to the watched folder, or the id of a Drive file.';
comment on column public.document_metadata.fingerprint is 'The source''s cheap mark of a change; another one means that the content has to be looked at.';
comment on column public.document_metadata.content_hash is 'SHA-256 (hex) of the bytes that are indexed now.';
comment on column public.document_metadata.index_version is 'How they were indexed: extractor, chunker and their settings.';
comment on column public.document_metadata.status is 'not_indexed: understood, and nothing is broken - an unsupported type, an empty file, an image without OCR.';
comment on column public.document_metadata.error_message is 'Written for the person who reads it; never the text of an exception.';
comment on column public.document_metadata.quarantined_at is 'Failed too often: left alone until it changes or a person asks for it.';

do $$
begin
    perform private.drop_policies('public.document_metadata');
    perform private.conform_column('public.document_metadata', 'title', 'text');
    perform private.conform_column('public.document_metadata', 'url', 'text');
    perform private.conform_column('public.document_metadata', 'created_at', 'timestamp with time zone', 'now()', true);
    perform private.conform_column('public.document_metadata', 'schema', 'text');

    perform private.drop_policies('public.document_rows');
    perform private.conform_identity('public.document_rows', 'id');
    perform private.conform_column('public.document_rows', 'row_data', 'jsonb');
    perform private.conform_cascade('public.document_rows', 'dataset_id', 'public.document_metadata');

    perform private.drop_policies('public.documents');
    perform private.conform_identity('public.documents', 'id');
    perform private.conform_column('public.documents', 'content', 'text');
    perform private.conform_column('public.documents', 'metadata', 'jsonb');

    perform private.drop_policies('public.rag_pipeline_state');
    perform private.conform_column('public.rag_pipeline_state', 'pipeline_type', 'text', null, true);
    perform private.conform_column('public.rag_pipeline_state', 'last_check_time', 'timestamp with time zone');
    perform private.conform_column('public.rag_pipeline_state', 'known_files', 'jsonb');
    perform private.conform_column('public.rag_pipeline_state', 'last_run', 'timestamp with time zone');
    perform private.conform_column('public.rag_pipeline_state', 'created_at', 'timestamp with time zone', 'now()', true);
    perform private.conform_column('public.rag_pipeline_state', 'updated_at', 'timestamp with time zone', 'now()', true);
end;
$$;

create index if not exists document_metadata_owner on public.document_metadata (owner_id) where owner_id is not null;
create index if not exists document_rows_dataset on public.document_rows (dataset_id);

-- Earlier versions fixed the dimension in the column (1536); an index of theirs on it would refuse other dimensions.
do $$
declare
    v_vector text := (
        select format('%I.vector', n.nspname)
        from pg_catalog.pg_extension as e
        join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
        where e.extname = 'vector'
    );
    v_index regclass;
begin
    if (
        select a.atttypmod
        from pg_catalog.pg_attribute as a
        where a.attrelid = 'public.documents'::regclass and a.attname = 'embedding'
    ) <> -1 then
        for v_index in
            select i.indexrelid::regclass
            from pg_catalog.pg_index as i
            join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = any(i.indkey::smallint[])
            where i.indrelid = 'public.documents'::regclass and a.attname = 'embedding'
        loop
            execute format('drop index %s', v_index);
        end loop;
        execute format('alter table public.documents alter column embedding type %s', v_vector);
    end if;
end;
$$;
alter table public.documents
add column if not exists document_id text references public.document_metadata (id) on delete cascade,
add column if not exists owner_id uuid references public.user_profiles (id) on delete cascade,
add column if not exists embedding_space_id integer references public.embedding_space (id),
add column if not exists chunk_index integer,
add column if not exists page integer,
add column if not exists char_start integer,
add column if not exists char_end integer,
add column if not exists context text,
add column if not exists heading_path text;
comment on column public.documents.owner_id is 'The document''s, kept by triggers, so that search filters without a join; null = shared.';
comment on column public.documents.context is 'Title and headings above the passage: embedded before the content, and found by words too.';
comment on column public.documents.char_start is 'Where the passage begins in the whole text of the document, whose pages are joined by an empty line.';

-- An expression cannot be changed in place: where an earlier one stands, the column is made anew.
do $$
begin
    if not exists (
        select 1 from pg_catalog.pg_attrdef as e
        join pg_catalog.pg_attribute as a on a.attrelid = e.adrelid and a.attnum = e.adnum
        where e.adrelid = 'public.documents'::regclass and a.attname = 'content_search'
            and pg_get_expr(e.adbin, e.adrelid) ~ 'context'
    ) then
        alter table public.documents drop column if exists content_search;
        -- 'english' for every language: its stemmer leaves foreign words alone on both sides, and few of them are its stop words.
        alter table public.documents add column content_search tsvector generated always as (
            setweight(to_tsvector('english', coalesce(content, '')), 'A')
            || setweight(to_tsvector('english', coalesce(context, '')), 'B')
        ) stored;
    end if;
end;
$$;
create index if not exists documents_document on public.documents (document_id, chunk_index);
-- A document may have chunks in two spaces while a new model is being introduced.
create unique index if not exists documents_chunk on public.documents (document_id, embedding_space_id, chunk_index);
drop index if exists public.documents_owner;
create index if not exists documents_owner_space on public.documents (owner_id, embedding_space_id);
create index if not exists documents_space on public.documents (embedding_space_id, id);
create index if not exists documents_search on public.documents using gin (content_search);

-- Chunks of earlier versions name their document only inside metadata, and were all made by one model.
insert into public.document_metadata (id, title, url)
select d.metadata ->> 'file_id', max(d.metadata ->> 'file_title'), max(d.metadata ->> 'file_url')
from public.documents as d
where d.document_id is null and d.metadata ->> 'file_id' is not null
group by d.metadata ->> 'file_id'
on conflict (id) do nothing;
update public.documents set
    document_id = metadata ->> 'file_id',
    chunk_index = case when metadata ->> 'chunk_index' ~ '^\d{1,9}$' then (metadata ->> 'chunk_index')::integer end
where document_id is null and metadata ->> 'file_id' is not null;
update public.document_metadata as m set
    chunk_count = c.chunks, mime_type = coalesce(m.mime_type, c.mime_type)
from (
    select d.document_id, count(*)::integer as chunks, max(d.metadata ->> 'mime_type') as mime_type
    from public.documents as d where d.embedding_space_id is null group by d.document_id
) as c
where c.document_id = m.id and m.chunk_count = 0 and m.indexed_at is null and m.status = 'indexed';

-- A passage is never visible to more people than its document, whoever writes either of them.
create or replace function private.follow_document() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    if new.document_id is not null then
        -- For share: an owner that changes meanwhile waits for these chunks, or these chunks wait for the owner.
        select m.owner_id into new.owner_id from public.document_metadata as m where m.id = new.document_id for share;
    end if;
    return new;
end;
$$;
comment on function private.follow_document() is 'Gives a chunk the owner of its document, whatever was written.';
revoke all on function private.follow_document() from public, anon, authenticated;
create or replace trigger documents_follow_document before insert or update of document_id, owner_id on public.documents
for each row execute function private.follow_document();

create or replace function private.lead_chunks() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    update public.documents as d set owner_id = new.owner_id where d.document_id = new.id;
    return null;
end;
$$;
comment on function private.lead_chunks() is 'Takes the chunks of a document along when it is shared, or no longer.';
revoke all on function private.lead_chunks() from public, anon, authenticated;
create or replace trigger document_metadata_lead_chunks after update of owner_id on public.document_metadata
for each row when (new.owner_id is distinct from old.owner_id) execute function private.lead_chunks();

create table if not exists public.uploads (
    id uuid primary key default gen_random_uuid(),
    document_id text not null references public.document_metadata (id) on delete cascade,
    owner_id uuid references public.user_profiles (id) on delete set null,
    storage text not null,
    content bytea,
    storage_path text,
    sha256 text not null,
    size_bytes bigint not null,
    created_at timestamptz not null default now(),
    constraint uploads_document_unique unique (document_id),
    constraint uploads_content_once unique (owner_id, sha256),
    constraint uploads_storage_known check (storage in ('postgres', 'supabase')),
    constraint uploads_stored_where_said check (
        (storage = 'postgres') = (content is not null) and (storage = 'supabase') = (storage_path is not null)
    ),
    constraint uploads_sha256_is_hex check (sha256 ~ '^[0-9a-f]{64}$'),
    constraint uploads_size_is_true check (size_bytes >= 0 and (content is null or octet_length(content) = size_bytes))
);
alter table public.uploads enable row level security;
revoke all on public.uploads from anon, authenticated;
-- Files are compressed as they come; uncompressed here, a part of one can be read alone.
alter table public.uploads alter column content set storage external;
comment on column public.uploads.owner_id is
'Who uploaded it. Private documents go with the account; one that was shared stays everyone''s, and with it the file it is indexed from.';
comment on table public.uploads is
'Files that people uploaded, here or in Supabase Storage, one per document. Read and written by the services only.';
-- A bucket that holds files is swept for as long as this says so: once their accounts are deleted, no row does.
insert into public.app_settings (key, value)
select 'uploads_in_bucket', 'true' where exists (select from public.uploads as u where u.storage = 'supabase')
on conflict (key) do nothing;
