-- What migrate.sh has applied. Nothing reads it but migrate.sh, which runs this script first of all.

create schema if not exists private;

create table if not exists private.applied_scripts (
    name text primary key,
    checksum text not null,
    applied_at timestamptz not null default now(),
    constraint applied_scripts_checksum_is_sha256 check (checksum ~ '^[0-9a-f]{64}$')
);
alter table private.applied_scripts enable row level security;
revoke all on private.applied_scripts from public, anon, authenticated, service_role;
comment on table private.applied_scripts is
'Scripts that migrate.sh or 0-all-tables.sql applied, each with the SHA-256 of its text without carriage returns.';
