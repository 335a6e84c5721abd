"""A plain Postgres, prepared as the profile `database` prepares it, takes the auth service's tables and our scripts."""

import os
import subprocess
from pathlib import Path

from local_stack.paths import REPOSITORY
from local_stack.postgres import psql
from local_stack.postgres.cluster import start_cluster
from local_stack.postgres.roles import SUPERUSER
from local_stack.processes import free_ports

PASSWORD = "pa55'word"
BOOTSTRAP = REPOSITORY / "local_stack" / "postgres" / "bootstrap.sql"
ROLES = REPOSITORY / "deploy" / "compose" / "database-roles.sh"
# What the auth service does first when it starts.
ACCOUNTS = """
create table auth.users (id uuid primary key, email varchar(255), raw_user_meta_data jsonb, created_at timestamptz);
create function auth.uid() returns uuid language sql stable
as $$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
"""


def test_the_roles_suffice_for_the_auth_service_and_for_the_migration(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    # A cluster of its own: roles belong to all databases of one.
    with start_cluster(tmp_path / "postgres", port, {"fsync": "off"}) as cluster:
        cluster.run_sql("create database plain template template0;")
        psql.run_script(cluster.psql, cluster.dsn(SUPERUSER, "plain"), BOOTSTRAP)
        path = f"{cluster.installation.bin_directory}{os.pathsep}{os.environ['PATH']}"
        as_the_image_does = {
            "PATH": path,
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGPASSWORD": cluster.credentials.passwords[SUPERUSER],
            "POSTGRES_USER": SUPERUSER,
            "POSTGRES_DB": "plain",
            "POSTGRES_PASSWORD": PASSWORD,
        }
        subprocess.run(["sh", ROLES], env=as_the_image_does, check=True)
        psql.run_sql(cluster.psql, f"postgresql://supabase_auth_admin:{PASSWORD}@127.0.0.1:{port}/plain", ACCOUNTS)
        owner = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/plain"
        migration = ["sh", REPOSITORY / "sql" / "migrate.sh"]
        printed = subprocess.check_output(migration, env={"PATH": path, "DATABASE_URL": owner}, text=True)
        assert printed.endswith("the database is up to date\n")
        assert psql.run_sql(cluster.psql, owner, "select count(*) from public.audit_ledger()") == "0"
        assert psql.run_sql(cluster.psql, owner, "select rolsuper from pg_roles where rolname = current_user") == "f"
