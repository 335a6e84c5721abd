-- The balance of a person, the lots it is made of, and the settings that the ledger reads.
-- Runs on databases of earlier versions too, so it creates whatever scripts 1-5 of those lack.

create schema if not exists private;
comment on schema private is 'Helpers of policies and functions; nothing here is part of an API.';
revoke all on schema private from public;

alter table public.user_profiles add column if not exists tokens integer not null default 0;
alter table public.user_profiles alter column tokens set default 0;

-- Earlier versions named their checks as they liked; ours carry the names that appear in an incident.
do $$
declare
    v_constraint name;
begin
    for v_constraint in
        select distinct c.conname
        from pg_catalog.pg_constraint as c
        join pg_catalog.pg_attribute as a on a.attrelid = c.conrelid and a.attnum = any(c.conkey)
        where c.conrelid = 'public.user_profiles'::regclass and c.contype = 'c' and a.attname in ('tokens', 'full_name')
    loop
        execute format('alter table public.user_profiles drop constraint %I', v_constraint);
    end loop;
end;
$$;
update public.user_profiles set full_name = left(full_name, 200) where char_length(full_name) > 200;
alter table public.user_profiles
add constraint user_profiles_tokens_not_negative check (tokens >= 0),
add constraint user_profiles_full_name_length check (char_length(full_name) <= 200);
-- The balance changes with every turn: room on the page keeps those updates off the indexes.
alter table public.user_profiles set (fillfactor = 70);

create table if not exists public.app_settings (
    key text primary key,
    value jsonb not null,
    updated_at timestamptz not null default now()
);
alter table public.app_settings enable row level security;
revoke all on public.app_settings from anon, authenticated;
comment on table public.app_settings is 'Settings that a trigger or a function must read.';
insert into public.app_settings (key, value) values ('signup_bonus_tokens', '0') on conflict (key) do nothing;

create table if not exists public.token_grants (
    id bigint generated always as identity primary key,
    -- The plain uuid, without a foreign key: deleting an account keeps the books and removes the person.
    user_id uuid not null,
    source text not null,
    amount integer not null,
    remaining integer not null,
    expires_at timestamptz,
    purchase_id uuid,
    key text not null,
    created_at timestamptz not null default now(),
    constraint token_grants_key_unique unique (key),
    constraint token_grants_amount_positive check (amount > 0),
    constraint token_grants_remaining_not_negative check (remaining >= 0),
    constraint token_grants_source_known check (source in (
        'opening_balance', 'signup_bonus', 'purchase', 'monthly_allowance', 'activation_code', 'adjustment'
    ))
) with (fillfactor = 70);
alter table public.token_grants enable row level security;
revoke all on public.token_grants from anon, authenticated, service_role;
grant select on public.token_grants to service_role;
-- Not partial on remaining > 0: an update of a column in an index predicate would touch every index.
create index if not exists token_grants_user_expiry on public.token_grants (user_id, expires_at, id);
comment on table public.token_grants is 'Lots of tokens; a debit takes from the lot that expires first. remaining is written by private.move_tokens only.';

create table if not exists public.job_leases (
    name text primary key,
    holder uuid not null,
    expires_at timestamptz not null
);
alter table public.job_leases enable row level security;
revoke all on public.job_leases from anon, authenticated;
comment on table public.job_leases is 'A periodic job runs on the one replica that holds its lease.';
