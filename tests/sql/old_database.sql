-- A database as an earlier version of this kind of project left it: tables, policies that are too wide, functions that
-- anybody may call, and data. Not one of ours: it is what scripts 10 and up have to cope with.
-- {vector_schema} is replaced by the schema that holds pgvector: extensions, or public in still older ones.

create extension if not exists vector with schema {vector_schema};

create table user_profiles (
    id uuid references auth.users (id) on delete cascade primary key,
    email text not null,
    full_name text,
    is_admin boolean default false,
    created_at timestamp with time zone default timezone('utc'::text, now()) not null,
    updated_at timestamp with time zone default timezone('utc'::text, now()) not null
);

create or replace function public.handle_new_user() returns trigger as $$
begin
    insert into public.user_profiles (id, email, full_name) values (new.id, new.email, new.raw_user_meta_data ->> 'full_name');
    return new;
end;
$$ language plpgsql security definer;
create trigger on_auth_user_created after insert on auth.users
for each row execute function public.handle_new_user();

create or replace function is_admin() returns boolean as $$
declare
    is_admin_user boolean;
begin
    select coalesce(up.is_admin, false) into is_admin_user from user_profiles up where up.id = auth.uid();
    return is_admin_user;
end;
$$ language plpgsql security definer;

alter table user_profiles enable row level security;
create policy "Users can view their own profile" on user_profiles for select using (auth.uid() = id);
-- Too wide: it lets people write every column of their row.
create policy "Users can update their own profile" on user_profiles for update using (auth.uid() = id);
create policy "Admins can view all profiles" on user_profiles for select using (is_admin());
create policy "Admins can update all profiles" on user_profiles for update using (is_admin());

create table requests (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references user_profiles (id),
    timestamp timestamp with time zone default now(),
    user_query text not null
);
create index idx_requests_user_timestamp on requests (user_id, timestamp);
alter table requests enable row level security;
create policy "Users can insert requests" on requests for insert with check (auth.uid() = user_id);
create policy "Users can view their own requests" on requests for select using (auth.uid() = user_id);

create table conversations (
    user_id uuid not null references user_profiles (id),
    session_id varchar primary key not null,
    title varchar,
    created_at timestamp with time zone default now(),
    last_message_at timestamp with time zone default now(),
    is_archived boolean default false,
    metadata jsonb default '{}'::jsonb
);
create index idx_conversations_user on conversations (user_id);
alter table conversations enable row level security;
create policy "Users can view their own conversations" on conversations for select using (auth.uid() = user_id);
create policy "Users can insert their own conversations" on conversations for insert with check (auth.uid() = user_id);
create policy "Users can update their own conversations" on conversations for update using (auth.uid() = user_id);

create table messages (
    id integer generated always as identity primary key,
    computed_session_user_id uuid generated always as (cast(split_part(session_id, '~', 1) as uuid)) stored,
    session_id varchar not null references conversations (session_id),
    message jsonb not null,
    message_data text,
    created_at timestamp with time zone default now()
);
create index idx_messages_session on messages (session_id);
create index idx_messages_computed_session on messages (computed_session_user_id);
alter table messages enable row level security;
create policy "Users can view their own messages" on messages for select using (auth.uid() = computed_session_user_id);
-- Too wide: whatever a person inserts as the assistant is replayed to the model as its own.
create policy "Users can insert their own messages" on messages for insert with check (auth.uid() = computed_session_user_id);

create table document_metadata (
    id text primary key,
    title text,
    url text,
    created_at timestamp default now(),
    schema text
);
create table document_rows (
    id serial primary key,
    dataset_id text references document_metadata (id),
    row_data jsonb
);
create table documents (
    id bigserial primary key,
    content text,
    metadata jsonb,
    embedding {vector_schema}.vector(1536)
);
create index documents_embedding on documents using hnsw (embedding {vector_schema}.vector_cosine_ops);
-- Row level security is off on the documents of the oldest ones.

create function match_documents(
    query_embedding {vector_schema}.vector(1536), match_count int default null, filter jsonb default '{}'
) returns table (id bigint, content text, metadata jsonb, similarity float)
language plpgsql as $$
#variable_conflict use_column
begin
    return query
    select id, content, metadata, 1 - (documents.embedding operator({vector_schema}.<=>) query_embedding) as similarity
    from documents
    where metadata @> filter
    order by documents.embedding operator({vector_schema}.<=>) query_embedding
    limit match_count;
end;
$$;

create function execute_custom_sql(sql_query text) returns jsonb language plpgsql security definer as $$
declare
    result jsonb;
begin
    execute 'select jsonb_agg(t) from (' || sql_query || ') t' into result;
    return coalesce(result, '[]'::jsonb);
end;
$$;

create table rag_pipeline_state (
    pipeline_id text primary key,
    pipeline_type text not null,
    last_check_time timestamp with time zone,
    known_files jsonb,
    last_run timestamp with time zone,
    created_at timestamp with time zone default now(),
    updated_at timestamp with time zone default now()
);

insert into auth.users (id, email, raw_user_meta_data) values
('00000000-0000-4000-8000-00000000000a', 'person@example.com', '{"full_name": "Sample"}'),
('00000000-0000-4000-8000-00000000000b', 'stranger@example.com', '{}');
update user_profiles set is_admin = null where email = 'stranger@example.com';
insert into requests (id, user_id, timestamp, user_query) values
('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-00000000000a', '2025-01-01 10:00:00+00', 'What is a lot?'),
('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-00000000000a', null, 'And a ledger?');
insert into conversations (user_id, session_id, title, is_archived) values
('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000a~abcdefghij', 'Lots', null),
('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-00000000000b~abcdefghij', null, true);
insert into messages (session_id, message, message_data) values
('00000000-0000-4000-8000-00000000000a~abcdefghij', '{"type": "human", "content": "What is a lot?"}', null),
('00000000-0000-4000-8000-00000000000b~abcdefghij', '{"type": "human", "content": "Hello", "files": []}', null),
('00000000-0000-4000-8000-00000000000a~abcdefghij', '{"type": "ai", "content": "A batch."}', '[{"kind": "response"}]'),
('00000000-0000-4000-8000-00000000000a~abcdefghij', '{"type": "human", "content": "And a ledger?"}', null);
insert into document_metadata (id, title, url, created_at, schema) values
('sheet', 'Prices', 'file:///prices.csv', '2025-01-01 10:00:00', '["item", "price"]');
insert into document_rows (dataset_id, row_data) values ('sheet', '{"item": "tea"}'), ('sheet', '{"item": "milk"}');
insert into documents (content, metadata, embedding) values
('Tea costs two.', '{"file_id": "sheet", "chunk_index": 0}', array_fill(0.5, array[1536])::{vector_schema}.vector),
('A lot is a batch.', '{"file_id": "lots", "file_title": "Lots", "file_url": "file:///lots.md", "chunk_index": 3}',
array_fill(0.25, array[1536])::{vector_schema}.vector);
insert into rag_pipeline_state (pipeline_id, pipeline_type, known_files) values ('main', 'local_files', '{"lots": "2025-01-01"}');
