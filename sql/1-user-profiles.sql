-- People: one profile for each account of the auth service.
-- Policies and column grants follow in 12-stripe-tokens-rls.sql; until then row level security keeps the table shut.

create schema if not exists private;
comment on schema private is 'Helpers of policies and functions; nothing here is part of an API.';
revoke all on schema private from public;

create table if not exists public.user_profiles (
    id uuid primary key references auth.users (id) on delete cascade,
    email text,
    full_name text,
    is_admin boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
alter table public.user_profiles enable row level security;
revoke all on public.user_profiles from anon, authenticated;
comment on table public.user_profiles is 'One row per person; tokens is the spendable balance and is written by ledger functions only.';

create or replace function public.handle_new_user() returns trigger
language plpgsql
-- Definer: the auth service inserts into auth.users under a role that holds no right on public tables.
security definer
set search_path = ''
as $$
begin
    insert into public.user_profiles (id, email, full_name)
    values (new.id, new.email, nullif(left(btrim(coalesce(new.raw_user_meta_data ->> 'full_name', '')), 200), ''))
    on conflict (id) do nothing;
    return new;
end;
$$;
comment on function public.handle_new_user() is 'Gives a new account its profile, in the transaction that creates the account.';
revoke all on function public.handle_new_user() from public, anon, authenticated, service_role;

create or replace function private.follow_email() returns trigger
language plpgsql
-- Definer: the auth service updates auth.users under a role that holds no right on public tables.
security definer
set search_path = ''
as $$
begin
    update public.user_profiles set email = new.email where id = new.id;
    return new;
end;
$$;
comment on function private.follow_email() is 'Keeps the profile on the address that the account signs in with.';
revoke all on function private.follow_email() from public, anon, authenticated;

-- Replaced, not dropped: on Supabase auth.users belongs to the auth service, and only its owner may drop.
create or replace trigger on_auth_user_created after insert on auth.users
for each row execute function public.handle_new_user();

create or replace trigger on_auth_user_email_changed after update of email on auth.users
for each row when (old.email is distinct from new.email) execute function private.follow_email();

-- Accounts made before this script ran.
insert into public.user_profiles (id, email, full_name)
select u.id, u.email, nullif(left(btrim(coalesce(u.raw_user_meta_data ->> 'full_name', '')), 200), '')
from auth.users as u
on conflict (id) do nothing;
