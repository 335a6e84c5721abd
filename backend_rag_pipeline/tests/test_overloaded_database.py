"""What is too much for the database, in time or room, is counted and shown: each attempt is paid for."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg
import pytest
from rag_support.world import World

from rag_pipeline.database import open_database
from rag_pipeline.embeddings import open_embedder
from rag_pipeline.settings import load_settings
from rag_pipeline.spaces import EmbeddingSpaces
from rag_pipeline.targets import Embeds

TEXT, EMBEDDED = "Oranges ripen in winter.", "Fruit\n\nOranges ripen in winter."
OUT_OF_TIME, DISK_FULL, TOO_MANY_CLIENTS = "57014", "53100", "53300"
REFUSE = """
do $$
begin
    create function public.refuse() returns trigger language plpgsql as $body$
    begin
        raise exception 'no' using errcode = '{state}';
    end;
    $body$;
    create trigger refuse before insert on public.{table} for each row execute function public.refuse();
end;
$$
"""
REFUSE_NOTES = """
do $$
begin
    create function public.refuse_notes() returns trigger language plpgsql as $body$
    begin
        raise exception 'no' using errcode = '53100';
    end;
    $body$;
    create trigger refuse_notes before update on public.document_metadata for each row
        when (new.status = 'failed') execute function public.refuse_notes();
end;
$$
"""
WAIT_OF_JOB = "select extract(epoch from scheduled_at - now())::integer from queue.procrastinate_jobs"
TOLD = "select embedding_error from public.rag_pipeline_state"
REST = "select extract(epoch from expires_at - now())::integer from public.job_leases where name = 'rag-embed-left'"


async def rest_for(world: World, *, seconds: int) -> None:
    await world.fetch(
        """
        update public.job_leases set expires_at = clock_timestamp() + make_interval(secs => $1)
        where name = 'rag-embed-left'
        """,
        seconds,
    )


@asynccontextmanager
async def replica_of(world: World) -> AsyncGenerator[EmbeddingSpaces]:
    """What a worker of the new model keeps in its memory."""
    settings = load_settings(
        _env_file=None,
        database_url=world.database.dsn(),
        embedding_base_url=world.embeddings.url,
        embedding_model_choice="better-model",
    )
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings))

        async def make_embedder(model: str) -> Embeds:
            return await stack.enter_async_context(open_embedder(settings, model=model))

        yield EmbeddingSpaces(
            database, make_embedder, model="better-model", accepts_new_dimensions=False, attempts_max=2
        )


@pytest.mark.parametrize(
    ("state", "code"), [(OUT_OF_TIME, "database_timed_out"), (DISK_FULL, "database_full")], ids=["time", "room"]
)
async def test_a_document_the_database_does_not_take_waits_long_and_is_left_alone(
    world: World, state: str, code: str
) -> None:
    await world.fetch(REFUSE.format(state=state, table="documents"))
    world.write("fruit.md", TEXT)
    limits = {"RAG_ATTEMPTS_MAX": "2", "RAG_RETRY_WAIT_MAX_SECONDS": "600"}
    status, report, log = await world.single(**limits)
    assert (status, report["files_failed"]) == (1, 1), log
    document = await world.document("fruit.md")
    assert (document["status"], document["error_code"], document["attempts"]) == ("failed", code, 1)
    assert "An operator" in document["error_message"]
    assert 400 < await world.value(WAIT_OF_JOB) <= 720
    assert f'"sqlstate": "{state}"' in log
    await world.fetch("update queue.procrastinate_jobs set scheduled_at = null")
    for _ in range(2):
        await world.single(**limits)
        document = await world.document("fruit.md")
        assert (document["error_code"], document["attempts"]) == (code, 2)
        assert document["quarantined_at"] is not None
        assert world.embeddings.documents() == [EMBEDDED] * 2
    await world.fetch("drop trigger refuse on public.documents")
    # What an operator does who gave it more time; for room there is a line of SQL.
    if code == "database_full":
        await world.fetch("update public.document_metadata set tried_with = null where error_code = 'database_full'")
    else:
        limits["DATABASE_STATEMENT_TIMEOUT_SECONDS"] = "90"
    assert (await world.single(**limits))[0] == 0
    assert await world.texts("fruit.md") == [TEXT]


async def test_a_database_too_full_to_note_the_failure_has_the_document_wait_as_long(world: World) -> None:
    await world.fetch(REFUSE.format(state=DISK_FULL, table="documents"))
    await world.fetch(REFUSE_NOTES)
    world.write("fruit.md", TEXT)
    for _ in range(2):
        await world.single(RAG_RETRY_WAIT_MAX_SECONDS="600")
        assert 400 < await world.value(WAIT_OF_JOB) <= 600
        assert world.embeddings.documents() == [EMBEDDED]


async def test_a_database_with_too_many_clients_is_no_fault_of_the_document(world: World) -> None:
    await world.fetch(REFUSE.format(state=TOO_MANY_CLIENTS, table="documents"))
    world.write("fruit.md", TEXT)
    world.start_worker(RAG_ATTEMPTS_MAX="1")

    async def given_back() -> bool:
        return bool(await world.value("select attempts from queue.procrastinate_jobs where status = 'todo'"))

    await world.until(given_back, "the job is given back")
    assert (await world.document("fruit.md"))["attempts"] == 0
    await world.fetch("drop trigger refuse on public.documents")
    await world.until_status("fruit.md", "indexed")


@pytest.mark.parametrize("mode", ["single", "continuous"])
async def test_a_listing_the_database_does_not_take_is_shown_on_its_pipeline(world: World, mode: str) -> None:
    await world.fetch(REFUSE.format(state=OUT_OF_TIME, table="document_metadata"))
    world.write("fruit.md", TEXT)
    if mode == "single":
        status, _, log = await world.single()
        assert status == 1
        assert "database_unavailable" not in log
    else:
        world.start_worker()

    async def shown() -> bool:
        return await world.value("select error_code from public.rag_pipeline_state") == "source_error"

    await world.until(shown, "the pipeline says that something is wrong")


@pytest.mark.parametrize("state", [OUT_OF_TIME, DISK_FULL], ids=["time", "room"])
async def test_stored_texts_the_database_does_not_take_are_not_embedded_again_at_once(world: World, state: str) -> None:
    world.write("fruit.md", TEXT)
    assert (await world.single())[0] == 0
    world.write("fruit.md", b"%PDF-1.7 and no more", written_at=1_700_000_000)
    assert (await world.single())[0] == 1
    await world.fetch(REFUSE.format(state=state, table="documents"))
    world.embeddings.forget()
    for number in range(3):
        status, report, log = await world.single(EMBEDDING_MODEL_CHOICE="better-model")
        # The first one also tries the document once more; the later ones have no other fault.
        assert (status, report["errors"] - report["files_failed"], report["files_failed"]) == (1, 1, number == 0), log
        assert "the database did not take all stored texts" in await world.value(TOLD)
        assert world.embeddings.documents() == [EMBEDDED]
        assert await world.value("select model from public.embedding_space where is_active") == "test-model"
        if number == 0:
            assert 3_000 < await world.value(REST) <= 3_600
    await world.fetch("drop trigger refuse on public.documents")
    await rest_for(world, seconds=0)
    assert (await world.single(EMBEDDING_MODEL_CHOICE="better-model"))[0] == 0
    assert await world.value("select model from public.embedding_space where is_active") == "better-model"
    assert await world.value(TOLD) is None


async def test_a_pipeline_says_that_its_model_waits_for_the_database_whichever_replica_looks(world: World) -> None:
    world.write("fruit.md", TEXT)
    assert (await world.single())[0] == 0
    world.write("fruit.md", b"%PDF-1.7 and no more", written_at=1_700_000_000)
    assert (await world.single())[0] == 1
    await world.fetch(REFUSE.format(state=DISK_FULL, table="documents"))
    async with replica_of(world) as first, replica_of(world) as second:
        world.embeddings.forget()
        with pytest.raises(psycopg.errors.DiskFull):
            await first.keep_up("local", "1", "")
        assert "the database did not take all stored texts" in await world.value(TOLD)
        for replica in (second, first, second):
            assert not await replica.keep_up("local", "1", "")
            assert "the database did not take all stored texts" in await world.value(TOLD)
            # The second time a look near its end.
            await rest_for(world, seconds=25)
        assert world.embeddings.documents() == [EMBEDDED]
        # As another replica does it.
        await world.fetch("select public.activate_embedding_space((select max(id) from public.embedding_space))")
        assert not await second.keep_up("local", "1", "")
        assert await world.value(TOLD) is None
