"""deploy/gcp/bootstrap.sql: a database whose owner is no superuser and may not hand out BYPASSRLS, as on Cloud SQL."""

import os
import subprocess
from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import pytest

from local_stack.paths import REPOSITORY
from local_stack.postgres import psql
from local_stack.postgres.cluster import BOOTSTRAP_DIRECTORY, Cluster, remove_cluster, start_cluster
from local_stack.postgres.pytest_plugin import SETTINGS
from local_stack.processes import free_ports

BOOTSTRAP = REPOSITORY / "deploy" / "gcp" / "bootstrap.sql"
DATABASE = "cloud"
SUPABASE_ROLES = "anon, authenticated, service_role, authenticator, supabase_auth_admin, postgres"
# As Google makes it: `postgres` gets its rights from a role that owns every database and is no superuser either. Only a
# superuser may create the extension here; there this role may.
AS_ON_CLOUD_SQL = """
drop database postgres with (force);
drop role {roles};
create role cloudsqlsuperuser createrole createdb nologin;
create role postgres login createrole createdb;
grant cloudsqlsuperuser to postgres;
alter database {database} owner to cloudsqlsuperuser;
create schema extensions authorization postgres;
create extension vector with schema extensions;
"""
# What the auth service does when it first starts, in short.
HELPERS = """
create function auth.uid() returns uuid language sql stable
as $$ select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server of its own: roles belong to the whole of it, and those of the others are Supabase's."""
    directory = tmp_path_factory.mktemp("cloud-sql")
    (port,) = free_ports(1)
    with start_cluster(directory, port, SETTINGS) as running:
        running.run_sql(f"create database {DATABASE}")
        running.run_sql(AS_ON_CLOUD_SQL.format(roles=SUPABASE_ROLES, database=DATABASE), database=DATABASE)
        password = running.credentials.passwords["postgres"]
        running.run_sql(f"alter role postgres password '{password}'", database=DATABASE)
        yield running
    remove_cluster(directory)


def migrate(cluster: Cluster) -> str:
    programs = cluster.installation.bin_directory
    done = subprocess.run(
        ["sh", REPOSITORY / "sql" / "migrate.sh"],
        env={
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "DATABASE_URL": cluster.dsn(database=DATABASE),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_product_lives_in_a_database_without_any_superuser(cluster: Cluster) -> None:
    owner, auth = cluster.dsn(database=DATABASE), cluster.dsn("supabase_auth_admin", DATABASE)
    for _ in range(2):
        psql.run_script(cluster.psql, owner, BOOTSTRAP)
    password = cluster.credentials.passwords["supabase_auth_admin"]
    psql.run_sql(cluster.psql, owner, f"alter role supabase_auth_admin password '{password}'")
    tables = (BOOTSTRAP_DIRECTORY / "auth_schema.sql").read_text(encoding="utf-8")
    psql.run_sql(cluster.psql, auth, tables.replace("CREATE SCHEMA IF NOT EXISTS auth;", "") + HELPERS)

    assert "applying 1-user-profiles.sql" in migrate(cluster)
    assert migrate(cluster) == "migrate: the database is up to date\n"

    person = uuid4()
    auth_service = await asyncpg.connect(auth)
    service = await asyncpg.connect(owner)
    try:
        await auth_service.execute("insert into auth.users (id, email) values ($1, 'a@example.com')", person)
        await service.execute("select public.grant_tokens($1, 5, 'adjustment', 'test')", person)
        assert await service.fetchval("select public.current_balance($1)", person) == 5
        assert await service.fetch("select * from public.audit_ledger()") == []
        space = await service.fetchval("select public.ensure_embedding_space('model', 3)")
        await service.execute("insert into public.document_metadata (id, title) values ('one', 'One')")
        await service.execute(
            "insert into public.documents (document_id, content, embedding, embedding_space_id)"
            " values ('one', 'a passage', '[1,0,0]', $1)",
            space,
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await auth_service.execute("select * from public.transactions")
        async with service.transaction():
            await service.execute("set local role authenticated")
            await service.execute("select set_config('request.jwt.claims', $1, true)", f'{{"sub": "{uuid4()}"}}')
            assert await service.fetch("select id from public.user_profiles") == []
    finally:
        await auth_service.close()
        await service.close()
