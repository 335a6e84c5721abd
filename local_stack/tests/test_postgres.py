"""The embedded Postgres behaves as Supabase's, and survives what happens to a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_stack.console import StackError
from local_stack.paths import REPOSITORY
from local_stack.postgres import Cluster, start_cluster
from local_stack.postgres.cluster import remove_cluster
from local_stack.postgres.psql import SqlError, numbered_scripts, run_script
from local_stack.postgres.testing import Database
from local_stack.processes import free_ports
from local_stack.seeding import check_own_schema

LAUNCH_SECONDS_MAX = 120


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A folder for a cluster of its own; pytest's folders are closed to other accounts, as /root is."""
    path = tmp_path / "cluster"
    yield path
    remove_cluster(path)


def test_the_owner_is_no_superuser_and_owns_nothing_in_auth(empty_database: Database) -> None:
    cluster, name = empty_database.cluster, empty_database.name
    flags = cluster.run_sql(
        "select rolsuper, rolcreatedb, rolcreaterole, rolbypassrls from pg_roles where rolname = 'postgres';"
    )
    owned = cluster.run_sql(
        "select count(*) from pg_class where relnamespace = 'auth'::regnamespace "
        "and pg_get_userbyid(relowner) <> 'supabase_auth_admin';",
        database=name,
    )
    assert flags == "f|t|t|t"
    assert owned == "0"
    with pytest.raises(SqlError, match="permission denied for schema auth"):
        cluster.run_sql("create table auth.mine (id int);", role="postgres", database=name)


def test_the_owner_may_reference_users_and_hang_a_trigger_on_them(empty_database: Database) -> None:
    empty_database.cluster.run_sql(
        """
        create table public.people (id uuid primary key references auth.users (id) on delete cascade, name text);
        create function public.copy_person() returns trigger language plpgsql security definer as $$
        begin
            insert into public.people values (new.id, new.raw_user_meta_data ->> 'full_name');
            return new;
        end $$;
        create trigger on_auth_user_created after insert on auth.users
            for each row execute function public.copy_person();
        """,
        role="postgres",
        database=empty_database.name,
    )
    empty_database.cluster.run_sql(
        "insert into auth.users (id, email, raw_user_meta_data) "
        "values (gen_random_uuid(), 'person@example.com', '{\"full_name\": \"Sample\"}');",
        role="supabase_auth_admin",
        database=empty_database.name,
    )
    copied = empty_database.cluster.run_sql("select name from public.people;", database=empty_database.name)
    assert copied == "Sample"


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_new_objects_in_public_are_handed_to_the_browsers_roles(empty_database: Database, role: str) -> None:
    """A script that forgets a revoke must be caught here, not on Supabase."""
    handed = empty_database.cluster.run_sql(
        f"""
        create table public.forgotten (id bigint generated always as identity);
        create function public.forgotten() returns int language sql as 'select 1';
        select has_table_privilege('{role}', 'public.forgotten', 'select, insert, update, delete'),
            has_function_privilege('{role}', 'public.forgotten()', 'execute'),
            has_sequence_privilege('{role}', 'public.forgotten_id_seq', 'usage');
        """,
        role="postgres",
        database=empty_database.name,
    )
    assert handed == "t|t|t"


@pytest.mark.parametrize(
    "claims",
    [
        """set request.jwt.claims = '{"sub": "00000000-0000-4000-8000-000000000001", "role": "authenticated"}';""",
        """set request.jwt.claim.sub = '00000000-0000-4000-8000-000000000001';
           set request.jwt.claim.role = 'authenticated';""",
    ],
    ids=["one object", "one setting a claim"],
)
def test_policies_see_who_asks(empty_database: Database, claims: str) -> None:
    asked = empty_database.cluster.run_sql(
        f"set role authenticated; {claims} select auth.uid(), auth.role();",
        role="postgres",
        database=empty_database.name,
    )
    assert asked == "00000000-0000-4000-8000-000000000001|authenticated"


def test_nobody_gets_in_without_the_password(postgres_cluster: Cluster) -> None:
    dsn = postgres_cluster.dsn().replace(postgres_cluster.credentials.passwords["postgres"], "wrong")
    with pytest.raises(SqlError, match="password authentication failed"):
        run_script(postgres_cluster.psql, dsn, Path(os.devnull))


def test_the_server_does_not_run_as_root(postgres_cluster: Cluster) -> None:
    # PostgreSQL starts only as the account its data belong to.
    assert os.stat(postgres_cluster.run_sql("show data_directory;")).st_uid != 0


def test_an_own_database_without_the_schema_is_named_at_once(empty_database: Database) -> None:
    owner = empty_database.cluster.dsn(database=empty_database.name)
    with pytest.raises(StackError, match="lacks the schema: apply the scripts of sql/"):
        check_own_schema(owner)
    empty_database.cluster.apply_sql_scripts(REPOSITORY / "sql", database=empty_database.name)
    check_own_schema(owner)
    password = empty_database.cluster.credentials.passwords["postgres"]
    with pytest.raises(StackError, match=r"^DATABASE_URL of \.env cannot be used: .*password authentication failed"):
        check_own_schema(owner.replace(password, "wrong"))


def test_a_script_that_fails_leaves_nothing_and_names_its_line(empty_database: Database, tmp_path: Path) -> None:
    script = tmp_path / "1-broken.sql"
    script.write_text("create table public.half (id int);\nselect nonsense;\n")
    with pytest.raises(SqlError, match=r"1-broken\.sql:2: ERROR"):
        empty_database.cluster.apply_sql_scripts(tmp_path, database=empty_database.name)
    left = empty_database.cluster.run_sql("select to_regclass('public.half') is null;", database=empty_database.name)
    assert left == "t"


def test_scripts_run_in_numeric_order_without_the_generated_one(tmp_path: Path) -> None:
    for name in ("10-c.sql", "2-b.sql", "1-a.sql", "0-all-tables.sql", "README.md"):
        (tmp_path / name).touch()
    assert [path.name for path in numbered_scripts(tmp_path)] == ["1-a.sql", "2-b.sql", "10-c.sql"]


def test_after_kill_9_the_next_start_comes_at_once_with_the_data(directory: Path) -> None:
    """A client's backend outlives the server for a moment and holds its memory: the start has to wait for it."""
    [port] = free_ports(1)
    busy = "do $$ begin while (pg_stat_file('work-is-done', true)).size is null loop end loop; end $$;"
    with start_cluster(directory, port) as cluster, ThreadPoolExecutor() as pool:
        cluster.run_sql("create table public.kept as select 42 as answer;", role="postgres")
        data = Path(cluster.run_sql("show data_directory;"))
        pool.submit(cluster.run_sql, busy)
        working = "select count(*) from pg_stat_activity where query like 'do %' and state = 'active';"
        _wait_for(lambda: cluster.run_sql(working) == "1")
        cluster.process.kill()
        cluster.process.wait()
        starting = pool.submit(start_cluster, directory, port)
        try:
            _wait_for(lambda: starting.done() or "is still in use" in cluster.log.read_text())
            assert not starting.done(), "nothing held the memory"
        finally:
            (data / "work-is-done").touch()
        with starting.result() as again:
            assert again.run_sql("select answer from public.kept;", role="postgres") == "42"


def test_a_server_whose_launcher_was_killed_is_replaced(directory: Path, tmp_path: Path) -> None:
    [port] = free_ports(1)
    ready = tmp_path / "ready"
    launcher = subprocess.Popen(
        [
            *(sys.executable, "-m", "local_stack.postgres", "start"),
            *("--data", str(directory), "--port", str(port), "--ready-file", str(ready)),
        ],
        cwd=REPOSITORY,
    )
    _wait_for(lambda: ready.exists() and ready.read_text().endswith("\n"))
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    with start_cluster(directory, port) as cluster:
        assert cluster.run_sql("select 1;", role="postgres") == "1"


def test_a_pid_file_that_names_another_program_does_not_stop_the_start(directory: Path) -> None:
    [port] = free_ports(1)
    with start_cluster(directory, port) as cluster:
        data = cluster.run_sql("show data_directory;")
        pid_file = Path(data) / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    # The number was given to another program of the same account since.
    stranger = subprocess.Popen(
        ["sleep", "600"], **cluster.installation.process_owner(), stdin=subprocess.DEVNULL, cwd="/"
    )
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with start_cluster(directory, port) as again:
            assert again.run_sql("select 1;", role="postgres") == "1"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LAUNCH_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
