"""sql/migrate.sh, run by the real psql as the compose file runs it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.schema import FRESH_INSTALL, SQL_DIRECTORY, all_scripts, apply, differences, read_schema
from tests.sql.test_install import (
    KEPT_FROM_OLD,
    OLD_VERSIONS,
    check_books,
    check_conversations,
    check_documents,
    make_old,
)

WAIT_SECONDS_MAX = 180.0
UP_TO_DATE = "migrate: the database is up to date\n"


@dataclass(frozen=True)
class Run:
    """How a migration ended."""

    status: int
    output: str
    errors: str

    @property
    def applied(self) -> list[str]:
        lines = self.output.splitlines()
        return [line.removeprefix("migrate: applying ") for line in lines if line.startswith("migrate: applying ")]


async def start(
    database: Database, *arguments: str, scripts: Path = SQL_DIRECTORY, **variables: str
) -> asyncio.subprocess.Process:
    environment = {
        "PATH": f"{database.cluster.installation.bin_directory}{os.pathsep}{os.environ['PATH']}",
        "DATABASE_URL": database.dsn(),
        **variables,
    }
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *("sh", str(scripts / "migrate.sh"), *arguments),
        env=environment,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    )


async def migrate(database: Database, *arguments: str, scripts: Path = SQL_DIRECTORY, **variables: str) -> Run:
    return await ended(await start(database, *arguments, scripts=scripts, **variables))


async def ended(process: asyncio.subprocess.Process) -> Run:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return Run(process.returncode, output.decode(), errors.decode())


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A copy of the scripts that a test may change."""
    return shutil.copytree(SQL_DIRECTORY, tmp_path / "sql")


async def until(connection: asyncpg.Connection, condition: str, *values: object) -> None:
    """Wait until a condition of SQL holds."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            if await connection.fetchval(f"select {condition}", *values):
                return
            await asyncio.sleep(0.02)


def arguments_of_processes() -> list[bytes]:
    found: list[bytes] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # Processes of others end, or are closed to this account, while this looks.
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            found.append(path.read_bytes())
    return found


def with_carriage_returns(scripts: Path) -> None:
    for script in scripts.glob("[0-9]*.sql"):
        script.write_bytes(script.read_bytes().replace(b"\n", b"\r\n"))


def names() -> list[str]:
    return [script.name for script in all_scripts()]


async def recorded(database: Database) -> dict[str, object]:
    async with database.connect() as connection:
        rows = await connection.fetch("select name, applied_at from private.applied_scripts")
    return {row["name"]: row["applied_at"] for row in rows}


async def test_an_empty_database_comes_to_the_schema_and_a_second_run_does_nothing(
    empty_database: Database, database: Database
) -> None:
    first = await migrate(empty_database)
    assert (first.status, first.errors) == (0, "")
    assert first.applied == names()
    assert differences(await read_schema(empty_database), await read_schema(database)) == {}
    before = await recorded(empty_database)
    assert before.keys() == set(names())
    assert await migrate(empty_database) == Run(0, UP_TO_DATE, "")
    assert await recorded(empty_database) == before


@pytest.mark.parametrize("version", OLD_VERSIONS)
async def test_an_old_database_with_data_equals_a_fresh_install_and_keeps_its_data(
    version: str, empty_database: Database, database: Database
) -> None:
    make_old(empty_database, OLD_VERSIONS[version])
    upgraded = await migrate(empty_database)
    assert (upgraded.status, upgraded.errors) == (0, "")
    assert (await migrate(empty_database)).applied == []
    found = differences(await read_schema(empty_database), await read_schema(database))
    assert found.keys() - KEPT_FROM_OLD == set()
    async with empty_database.connect() as connection:
        await check_conversations(connection)
        await check_documents(connection)
        await check_books(connection, OLD_VERSIONS[version])


async def test_a_database_that_was_installed_by_hand_is_taken_over(database: Database) -> None:
    user_id = await database.add_user(tokens=3)
    before = await read_schema(database)
    assert (await migrate(database)).applied == names()
    assert differences(before, await read_schema(database)) == {}
    async with database.connect() as connection:
        assert await connection.fetchval("select public.current_balance($1)", user_id) == 3
        assert await connection.fetch("select * from public.audit_ledger()") == []


async def test_the_fresh_install_records_its_scripts(empty_database: Database) -> None:
    apply(empty_database, FRESH_INSTALL)
    assert await migrate(empty_database) == Run(0, UP_TO_DATE, "")


async def test_an_edited_script_is_refused_by_name_and_nothing_is_applied(
    empty_database: Database, scripts: Path
) -> None:
    await migrate(empty_database)
    edited = scripts / "13-stripe-functions.sql"
    edited.write_text(edited.read_text() + "\n-- Something else.\n")
    (scripts / "900-further.sql").write_text("create table public.further (id integer);\n")
    refused = await migrate(empty_database, scripts=scripts)
    assert refused.status != 0
    assert "edited after it was applied: 13-stripe-functions.sql" in refused.errors
    assert refused.applied == []
    assert (await migrate(empty_database, "--list", scripts=scripts)).output.splitlines()[8:] == [
        f"EDITED    {name}" if name == edited.name else f"applied   {name}" for name in names()[8:]
    ] + ["missing   900-further.sql"]
    again = await migrate(empty_database, "--reapply", scripts=scripts)
    assert again.applied == [*names(), "900-further.sql"]
    assert await migrate(empty_database, scripts=scripts) == Run(0, UP_TO_DATE, "")


async def test_line_ends_of_another_system_are_no_edit(empty_database: Database, scripts: Path) -> None:
    await migrate(empty_database)
    with_carriage_returns(scripts)
    assert await migrate(empty_database, scripts=scripts) == Run(0, UP_TO_DATE, "")


async def test_only_what_is_missing_is_applied(empty_database: Database, scripts: Path) -> None:
    await migrate(empty_database)
    (scripts / "900-further.sql").write_text("create table public.further (id integer);\n")
    assert (await migrate(empty_database, scripts=scripts)).applied == ["900-further.sql"]
    older = await migrate(empty_database)
    assert (older.status, older.output) == (0, UP_TO_DATE), "an older release runs on a newer database"
    assert "900-further.sql" in older.errors
    (scripts / "899-late.sql").write_text("select 1;\n")
    late = await migrate(empty_database, scripts=scripts)
    assert late.status != 0
    assert "added before scripts that are applied: 899-late.sql" in late.errors


async def test_a_script_that_fails_leaves_nothing_of_itself(empty_database: Database, scripts: Path) -> None:
    (scripts / "900-fails.sql").write_text("create table public.half (id integer);\nselect 1 / 0;\n")
    failed = await migrate(empty_database, scripts=scripts)
    assert failed.status != 0
    assert "900-fails.sql:2: ERROR:  division by zero" in failed.errors
    assert (await recorded(empty_database)).keys() == set(names())
    async with empty_database.connect() as connection:
        assert await connection.fetchval("select to_regclass('public.half') is null")


async def test_killed_in_the_middle_it_goes_on_where_it_was(empty_database: Database, database: Database) -> None:
    make_old(empty_database, OLD_VERSIONS["with payments"])
    async with empty_database.connect() as holder:
        # Script 11 changes this table, so it waits here.
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("lock table public.transactions in access exclusive mode")
        process = await start(empty_database)
        migrating = "select from pg_stat_activity where application_name = 'migrate' and datname = $1"
        async with empty_database.superuser() as watcher:
            await until(watcher, f"exists ({migrating} and wait_event_type = 'Lock')", empty_database.name)
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            await transaction.rollback()
            await until(watcher, f"not exists ({migrating})", empty_database.name)
    done = await recorded(empty_database)
    assert 0 < len(done) < len(names())
    rest = await migrate(empty_database)
    assert rest.status == 0
    assert rest.applied == names()[len(done) :]
    found = differences(await read_schema(empty_database), await read_schema(database))
    assert found.keys() - KEPT_FROM_OLD == set()


async def test_two_at_once_apply_each_script_once(empty_database: Database, database: Database) -> None:
    runs = await asyncio.gather(*(migrate(empty_database) for _ in range(2)))
    assert [(run.status, run.errors) for run in runs] == [(0, "")] * 2
    assert sorted(name for run in runs for name in run.applied) == sorted(names())
    assert differences(await read_schema(empty_database), await read_schema(database)) == {}


async def test_the_fresh_install_spares_a_database_with_data(empty_database: Database) -> None:
    installed = await migrate(empty_database, "--fresh-install")
    assert (installed.status, installed.applied) == (0, [])
    user_id = await empty_database.add_user(tokens=3)
    refused = await migrate(empty_database, "--fresh-install")
    assert refused.status != 0
    assert "the database holds data" in refused.errors
    async with empty_database.connect() as connection:
        assert await connection.fetchval("select public.current_balance($1)", user_id) == 3
    dropped = await migrate(empty_database, "--fresh-install", "--drop-all-data")
    assert (dropped.status, dropped.errors) == (0, "")
    async with empty_database.connect() as connection:
        assert await connection.fetchval("select public.current_balance($1)", user_id) == 0


async def test_the_records_are_nobody_elses_business(empty_database: Database) -> None:
    await migrate(empty_database)
    async with empty_database.superuser() as connection:
        for role in ("anon", "authenticated", "service_role"):
            assert not await connection.fetchval(
                "select has_table_privilege($1, 'private.applied_scripts', 'select, insert, update, delete')", role
            )
        assert await connection.fetchval(
            "select relrowsecurity from pg_class where oid = 'private.applied_scripts'::regclass"
        )


async def test_a_password_of_any_characters_is_no_argument(empty_database: Database) -> None:
    password = "p@ss:/?#%41 ü'\"\\$x"
    empty_database.cluster.run_sql(
        "create role strange login bypassrls in role postgres;"
        f"alter role strange password '{password.replace(chr(39), chr(39) * 2)}';"
    )
    try:
        port = empty_database.cluster.port
        url = f"postgresql://strange:{quote(password, safe='')}@127.0.0.1:{port}/{empty_database.name}"
        async with empty_database.connect() as holder:
            # Held up at the lock that every migration takes, it can be looked at.
            await holder.execute("select pg_advisory_lock(7263549081263548)")
            process = await start(empty_database, DATABASE_URL=url)
            # Of this database: others of the cluster have services that wait for locks of their own.
            waiting = (
                "exists (select from pg_locks where locktype = 'advisory' and not granted"
                " and database = (select oid from pg_database where datname = current_database()))"
            )
            await until(holder, waiting)
            arguments = arguments_of_processes()
            assert any(b"strange@127.0.0.1" in line for line in arguments)
            assert not any(quote(password, safe="").encode() in line for line in arguments)
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    finally:
        empty_database.cluster.run_sql("drop role strange;")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        ({"DATABASE_URL": "mysql://nope"}, "DATABASE_URL must be postgresql://"),
        ({"DATABASE_URL": "postgresql://a:b@127.0.0.1:9/none", "MIGRATE_CONNECT_SECONDS": "0"}, "Connection refused"),
    ],
)
async def test_an_address_that_leads_nowhere_is_named(
    variables: dict[str, str], said: str, empty_database: Database
) -> None:
    failed = await migrate(empty_database, scripts=SQL_DIRECTORY, **variables)
    assert failed.status == 1
    assert said in failed.errors


async def test_a_database_without_accounts_is_waited_for_and_then_named(empty_database: Database) -> None:
    empty_database.cluster.run_sql("drop schema auth cascade;", database=empty_database.name)
    failed = await migrate(empty_database, MIGRATE_CONNECT_SECONDS="0")
    assert failed.status == 1
    assert "table auth.users (the auth service makes it)" in failed.errors
