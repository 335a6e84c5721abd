-- Roles, schemas, extensions and default privileges exactly as on Supabase, where `postgres` is no superuser.
-- Run as a superuser on each database. Works on PostgreSQL 15 and later; safe to repeat.
-- Roles belong to the whole cluster, so each is guarded.

do $$
begin
    if not exists (select from pg_roles where rolname = 'postgres') then
        create role postgres login createdb createrole bypassrls replication;
    end if;
    if not exists (select from pg_roles where rolname = 'anon') then
        create role anon nologin noinherit;
    end if;
    if not exists (select from pg_roles where rolname = 'authenticated') then
        create role authenticated nologin noinherit;
    end if;
    if not exists (select from pg_roles where rolname = 'service_role') then
        create role service_role nologin noinherit bypassrls;
    end if;
    if not exists (select from pg_roles where rolname = 'authenticator') then
        create role authenticator login noinherit;
    end if;
    if not exists (select from pg_roles where rolname = 'supabase_auth_admin') then
        create role supabase_auth_admin login noinherit createrole;
    end if;
end
$$;

-- An explicit grant carries SET on PostgreSQL 16 and later, so that `set role` works.
grant anon to postgres, authenticator;
grant authenticated to postgres, authenticator;
grant service_role to postgres, authenticator;

alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role supabase_auth_admin set search_path = auth;
alter role supabase_auth_admin set idle_in_transaction_session_timeout = '60s';

create schema if not exists extensions authorization postgres;
grant usage on schema extensions to anon, authenticated, service_role, postgres;

do $$
begin
    if exists (select from pg_available_extensions where name = 'vector') then
        create extension if not exists vector with schema extensions;
    end if;
    -- On Supabase the owner finds vector types without naming their schema.
    if not (select rolsuper from pg_roles where rolname = 'postgres') then
        alter role postgres set search_path = "$user", public, extensions;
    end if;
end
$$;

grant usage on schema public to postgres, anon, authenticated, service_role;

-- Supabase hands everything new in `public` to the browser's roles: a missing revoke must fail here too.
alter default privileges for role postgres in schema public
    grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
    grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
    grant all on functions to postgres, anon, authenticated, service_role;

create schema if not exists auth authorization supabase_auth_admin;
grant usage on schema auth to postgres, anon, authenticated, service_role;
