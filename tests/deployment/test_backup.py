"""scripts/backup.sh and scripts/restore.sh, run by Postgres' own programs: what was there is there again."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from local_stack.paths import REPOSITORY
from local_stack.postgres.binaries import WHEEL
from local_stack.postgres.testing import Database
from tests.deployment.compose import BASE, environment_of, merged
from tests.sql.schema import all_scripts, apply, differences, read_schema
from tests.sql.test_install import OLD_VERSIONS, make_old

RUN_SECONDS_MAX = 120


@dataclass(frozen=True)
class Ended:
    """How a script ended."""

    status: int
    output: str


async def run(
    script: str, database: Database, *arguments: str | Path, memory_max_kib: int | str = "unlimited", **variables: str
) -> Ended:
    environment = {
        "PATH": f"{database.cluster.installation.bin_directory}{os.pathsep}{os.environ['PATH']}",
        "DATABASE_URL": database.dsn(),
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'ulimit -v {memory_max_kib} && exec sh "$@"', "sh"),
        *(str(REPOSITORY / "scripts" / script), *map(str, arguments)),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(RUN_SECONDS_MAX):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, output.decode())


async def contents(database: Database) -> dict[str, tuple[int, str]]:
    """How many rows each table holds, and a hash over all of them; the record of applied scripts is left out."""
    found: dict[str, tuple[int, str]] = {}
    async with database.superuser() as connection:
        tables = await connection.fetch(
            "select oid::regclass::text as name from pg_class where relkind = 'r'"
            " and oid <> 'private.applied_scripts'::regclass and (relnamespace in"
            " ('public'::regnamespace, 'private'::regnamespace, 'queue'::regnamespace)"
            " or oid in ('auth.users'::regclass, 'auth.identities'::regclass))"
        )
        for table in tables:
            rows = "count(*) as number, md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as hash"
            row = await connection.fetchrow(f"select {rows} from {table['name']} as t")  # noqa: S608 - names out of the catalog
            assert row is not None
            found[table["name"]] = (row["number"], row["hash"])
    return found


async def fill(database: Database) -> None:
    """People, tokens, a conversation and documents with vectors."""
    user_id = await database.add_user(tokens=7, email="keeper@example.com", full_name="Ada ü \\ 'quoted'")
    await database.add_user()
    async with database.connect("supabase_auth_admin") as connection:
        # Sorts before auth.users, to which it refers.
        await connection.execute(
            "insert into auth.identities (id, provider, provider_id, user_id) values ($1, 'email', $2, $1)",
            *(user_id, str(user_id)),
        )
    async with database.connect() as connection:
        await connection.execute(
            """
            select public.ensure_embedding_space('a-model', 3);
            insert into public.document_metadata (id, title, status) values ('one', 'One', 'indexed');
            insert into public.documents (document_id, content, embedding, embedding_space_id)
                select 'one', 'a passage', '[1,0,0]', id from public.embedding_space where model = 'a-model';
            """
        )
        await connection.execute(
            "insert into public.conversations (session_id, user_id, title) values (gen_random_uuid()::text, $1, 'T')",
            user_id,
        )
        await connection.execute(
            "insert into public.messages (session_id, message) select session_id, jsonb_build_object('type', 'human',"
            " 'content', 'Hello') from public.conversations"
        )


def newer_programs() -> str:
    """Those of Postgres 18, which the wheel holds beside 16: containers may have newer ones than the server, too."""
    spec = find_spec(WHEEL)
    assert spec is not None
    assert spec.origin is not None
    return f"{Path(spec.origin).parent / 'pginstall18' / 'bin'}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("programs", ["as old as the server", "newer"])
async def test_a_restored_database_is_the_one_that_was_backed_up(
    programs: str, database: Database, empty_database: Database, tmp_path: Path
) -> None:
    variables = {"PATH": newer_programs()} if programs == "newer" else {}
    await fill(database)
    file = tmp_path / "backup.dump"
    saved = await run("backup.sh", database, file, **variables)
    assert saved.status == 0, saved.output
    assert file.stat().st_mode & 0o077 == 0, "nobody else reads it"
    before = await contents(database)
    restored = await run("restore.sh", empty_database, file, **variables)
    assert restored.status == 0, restored.output
    last = f"restore: 2 people, and the books agree: database {empty_database.name} at 127.0.0.1"
    assert restored.output.splitlines()[-1] == last
    after = await contents(empty_database)
    assert after == before
    assert {name for name, (count, _) in before.items() if count} >= {"auth.users", "documents", "token_grants"}
    assert differences(await read_schema(database), await read_schema(empty_database)) == {}
    assert (await run("../sql/migrate.sh", empty_database)).output == "migrate: the database is up to date\n"
    await _works(empty_database)


async def _works(database: Database) -> None:
    """Numbers go on where they were, and who signs up has a profile."""
    user_id = await database.add_user(tokens=1)
    async with database.connect() as connection:
        assert await connection.fetchval("select tokens from public.user_profiles where id = $1", user_id) == 1
        await connection.execute(
            'insert into public.messages (session_id, message) select session_id, \'{"type": "ai"}\''
            " from public.conversations"
        )
        assert await connection.fetch("select * from public.audit_ledger()") == []


@pytest.mark.parametrize("version", OLD_VERSIONS)
async def test_a_backup_of_an_older_release_comes_to_this_one(
    version: str,
    empty_database: Database,
    clone_database: Callable[[str], Database],
    empty_template: str,
    tmp_path: Path,
) -> None:
    make_old(empty_database, OLD_VERSIONS[version])
    assert (await run("backup.sh", empty_database, tmp_path / "old.dump")).status == 0
    target = clone_database(empty_template)
    restored = await run("restore.sh", target, tmp_path / "old.dump")
    assert restored.status == 0, restored.output
    apply(empty_database, *all_scripts())
    assert differences(await read_schema(empty_database), await read_schema(target)) == {}


@pytest.mark.parametrize(("source", "target"), [("public", "extensions"), ("extensions", "public")])
async def test_pgvector_may_live_elsewhere_than_where_the_backup_was_made(
    source: str,
    target: str,
    empty_database: Database,
    clone_database: Callable[[str], Database],
    empty_template: str,
    tmp_path: Path,
) -> None:
    """Types, operators and indexes follow it; what people wrote stays as they wrote it."""
    other = clone_database(empty_template)
    for database, schema in ((empty_database, source), (other, target)):
        database.cluster.run_sql(f"alter extension vector set schema {schema};", database=database.name)
    apply(empty_database, *all_scripts())
    await fill(empty_database)
    written = f"create index on t using hnsw (c {source}.vector_cosine_ops); select a operator({source}.<=>) b"
    async with empty_database.connect() as connection:
        await connection.execute("update public.documents set content = $1", written)
    before = await contents(empty_database)
    file = tmp_path / "backup.dump"
    assert (await run("backup.sh", empty_database, file)).status == 0
    restored = await run("restore.sh", other, file)
    assert restored.status == 0, restored.output
    assert await contents(other) == before
    assert differences(await read_schema(empty_database), await read_schema(other)) == {}
    async with other.connect() as connection:
        assert await connection.fetchval("select content from public.documents") == written
        near = await connection.fetch(
            "select content from public.search_documents(null, 'elsewhere', '[1,0,0]', (select id from"
            " public.embedding_space where model = 'a-model'))"
        )
        assert [row["content"] for row in near] == [written]


async def test_a_pooler_in_transaction_mode_is_passed_by(
    database: Database, empty_database: Database, tmp_path: Path
) -> None:
    """As the upgrade's container gets both addresses. Which one was meant stands at the end."""

    def settings(target: Database) -> dict[str, str]:
        pooler = {"DATABASE_URL": "postgresql://a:b@127.0.0.1:6543/none", "DATABASE_SESSION_URL": target.dsn()}
        return environment_of(merged(BASE)["services"]["migrate"], pooler)

    await fill(database)
    saved = await run("backup.sh", database, tmp_path / "one.dump", **settings(database))
    assert saved.status == 0, saved.output
    restored = await run("restore.sh", empty_database, tmp_path / "one.dump", **settings(empty_database))
    assert restored.status == 0, restored.output
    for ended, used in ((saved, database), (restored, empty_database)):
        assert ended.output.splitlines()[-1].endswith(f": database {used.name} at 127.0.0.1")
        assert used.cluster.credentials.passwords["postgres"] not in ended.output
    assert await contents(empty_database) == await contents(database)


async def test_large_uploads_fit_into_little_memory(
    database: Database, empty_database: Database, tmp_path: Path
) -> None:
    """A restore holds no row: a line of 40 MB passes by programs that may have 100 MB each, libraries included."""
    await fill(database)
    content = os.urandom(20 * 1024**2)
    async with database.connect() as connection:
        await connection.execute(
            "insert into public.uploads (document_id, storage, content, sha256, size_bytes)"
            " values ('one', 'postgres', $1, $2, $3)",
            *(content, hashlib.sha256(content).hexdigest(), len(content)),
        )
    file = tmp_path / "backup.dump"
    assert (await run("backup.sh", database, file)).status == 0
    restored = await run("restore.sh", empty_database, file, memory_max_kib=100 * 1024)
    assert restored.status == 0, restored.output
    async with empty_database.connect() as connection:
        assert await connection.fetchval("select content from public.uploads") == content


async def test_nothing_is_written_over(database: Database, empty_database: Database, tmp_path: Path) -> None:
    file = tmp_path / "backup.dump"
    assert (await run("backup.sh", database, file)).status == 0
    again = await run("backup.sh", database, file)
    assert (again.status, "is there already" in again.output) == (1, True)
    full = await run("restore.sh", database, file)
    assert (full.status, "holds the product already" in full.output) == (1, True)
    nothing = await run("backup.sh", empty_database, tmp_path / "none.dump")
    assert (nothing.status, "holds no tables" in nothing.output) == (1, True)
    assert not (tmp_path / "none.dump").exists()


async def test_a_damaged_file_leaves_an_empty_database_empty(
    database: Database, empty_database: Database, tmp_path: Path
) -> None:
    await fill(database)
    file = tmp_path / "backup.dump"
    await run("backup.sh", database, file)
    content = bytearray(file.read_bytes())
    content[-200:] = bytes(200)
    file.write_bytes(content)
    failed = await run("restore.sh", empty_database, file)
    assert failed.status != 0
    async with empty_database.connect() as connection:
        assert await connection.fetchval("select count(*) from auth.users") == 0
        assert await connection.fetchval("select to_regclass('public.user_profiles') is null")


async def test_people_who_are_there_still_are_not_brought_twice(
    database: Database, empty_database: Database, tmp_path: Path
) -> None:
    await fill(database)
    file = tmp_path / "backup.dump"
    await run("backup.sh", database, file)
    async with database.connect("supabase_auth_admin") as source:
        people = await source.fetch("select id, email from auth.users")
    async with empty_database.connect("supabase_auth_admin") as connection:
        await connection.executemany("insert into auth.users (id, email) values ($1, $2)", [tuple(p) for p in people])
    restored = await run("restore.sh", empty_database, file, "--without-accounts")
    assert restored.status == 0, restored.output
    before, after = await contents(database), await contents(empty_database)
    assert after["token_grants"] == before["token_grants"]
    assert after["auth.users"][0] == before["auth.users"][0]


AS_ANYBODY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


@pytest.mark.skipif(
    bool(AS_ANYBODY) and shutil.which("setpriv") is None, reason="root cannot give its rights away without setpriv"
)
def test_a_file_that_may_not_be_read_is_told_from_one_that_was_not_named(tmp_path: Path) -> None:
    def said(*arguments: Path) -> str:
        command = (*AS_ANYBODY, "sh", REPOSITORY / "scripts" / "restore.sh", *arguments)
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        return ended.stderr

    (tmp_path / "closed.dump").touch(0o000)
    assert said().startswith("restore: name the file to read")
    for name in ("closed.dump", "none.dump"):
        assert f"{name} is not there, or closed to user {os.geteuid()}: sudo chown" in said(tmp_path / name)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "DATABASE_URL must be postgresql://"),
        ("postgresql://a:s3cret@db.example.com:6543/postgres", "set DATABASE_SESSION_URL"),
        ("postgresql://a:s3cret@127.0.0.1:9/none", "Connection refused"),
    ],
)
async def test_an_address_that_cannot_serve_is_named(
    url: str, said: str, empty_database: Database, tmp_path: Path
) -> None:
    failed = await run("backup.sh", empty_database, tmp_path / "x.dump", DATABASE_URL=url)
    assert failed.status != 0
    assert said in failed.output
    assert "s3cret" not in failed.output
