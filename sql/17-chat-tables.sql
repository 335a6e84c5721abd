-- One chat turn: reserved by begin_request, kept alive by a lease, settled exactly once.
-- Runs on databases of earlier versions: the columns they lack are added here.

do $$
begin
    perform private.drop_policies('public.conversations');
    perform private.conform_column('public.conversations', 'title', 'text');
    perform private.conform_column('public.conversations', 'created_at', 'timestamp with time zone', 'now()', true);
    perform private.conform_column('public.conversations', 'last_message_at', 'timestamp with time zone', 'now()', true);
    perform private.conform_column('public.conversations', 'is_archived', 'boolean', 'false', true);
    perform private.conform_column('public.conversations', 'metadata', 'jsonb', '''{}''', true);
    perform private.conform_cascade('public.conversations', 'user_id', 'public.user_profiles');

    perform private.drop_policies('public.messages');
    perform private.conform_identity('public.messages', 'id');
    perform private.conform_column('public.messages', 'message', 'jsonb', null, true);
    perform private.conform_column('public.messages', 'message_data', 'text');
    perform private.conform_column('public.messages', 'created_at', 'timestamp with time zone', 'now()', true);
    perform private.conform_cascade('public.messages', 'session_id', 'public.conversations');

    perform private.drop_policies('public.requests');
    perform private.conform_column('public.requests', 'id', 'uuid', null, true);
    perform private.conform_column('public.requests', 'timestamp', 'timestamp with time zone', 'now()', true);
    perform private.conform_column('public.requests', 'user_query', 'text', null, true);
    perform private.conform_cascade('public.requests', 'user_id', 'public.user_profiles');

    -- Earlier versions took whatever stands before "~" for the owner, which fails for session ids that are plain uuids.
    if (
        select pg_catalog.pg_get_expr(d.adbin, d.adrelid)
        from pg_catalog.pg_attrdef as d
        join pg_catalog.pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
        where d.adrelid = 'public.messages'::regclass and a.attname = 'computed_session_user_id' and a.attgenerated = 's'
    ) ~ '~ ''\^' is not true then
        alter table public.messages
        drop column if exists computed_session_user_id,
        add column computed_session_user_id uuid generated always as (
            case
                when session_id ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}~'
                    then split_part(session_id, '~', 1)::uuid
            end
        ) stored;
    end if;
end;
$$;

alter table public.messages
add column if not exists parent_id bigint references public.messages (id) on delete cascade,
add column if not exists request_id uuid,
add column if not exists client_message_id text;
comment on column public.messages.parent_id is 'What it answers or follows; messages with the same parent are branches. Null = the first.';
comment on column public.messages.request_id is 'The turn that wrote it; null in rows of earlier versions, whose message_data is not replayed to a model.';
comment on column public.messages.client_message_id is 'The id that the browser gave a user message before the server knew it.';
create index if not exists messages_session on public.messages (session_id, id);
create index if not exists messages_parent on public.messages (parent_id);
create unique index if not exists messages_client_id_unique on public.messages (session_id, client_message_id);
create index if not exists conversations_user on public.conversations (user_id, last_message_at desc);

-- Messages of earlier versions follow one another.
with linear as (
    select m.id, lag(m.id) over (partition by m.session_id order by m.id) as parent_id
    from public.messages as m
    where m.request_id is null
)
update public.messages as m set parent_id = l.parent_id
from linear as l
where l.id = m.id and m.request_id is null and m.parent_id is null and l.parent_id is not null;

alter table public.requests
add column if not exists session_id varchar references public.conversations (session_id) on delete set null,
add column if not exists trigger text not null default 'submit-message',
add column if not exists status text not null default 'done',
add column if not exists grant_id bigint,
add column if not exists user_message_id bigint,
add column if not exists answer_message_id bigint,
add column if not exists lease_holder uuid,
add column if not exists lease_expires_at timestamptz,
add column if not exists stop_requested_at timestamptz,
add column if not exists settled_at timestamptz,
add column if not exists reason text,
add column if not exists input_tokens integer,
add column if not exists output_tokens integer,
add column if not exists usage_estimated boolean,
add column if not exists cost_usd numeric,
add column if not exists model text;
alter table public.messages
drop constraint if exists messages_client_message_id_length;
alter table public.messages
add constraint messages_client_message_id_length check (char_length(client_message_id) between 1 and 200);
alter table public.requests
drop constraint if exists requests_status_known,
drop constraint if exists requests_running_is_leased;
alter table public.requests
add constraint requests_status_known check (status in ('running', 'done', 'stopped', 'failed', 'released')),
add constraint requests_running_is_leased check (
    status <> 'running' or (lease_holder is not null and lease_expires_at is not null and grant_id is not null)
);
comment on column public.requests.status is
'running, then once: done | stopped (by the person, charged) | failed (broke after output, charged) | released (no output, token back).';
-- A lease is renewed every few seconds: it is in no index, so that those updates stay on their page.
create unique index if not exists requests_one_running_per_conversation on public.requests (session_id) where status = 'running';
create index if not exists requests_user_time on public.requests (user_id, "timestamp" desc);
create index if not exists requests_session on public.requests (session_id);
alter table public.requests set (fillfactor = 80);

create table if not exists public.run_events (
    request_id uuid not null,
    seq integer not null,
    first_seq integer not null,
    part jsonb not null,
    lengths jsonb,
    created_at timestamptz not null default now(),
    constraint run_events_pkey primary key (request_id, seq),
    constraint run_events_range check (first_seq between 1 and seq)
);
alter table public.run_events enable row level security;
revoke all on public.run_events from anon, authenticated;
comment on table public.run_events is
'What a running turn has sent, for readers on other replicas and for settling after a crash; dropped an hour after it settled.';
comment on column public.run_events.lengths is 'For a joined delta: characters of each event from first_seq to seq, so that a reader may begin inside it.';
