"""The queue in schema queue: procrastinate's own library works on it, and nobody else reaches it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import procrastinate
import pytest
from procrastinate.jobs import Status

from local_stack.postgres.testing import Database
from tests.sql.schema import SQL_DIRECTORY, apply
from tests.sql.test_grants import ROLES

QUEUE_SCRIPT = SQL_DIRECTORY / "26-queue.sql"
WORKER_SECONDS_MAX = 60
TASK = "rag_pipeline.index_document"


@asynccontextmanager
async def worker_app(database: Database) -> AsyncGenerator[procrastinate.App, None]:
    connector = procrastinate.PsycopgConnector(
        conninfo=database.dsn(), kwargs={"options": "-c search_path=queue"}, min_size=1, max_size=2
    )
    app = procrastinate.App(connector=connector)
    async with app.open_async():
        yield app


async def add_document(connection: asyncpg.Connection, document_id: str, pipeline_id: str | None = None) -> None:
    await connection.execute(
        "insert into public.document_metadata (id, pipeline_id, source_key) values ($1, $2, $1)",
        *(document_id, pipeline_id),
    )


async def listening(connection: asyncpg.Connection) -> None:
    """Until a worker listens, which it begins to do beside its first look at the queue."""
    listeners = (
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and state = 'idle' and query ilike 'listen %#pipeline:main%'"
    )
    while not await connection.fetchval(listeners):  # noqa: ASYNC110 - the condition is another connection's
        await asyncio.sleep(0.01)


async def jobs(connection: asyncpg.Connection) -> list[tuple[object, ...]]:
    rows = await connection.fetch(
        "select queue_name, status::text, priority, args ->> 'document_id', scheduled_at"
        " from queue.procrastinate_jobs order by id"
    )
    return [tuple(row) for row in rows]


def test_the_script_holds_the_schema_of_the_installed_library_unchanged() -> None:
    bundled = (Path(procrastinate.__file__).parent / "sql" / "schema.sql").read_text()
    ours = re.findall(r"\$ddl\$\n(.*?)\$ddl\$", QUEUE_SCRIPT.read_text(), flags=re.DOTALL)
    assert ours == [bundled]


async def test_a_worker_indexes_what_was_enqueued_at_once(database: Database) -> None:
    seen: list[str] = []
    done = asyncio.Event()
    async with worker_app(database) as app, database.connect() as connection:

        @app.task(name=TASK)
        async def index_document(document_id: str) -> None:
            seen.append(document_id)
            done.set()

        del index_document
        worker = asyncio.create_task(
            # Longer than the test may take: what wakes it is the notification.
            app.run_worker_async(
                queues=["pipeline:main"],
                fetch_job_polling_interval=2.0 * WORKER_SECONDS_MAX,
                install_signal_handlers=False,
                listen_notify=True,
            )
        )
        await add_document(connection, "manual", "main")
        async with asyncio.timeout(WORKER_SECONDS_MAX):
            await listening(connection)
            await connection.execute("select public.enqueue_document('manual')")
            await done.wait()
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        status = await connection.fetchval("select status from public.document_metadata")
    assert seen == ["manual"]
    assert status == "pending"


async def test_a_job_is_there_exactly_when_the_transaction_is(database: Database) -> None:
    async with database.connect() as connection:
        await add_document(connection, "upload")
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with connection.transaction():
                await connection.execute("select public.enqueue_document('upload', 100)")
                await connection.execute("select 1 / 0")
        assert await jobs(connection) == []
        assert await connection.fetchval("select public.enqueue_document('upload', 100)") is True
        assert await jobs(connection) == [("uploads", "todo", 100, "upload", None)]
        assert await connection.fetchval("select public.enqueue_document('nothing')") is False


async def test_a_waiting_job_is_brought_forward_instead_of_doubled(database: Database) -> None:
    async with database.connect() as connection:
        await add_document(connection, "a", "main")
        await connection.execute("select public.enqueue_document('a', -100)")
        await connection.execute("update queue.procrastinate_jobs set scheduled_at = now() + interval '1 hour'")
        await connection.execute("select public.enqueue_document('a', 100)")
        await connection.execute("select public.enqueue_document('a', 0)")
        assert await jobs(connection) == [("pipeline:main", "todo", 100, "a", None)]


async def test_many_who_enqueue_one_document_at_once_make_one_job(database: Database) -> None:
    async def enqueue() -> None:
        async with database.connect() as connection:
            await connection.execute("select public.enqueue_document('a')")

    async with database.connect() as connection:
        await add_document(connection, "a", "main")
        await asyncio.gather(*(enqueue() for _ in range(8)))
        assert len(await jobs(connection)) == 1


async def test_a_change_during_a_job_waits_for_its_end(database: Database) -> None:
    async with database.connect() as connection, worker_app(database) as app:
        manager = app.job_manager
        await add_document(connection, "a", "main")
        await connection.execute("select public.enqueue_document('a')")
        worker_id = await manager.register_worker()
        first = await manager.fetch_job(queues=["pipeline:main"], worker_id=worker_id)
        assert first is not None
        await connection.execute("select public.enqueue_document('a')")
        assert await manager.fetch_job(queues=["pipeline:main"], worker_id=worker_id) is None
        await manager.finish_job(first, status=Status.SUCCEEDED, delete_job=True)
        second = await manager.fetch_job(queues=["pipeline:main"], worker_id=worker_id)
    assert second is not None
    assert second.task_kwargs == {"document_id": "a"}
    assert second.id != first.id


async def test_a_job_to_be_tried_again_gives_way_to_a_newer_one(database: Database) -> None:
    async with database.connect() as connection, worker_app(database) as app:
        manager = app.job_manager
        await add_document(connection, "a", "main")
        await connection.execute("select public.enqueue_document('a')")
        job = await manager.fetch_job(queues=None, worker_id=await manager.register_worker())
        assert job is not None
        async with connection.transaction():
            await connection.execute("select public.enqueue_document('a')")
            retry = asyncio.create_task(manager.retry_job(job))
            # It waits for this transaction: only after it there is a newer job to be seen.
            await wait_for_lock(database)
        await retry
        assert [row[1] for row in await jobs(connection)] == ["aborted", "todo"]


async def wait_for_lock(database: Database) -> None:
    """Return once a session of this database waits for a lock of another."""
    async with asyncio.timeout(WORKER_SECONDS_MAX), database.superuser() as connection:
        waiting = (
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            " and pg_sleep(0.02) is not null"
        )
        while not await connection.fetchval(waiting):
            pass


@pytest.mark.parametrize("pipeline_id", ["main", "x" * 31, "x" * 32, "Ordner für Verträge und Rechnungen", "a'b\"c"])
async def test_every_pipeline_has_a_queue_whose_channel_postgres_takes(database: Database, pipeline_id: str) -> None:
    async with database.connect() as connection:
        await add_document(connection, "a", pipeline_id)
        await connection.execute("select public.enqueue_document('a')")
        queue = await connection.fetchval("select public.document_queue($1)", pipeline_id)
        assert (await jobs(connection))[0][0] == queue
        assert len(f"procrastinate_queue_v1#{queue}".encode()) <= 63
        assert await connection.fetchval("select public.document_queue($1)", f"{pipeline_id}x") != queue


async def test_the_script_leaves_a_queue_with_jobs_and_the_search_path_as_they_are(database: Database) -> None:
    async with database.connect() as connection:
        await add_document(connection, "a", "main")
        await connection.execute("select public.enqueue_document('a')")
        apply(database, QUEUE_SCRIPT)
        assert len(await jobs(connection)) == 1
        assert await connection.fetchval("select version from queue.installed") == "3.10.0"
        await connection.execute("drop schema queue cascade")
        before = await connection.fetchval("show search_path")
        async with connection.transaction():
            await connection.execute(QUEUE_SCRIPT.read_text())
            assert await connection.fetchval("show search_path") == before
        await connection.execute("select public.enqueue_document('a')")


async def test_nobody_but_the_owner_reaches_the_queue(database: Database) -> None:
    async with database.superuser() as connection:
        reached = await connection.fetch(
            "select r.role, c.oid::regclass::text from unnest($1::text[]) as r (role), pg_class as c"
            " where c.relnamespace = 'queue'::regnamespace and c.relkind in ('r', 'p', 'S')"
            " and (has_schema_privilege(r.role, 'queue', 'usage') or case when c.relkind = 'S'"
            " then has_sequence_privilege(r.role, c.oid, 'usage, select, update')"
            " else has_table_privilege(r.role, c.oid, 'select, insert, update, delete, truncate') end)",
            list(ROLES),
        )
        called = await connection.fetch(
            "select r.role, p.oid::regprocedure::text from unnest($1::text[]) as r (role), pg_proc as p"
            " where p.pronamespace = 'queue'::regnamespace and has_function_privilege(r.role, p.oid, 'execute')",
            list(ROLES),
        )
        bare = await connection.fetch(
            "select relname from pg_class where relnamespace = 'queue'::regnamespace and relkind in ('r', 'p')"
            " and not relrowsecurity"
        )
        unpinned = await connection.fetch(
            "select proname from pg_proc where pronamespace = 'queue'::regnamespace"
            " and not coalesce('search_path=pg_catalog, queue, pg_temp' = any(proconfig), false)"
        )
    assert (reached, called, bare, unpinned) == ([], [], [], [])


async def test_the_services_key_enqueues_and_a_browsers_does_not(database: Database) -> None:
    async with database.connect() as connection:
        await add_document(connection, "a", "main")
    async with database.acting("service_role") as connection:
        assert await connection.fetchval("select public.enqueue_document('a')") is True
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select from queue.procrastinate_jobs")
    for role in ("anon", "authenticated"):
        async with database.acting(role) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval("select public.enqueue_document('a')")
