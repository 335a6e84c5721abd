-- What Supabase's authentication service adds around its tables: ownership, helpers for policies, grants.
-- Run after auth_schema.sql, as a superuser. Safe to repeat.

do $$
declare
    v_table text;
begin
    for v_table in select tablename from pg_tables where schemaname = 'auth' loop
        execute format('alter table auth.%I owner to supabase_auth_admin', v_table);
        execute format('alter table auth.%I enable row level security', v_table);
    end loop;
end
$$;

-- Both spellings occur: one setting per claim (older PostgREST, Supabase Lite) and one JSON object.
create or replace function auth.uid() returns uuid
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    )::uuid
$$;

create or replace function auth.role() returns text
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
    )
$$;

create or replace function auth.email() returns text
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.email', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
    )
$$;

create or replace function auth.jwt() returns jsonb
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;

alter function auth.uid() owner to supabase_auth_admin;
alter function auth.role() owner to supabase_auth_admin;
alter function auth.email() owner to supabase_auth_admin;
alter function auth.jwt() owner to supabase_auth_admin;

-- `postgres` may read, change, reference and hang triggers on these tables, but owns nothing in the schema.
grant all on all tables in schema auth to postgres;
grant all on all sequences in schema auth to postgres;
revoke all on all tables in schema auth from anon, authenticated, service_role;
