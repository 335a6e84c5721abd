-- Prepares a database on Cloud SQL for sql/migrate.sh: the roles, schemas and default privileges that Supabase has, made by
-- Cloud SQL's own `postgres`, which is no superuser. Run once as postgres in the database of that name; safe to repeat.
-- The auth service makes its tables when it first starts, as supabase_auth_admin: give that role a password afterwards.

do $$
declare
    v_role text;
begin
    foreach v_role in array array['anon', 'authenticated', 'service_role', 'supabase_auth_admin'] loop
        if not exists (select from pg_roles where rolname = v_role) then
            execute format('create role %I nologin noinherit', v_role);
        end if;
        -- Who makes a role may give it away, but is no member of it by itself.
        execute format('grant %I to current_user', v_role);
    end loop;
end;
$$;
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role supabase_auth_admin set search_path = auth;
alter role supabase_auth_admin set idle_in_transaction_session_timeout = '60s';
alter role supabase_auth_admin login;

create schema if not exists extensions;
grant usage on schema extensions to anon, authenticated, service_role;
create extension if not exists vector with schema extensions;
alter role current_user set search_path = "$user", public, extensions;

grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;

create schema if not exists auth authorization supabase_auth_admin;
-- `postgres` refers to what the auth service makes there, as a member of its role.
grant usage on schema auth to anon, authenticated, service_role;
