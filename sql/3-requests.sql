-- One row per chat turn. Earlier versions kept four columns; the life of a turn follows in 17-chat-tables.sql.

create table if not exists public.requests (
    id uuid primary key,
    user_id uuid not null references public.user_profiles (id) on delete cascade,
    "timestamp" timestamptz not null default now(),
    user_query text not null
);
alter table public.requests enable row level security;
revoke all on public.requests from anon, authenticated;
comment on table public.requests is 'One row per chat turn; id is chosen by the client and makes the turn repeatable.';
