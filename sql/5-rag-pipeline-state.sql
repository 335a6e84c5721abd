-- Where each ingestion pipeline stands.

create table if not exists public.rag_pipeline_state (
    pipeline_id text primary key,
    pipeline_type text not null,
    last_check_time timestamptz,
    known_files jsonb,
    last_run timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
alter table public.rag_pipeline_state enable row level security;
revoke all on public.rag_pipeline_state from anon, authenticated;
comment on table public.rag_pipeline_state is 'One row per pipeline; written by the ingestion worker only.';
