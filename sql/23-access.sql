-- Who may read the rest. All writing goes through the services, so a browser's key reads its own rows and no more:
-- nobody can put words into the assistant's mouth, or continue another person's conversation.

create table if not exists public.user_memories (
    id bigint generated always as identity primary key,
    user_id uuid not null references public.user_profiles (id) on delete cascade,
    content text not null,
    created_at timestamptz not null default now(),
    constraint user_memories_content_length check (char_length(content) between 1 and 4000)
);
alter table public.user_memories enable row level security;
create index if not exists user_memories_user on public.user_memories (user_id, id);
comment on table public.user_memories is 'Facts a person told the agent; they go with the account.';

-- Tables of earlier versions may stand open, or under policies that are too wide.
do $$
declare
    v_table text;
begin
    foreach v_table in array array[
        'conversations', 'messages', 'requests', 'run_events', 'user_memories',
        'document_metadata', 'documents', 'document_rows', 'embedding_space', 'rag_pipeline_state'
    ] loop
        execute format('alter table public.%I enable row level security', v_table);
        execute format('revoke all on public.%I from anon, authenticated', v_table);
        perform private.drop_policies(format('public.%I', v_table)::regclass);
    end loop;
end;
$$;

grant select on public.conversations to authenticated;
create policy "People read their own conversations" on public.conversations
for select to authenticated using (user_id = (select auth.uid()));

grant select on public.messages to authenticated;
create policy "People read the messages of their own conversations" on public.messages
for select to authenticated using (exists (
    select 1 from public.conversations as c
    where c.session_id = messages.session_id and c.user_id = (select auth.uid())
));

grant select on public.requests to authenticated;
create policy "People read their own requests" on public.requests
for select to authenticated using (user_id = (select auth.uid()));

grant select on public.user_memories to authenticated;
create policy "People read what the agent remembers of them" on public.user_memories
for select to authenticated using (user_id = (select auth.uid()));

grant select on public.document_metadata to authenticated;
create policy "People read shared documents and their own" on public.document_metadata
for select to authenticated using (owner_id is null or owner_id = (select auth.uid()));

grant select on public.documents to authenticated;
create policy "People read chunks of shared documents and of their own" on public.documents
for select to authenticated using (owner_id is null or owner_id = (select auth.uid()));

grant select on public.document_rows to authenticated;
create policy "People read rows of shared documents and of their own" on public.document_rows
for select to authenticated using (exists (
    select 1 from public.document_metadata as m
    where m.id = document_rows.dataset_id and (m.owner_id is null or m.owner_id = (select auth.uid()))
));

-- Earlier versions let the model run any SQL through this function.
do $$
begin
    perform private.drop_functions('execute_custom_sql');
end;
$$;

-- Default privileges hand new sequences to the browser's roles too.
do $$
declare
    v_sequence regclass;
begin
    for v_sequence in
        select d.objid::regclass
        from pg_catalog.pg_depend as d
        join pg_catalog.pg_class as s on s.oid = d.objid and s.relkind = 'S'
        join pg_catalog.pg_class as t on t.oid = d.refobjid and t.relnamespace = 'public'::regnamespace
        where d.classid = 'pg_catalog.pg_class'::regclass and d.deptype in ('a', 'i') and t.relname in (
            'token_grants', 'transactions', 'messages', 'documents', 'document_rows', 'embedding_space', 'user_memories'
        )
    loop
        execute format('revoke all on sequence %s from anon, authenticated', v_sequence);
    end loop;
end;
$$;

create or replace function public.schema_version() returns integer
language sql immutable
set search_path = ''
as $$ select 3 $$;
comment on function public.schema_version() is 'What the services compare at start; raised by scripts that they cannot run without.';
revoke all on function public.schema_version() from public, anon, authenticated;
grant execute on function public.schema_version() to service_role;
