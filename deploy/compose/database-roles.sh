#!/bin/sh
# Run once by the Postgres image when the volume is empty, after bootstrap.sql: what Supabase's hosting does beside it.
# All login roles get POSTGRES_PASSWORD; none of them can be reached from outside the compose network.
set -eu
psql -X -q -v ON_ERROR_STOP=1 -v password="$POSTGRES_PASSWORD" -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
alter role postgres password :'password';
alter role authenticator password :'password';
alter role supabase_auth_admin password :'password';

-- The owner of the product's schema; no superuser, as on Supabase.
select format('alter database %I owner to postgres', current_database()) \gexec

-- The auth service makes its tables when it starts. `postgres` refers to them and hangs triggers on auth.users.
alter default privileges for role supabase_auth_admin in schema auth grant all on tables to postgres;
alter default privileges for role supabase_auth_admin in schema auth grant all on sequences to postgres;
alter default privileges for role supabase_auth_admin in schema auth grant execute on functions to postgres;
SQL
