"""Killed workers, a database that restarts, and many workers at once: exactly the right chunks afterwards."""

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from rag_support.embedding_server import EmbeddingServer, Fault
from rag_support.world import PATIENT, World

from local_stack.postgres.cluster import remove_cluster, start_cluster
from local_stack.postgres.pytest_plugin import SETTINGS, SQL_DIRECTORY
from local_stack.postgres.testing import Database
from local_stack.processes import free_ports

KILLS = 20
PARAGRAPHS = 30
SLOW_STORE = """
do $$
begin
    create function public.slowly() returns trigger language plpgsql as $body$
    begin
        perform pg_sleep(0.1);
        return new;
    end;
    $body$;
    create trigger slowly before insert on public.documents for each row execute function public.slowly();
end;
$$
"""


def text_of(version: str) -> str:
    return "".join(f"## Part {number}\n\nVersion {version} of part {number}.\n\n" for number in range(PARAGRAPHS))


async def test_a_worker_killed_at_random_points_leaves_exactly_the_old_or_the_new_chunks(world: World) -> None:
    key = "book.md"
    # Several files, so that a kill finds one of them at each step.
    names = [key, *(f"other-{number}.md" for number in range(4))]
    for name in names:
        world.write(name, text_of("0"))
    assert (await world.single())[0] == 0
    before = {name: await world.texts(name) for name in names}
    assert all(len(texts) > 1 for texts in before.values())
    moments = random.Random(20)  # noqa: S311 - the same moments again when it fails
    # Storing and embedding take about as long as everything else, so that all of it is hit.
    world.embeddings.latency_seconds = 0.1
    await world.fetch(SLOW_STORE)
    unfinished = 0
    for attempt in range(1, KILLS + 1):
        version = str(attempt)
        for name in names:
            world.write(name, text_of(version), written_at=1_700_000_000 + attempt)
        world.embeddings.forget()
        # Nothing is done before it was seen to have begun.
        world.embeddings.hold()
        worker = world.start_worker()

        async def begun() -> bool:
            # Without a worker: of the one before.
            query = "select count(*) from queue.procrastinate_jobs where status = 'doing' and worker_id is not null"
            return await world.value(query) > 0

        async def embedding() -> bool:
            return world.embeddings.calls > 0

        # A starting process takes long to extract: every other kill comes after that.
        await world.until(begun if attempt % 2 else embedding, "the worker has begun")
        # Every third kill hits a worker that waits for its vectors; of the others the moment is the random part.
        if attempt % 3:
            world.embeddings.released.set()
            await asyncio.sleep(moments.uniform(0, 0.6))
        world.kill(worker)
        world.embeddings.released.set()
        unfinished += await world.value("select count(*) from queue.procrastinate_jobs where status = 'doing'") > 0
        for name in names:
            now = await world.texts(name)
            # What the worker before had said may be stored a moment after it was killed.
            whole = any(_is_version(now, each) for each in (version, str(attempt - 1)))
            assert now == before[name] or whole, f"after kill {attempt}: {now}"
            before[name] = now
        await world.fetch("delete from queue.procrastinate_workers")
    assert unfinished >= KILLS / 4, "most kills missed the work"
    world.start_worker()

    async def all_new() -> bool:
        return all([_is_version(await world.texts(name), str(KILLS)) for name in names])

    await world.until(all_new, "what was killed is finished by another worker")
    await world.until_idle()
    assert await world.value("select count(*) from public.documents") == sum(
        [row["chunk_count"] for row in (await world.documents()).values()]
    )


def _is_version(texts: Sequence[str], version: str) -> bool:
    whole = "\n".join(texts)
    return all(f"Version {version} of part {number}." in whole for number in range(PARAGRAPHS)) and (
        whole.count("Version ") == whole.count(f"Version {version} of")
    )


async def test_a_killed_workers_document_goes_to_another_one(world: World) -> None:
    world.write("fruit.md", "Oranges ripen in winter.")
    world.embeddings.hold()
    first = world.start_worker()
    await world.until_status("fruit.md", "indexing")
    world.kill(first)
    world.embeddings.released.set()
    assert await world.value("select status::text from queue.procrastinate_jobs") == "doing"
    world.start_worker()
    await world.until_status("fruit.md", "indexed")
    await world.until_idle()


async def test_twenty_kills_over_one_unchanged_document_do_not_lose_it(world: World) -> None:
    world.write("fruit.md", "Oranges ripen in winter.")
    world.embeddings.hold()
    for crashes in range(KILLS):
        worker = world.start_worker()
        await world.until(partial(_is_worked_on, world, crashes), f"it is worked on after {crashes} kills")
        world.kill(worker)
        await world.fetch("delete from queue.procrastinate_workers")
    world.embeddings.released.set()
    world.start_worker()
    await world.until_status("fruit.md", "indexed")
    assert await world.texts("fruit.md") == ["Oranges ripen in winter."]


async def _is_worked_on(world: World, crashes: int) -> bool:
    doing = await world.value(
        """
        select count(*) from queue.procrastinate_jobs
        where status = 'doing' and coalesce((args ->> 'crashes')::integer, 0) = $1
        """,
        crashes,
    )
    return doing == 1 and (await world.document("fruit.md"))["status"] == "indexing"


async def test_a_document_over_which_many_workers_died_is_tried_less_often_and_never_given_up(world: World) -> None:
    world.write("fruit.md", "Oranges ripen in winter.")
    world.embeddings.every_answer = Fault("500")
    await world.single()
    world.embeddings.every_answer = None
    suspect = "update queue.procrastinate_jobs set scheduled_at = null, args = args || '{\"crashes\": %s}'"
    # Once suspected, it needs no more than one further crash.
    for crashes in (50, 1):
        await world.fetch(suspect % crashes)
        assert (await world.single(RAG_ATTEMPTS_MAX="1", RAG_RETRY_WAIT_MAX_SECONDS="600"))[0] == 1
        document = await world.document("fruit.md")
        assert (document["error_code"], document["quarantined_at"]) == ("interrupted", None)
        wait = "select extract(epoch from scheduled_at - now())::integer from queue.procrastinate_jobs"
        assert 500 < await world.value(wait) <= 600
    await world.fetch("update queue.procrastinate_jobs set scheduled_at = null")
    assert (await world.single())[0] == 0
    assert await world.texts("fruit.md") == ["Oranges ripen in winter."]


async def test_a_stop_is_no_crash(world: World) -> None:
    world.write("fruit.md", "Oranges ripen in winter.")
    world.embeddings.hold()
    worker = world.start_worker(**PATIENT, RAG_WORKER_STOP_SECONDS="0")
    await world.until_status("fruit.md", "indexing")
    worker.terminate()
    await asyncio.to_thread(worker.wait, 150)
    (job,) = await world.fetch(
        "select status::text, attempts, args ->> 'crashes' as crashes from queue.procrastinate_jobs"
    )
    assert tuple(job) == ("todo", 1, None)


async def test_three_workers_index_each_of_two_hundred_files_exactly_once(world: World) -> None:
    for number in range(200):
        world.write(f"{number % 10}/{number}.md", f"This is file number {number}.")
    for _ in range(3):
        world.start_worker(**PATIENT)

    async def all_there() -> bool:
        return await world.value("select count(*) from public.document_metadata where status = 'indexed'") == 200

    await world.until(all_there, "200 files are indexed")
    await world.until_idle()
    rows = await world.fetch("select content, count(*) as chunks from public.documents group by content")
    assert len(rows) == 200
    assert {row["chunks"] for row in rows} == {1}
    assert len(world.embeddings.documents()) == 200
    assert await world.value("select max(indexing_run) from public.document_metadata") == 1


async def test_a_database_that_restarts_in_mid_document_loses_nothing(
    embeddings: EmbeddingServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("restarting")
    (port,) = free_ports(1)
    cluster = start_cluster(directory, port, SETTINGS)
    cluster.apply_sql_scripts(SQL_DIRECTORY)
    world = World(Database(cluster, "postgres"), embeddings, tmp_path / "watched", tmp_path / "logs")
    world.folder.mkdir()
    world.logs.mkdir()
    try:
        for number in range(3):
            world.write(f"{number}.md", f"This is file number {number}.")
        embeddings.hold()
        worker = world.start_worker(DATABASE_ACQUIRE_TIMEOUT_SECONDS="1")
        await world.until_status("0.md", "indexing")
        cluster.stop()
        embeddings.released.set()

        async def missed() -> bool:
            return "PoolTimeout" in world.log_text()

        await world.until_without_database(missed, "the worker has missed its database")
        cluster = start_cluster(directory, port, SETTINGS)
        for number in range(3):
            await world.until_status(f"{number}.md", "indexed")
        await world.until_idle()
        assert worker.poll() is None
        assert await world.value("select count(*) from public.documents") == 3
    finally:
        embeddings.released.set()
        world.end_workers()
        cluster.stop()
        remove_cluster(directory)


async def test_connections_that_break_in_mid_document_are_made_anew(world: World) -> None:
    for number in range(3):
        world.write(f"{number}.md", f"This is file number {number}.")
    world.embeddings.hold()
    worker = world.start_worker()
    await world.until_status("0.md", "indexing")
    async with world.database.superuser() as connection:
        await connection.execute(
            """
            select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()
            """
        )
    world.embeddings.released.set()
    for number in range(3):
        await world.until_status(f"{number}.md", "indexed")
    await world.until_idle()
    assert worker.poll() is None
    assert await world.value("select count(*) from public.documents") == 3


async def test_one_replica_looks_at_the_source_and_another_takes_over(world: World) -> None:
    first = world.start_worker()
    world.write("a.md", "First.")
    await world.until_status("a.md", "indexed")
    second = world.start_worker(RAG_HEARTBEAT_FILE=str(world.logs / "second"))

    async def started() -> bool:
        return (world.logs / "second").exists()

    await world.until(started, "the second worker runs")
    assert await world.value("select count(*) from public.job_leases where name like 'rag-sync:%'") == 1
    world.kill(first)
    world.write("b.md", "Second.")
    await world.until_status("b.md", "indexed")
    assert second.poll() is None
