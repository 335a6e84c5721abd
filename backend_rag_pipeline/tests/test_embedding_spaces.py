"""Another embedding model takes over without a moment in which nothing is found."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from rag_support.world import World
from structlog.testing import capture_logs

from rag_pipeline.database import open_database
from rag_pipeline.embeddings import EmbeddingUnavailable, open_embedder
from rag_pipeline.settings import load_settings
from rag_pipeline.spaces import EmbeddingSpaces
from rag_pipeline.targets import Embeds

FOUND = """
select content from public.search_documents(
    gen_random_uuid(), $1, ('[' || repeat('0.1,', 15) || '1]')::vector, null, p_mode => $2
)
"""


async def spaces(world: World) -> dict[str, bool]:
    rows = await world.fetch("select model, is_active from public.embedding_space")
    return {row["model"]: row["is_active"] for row in rows}


async def chunks_of(world: World, model: str) -> int:
    return await world.value(
        """
        select count(*) from public.documents as d
        join public.embedding_space as s on s.id = d.embedding_space_id where s.model = $1
        """,
        model,
    )


async def version_of(world: World) -> str:
    return await world.value("select index_version from public.document_metadata limit 1")


@asynccontextmanager
async def replica_of(world: World) -> AsyncGenerator[EmbeddingSpaces]:
    """What a worker of the new model keeps in its memory."""
    settings = load_settings(
        _env_file=None,
        database_url=world.database.dsn(),
        embedding_base_url=world.embeddings.url,
        embedding_model_choice="better-model",
        embedding_retries_max=0,
    )
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings))

        async def make_embedder(model: str) -> Embeds:
            return await stack.enter_async_context(open_embedder(settings, model=model))

        yield EmbeddingSpaces(
            database, make_embedder, model="better-model", accepts_new_dimensions=False, attempts_max=2
        )


async def give_up(world: World, *names: str) -> None:
    """Index them, and then have them given up: their texts stay."""
    for name in names:
        world.write(name, f"Oranges of {name}.")
    assert (await world.single())[0] == 0
    for name in names:
        world.write(name, b"%PDF-1.7 and no more", written_at=1_700_000_000)
    assert (await world.single())[0] == 1


async def test_a_new_model_serves_once_it_holds_every_document_and_the_old_chunks_go(world: World) -> None:
    for number in range(3):
        world.write(f"{number}.md", f"File {number}.")
    await world.single()
    assert await chunks_of(world, "test-model") == 3
    status, report, log = await world.single(EMBEDDING_MODEL_CHOICE="better-model")
    assert (status, report["files_processed"]) == (0, 3), log
    assert await spaces(world) == {"test-model": False, "better-model": True}
    assert (await chunks_of(world, "test-model"), await chunks_of(world, "better-model")) == (0, 3)


async def test_while_a_new_model_is_introduced_the_old_one_serves_what_changes(world: World) -> None:
    for number in range(3):
        world.write(f"{number}.md", f"File {number}.")
    await world.single()
    # One document cannot be embedded by anything: it holds the switch up.
    world.embeddings.failing_text = "File 2"
    world.write("0.md", "Changed meanwhile.", written_at=1_700_000_000)
    status, _, _ = await world.single(EMBEDDING_MODEL_CHOICE="better-model", EMBEDDING_BATCH_SIZE="1")
    assert status == 1
    assert await spaces(world) == {"test-model": True, "better-model": False}
    rows = await world.fetch(
        """
        select s.model, d.content from public.documents as d
        join public.embedding_space as s on s.id = d.embedding_space_id
        """
    )
    stored = {(row["model"], row["content"]) for row in rows}
    assert {content for model, content in stored if model == "test-model"} == {
        "Changed meanwhile.",
        "File 1.",
        "File 2.",
    }
    assert {content for model, content in stored if model == "better-model"} == {"Changed meanwhile.", "File 1."}
    world.embeddings.failing_text = None
    await world.fetch("update queue.procrastinate_jobs set scheduled_at = null")
    assert (await world.single(EMBEDDING_MODEL_CHOICE="better-model"))[0] == 0
    assert (await spaces(world))["better-model"]
    assert await chunks_of(world, "test-model") == 0


async def test_a_document_that_was_given_up_keeps_its_text_under_the_new_model(world: World) -> None:
    world.write("fruit.md", "Oranges ripen in winter.")
    world.write("other.md", "Something else.")
    assert (await world.single())[0] == 0
    world.write("fruit.md", b"%PDF-1.7 and no more", written_at=1_700_000_000)
    assert (await world.single())[0] == 1
    status, _, log = await world.single(EMBEDDING_MODEL_CHOICE="better-model")
    assert status == 1, log  # It was tried once more, in vain.
    assert await spaces(world) == {"test-model": False, "better-model": True}
    document = await world.document("fruit.md")
    assert (document["status"], document["error_code"], document["chunk_count"]) == ("failed", "unreadable", 1)
    assert document["quarantined_at"] is not None
    assert [row["content"] for row in await world.fetch(FOUND, "oranges", "text")] == ["Oranges ripen in winter."]
    assert (await chunks_of(world, "test-model"), await chunks_of(world, "better-model")) == (0, 2)


async def test_a_text_that_the_new_model_does_not_take_stays_behind_alone(world: World) -> None:
    await give_up(world, "a.md", "b.md")
    world.embeddings.refused_word = "a.md"
    _, _, log = await world.single(EMBEDDING_MODEL_CHOICE="better-model")
    assert "document_left_in_former_space" in log
    assert await spaces(world) == {"test-model": False, "better-model": True}
    assert [row["content"] for row in await world.fetch(FOUND, "oranges", "text")] == ["Oranges of b.md."]
    assert await chunks_of(world, "test-model") == 1


async def test_a_fault_that_passes_takes_no_stored_text_out_of_search(world: World) -> None:
    await give_up(world, "a.md", "b.md")
    version = await version_of(world)
    world.embeddings.failing_text = "a.md"
    async with replica_of(world) as replica:
        with pytest.raises(EmbeddingUnavailable):
            await replica.keep_up("local", version, "")
        assert await spaces(world) == {"test-model": True, "better-model": False}
        assert await chunks_of(world, "better-model") == 1
        world.embeddings.failing_text = None
        assert not await replica.keep_up("local", version, "")
    assert await spaces(world) == {"test-model": False, "better-model": True}
    assert (await chunks_of(world, "test-model"), await chunks_of(world, "better-model")) == (0, 2)


async def test_stored_texts_are_embedded_by_one_replica(world: World) -> None:
    await give_up(world, "a.md", "b.md")
    version = await version_of(world)
    async with replica_of(world) as first, replica_of(world) as second:
        for replica in (first, second):
            await replica.targets()
        world.embeddings.forget()
        world.embeddings.first_call.clear()
        world.embeddings.hold()
        embedding = asyncio.create_task(first.keep_up("local", version, ""))
        try:
            assert await asyncio.to_thread(world.embeddings.first_call.wait, 60)
            async with asyncio.timeout(60):
                assert not await second.keep_up("local", version, "")
            assert await spaces(world) == {"test-model": True, "better-model": False}
        finally:
            world.embeddings.released.set()
            await embedding
    assert len(world.embeddings.documents()) == 2
    assert await spaces(world) == {"test-model": False, "better-model": True}


async def test_the_log_counts_what_a_new_model_still_lacks(world: World) -> None:
    world.write("fruit.md", "Oranges ripen in winter.")
    assert (await world.single())[0] == 0
    version = await version_of(world)
    async with replica_of(world) as replica:
        assert await replica.keep_up("local", version, "")
        with capture_logs() as logged:
            for _ in range(2):  # Told once.
                assert not await replica.keep_up("local", version, "")
    lacks = [entry["documents"] for entry in logged if entry["event"] == "new_embedding_model_lacks_documents"]
    assert lacks == [1]


async def test_a_stored_text_that_always_fails_holds_a_new_model_up_for_so_many_attempts(world: World) -> None:
    await give_up(world, "a.md", "b.md")
    version = await version_of(world)
    world.embeddings.failing_text = "a.md"
    async with replica_of(world) as replica:
        with pytest.raises(EmbeddingUnavailable):
            await replica.keep_up("local", version, "")
        assert not await replica.keep_up("local", version, "")
    assert await spaces(world) == {"test-model": False, "better-model": True}
    assert (await chunks_of(world, "test-model"), await chunks_of(world, "better-model")) == (1, 1)


async def test_a_pipeline_that_has_ended_does_not_hold_a_new_model_up_for_ever(world: World, tmp_path: Path) -> None:
    world.write("old.md", "Oranges of the former pipeline.")
    assert (await world.single(RAG_PIPELINE_ID="former"))[0] == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "new.md").write_text("Pears of the new one.")
    os.utime(other / "new.md", (1_700_000_000, 1_700_000_000))
    new = {"RAG_PIPELINE_ID": "new", "RAG_WATCH_DIRECTORY": str(other), "EMBEDDING_MODEL_CHOICE": "better-model"}
    told = "select embedding_error from public.rag_pipeline_state where pipeline_id = 'new'"
    for _ in range(2):
        status, _, log = await world.single(**new)
        assert (status, "new_embedding_model_waits" in log) == (0, True), log
        assert "1 of former" in await world.value(told)
        assert await spaces(world) == {"test-model": True, "better-model": False}
    await world.fetch(
        "update public.rag_pipeline_state set last_check_time = now() - interval '8 days' where pipeline_id = 'former'"
    )
    world.embeddings.forget()
    status, _, log = await world.single(**new)
    assert (status, "new_embedding_model_waits" in log) == (0, False), log
    assert await spaces(world) == {"test-model": False, "better-model": True}
    assert len(world.embeddings.documents()) == 1
    assert [row["content"] for row in await world.fetch(FOUND, "oranges", "text")] == [
        "Oranges of the former pipeline."
    ]
    assert await world.value(told) is None
    assert (await world.documents())["old.md"]["pipeline_id"] == "former"


async def test_what_was_withdrawn_is_found_no_more_while_the_former_model_is_away_and_the_new_one_takes_over(
    world: World,
) -> None:
    world.write("secret.md", "A secret that is taken back.")
    world.write("other.md", "Something else.")
    await world.single()
    # Vectors of the former model are not to be had any more.
    world.embeddings.dimensions = 8
    world.write("secret.md", "", written_at=1_700_000_000)
    status, report, log = await world.single(EMBEDDING_MODEL_CHOICE="better-model")
    assert (status, report["files_processed"]) == (0, 2), log
    assert (await world.document("secret.md"))["status"] == "not_indexed"
    rows = await world.fetch("select content from public.documents")
    assert [row["content"] for row in rows] == ["Something else."]
    assert await spaces(world) == {"test-model": False, "better-model": True}


async def test_a_service_with_another_dimension_under_the_same_name_is_refused_until_it_is_said_to_be_meant(
    world: World,
) -> None:
    for number in range(3):
        world.write(f"{number}.md", f"File {number}.")
    await world.single()
    world.embeddings.dimensions = 8
    world.write("new.md", "Newcomer.")
    world.embeddings.forget()
    for _ in range(2):
        assert (await world.single(RAG_ATTEMPTS_MAX="1"))[0] == 1
        await world.fetch("update queue.procrastinate_jobs set scheduled_at = null")
    document = await world.document("new.md")
    assert (document["error_code"], document["quarantined_at"]) == ("embedding_refused", None)
    assert world.embeddings.documents() == []
    (error,) = [row["embedding_error"] for row in await world.fetch("select * from public.rag_pipeline_state")]
    assert "8 numbers" in error and "16" in error and "EMBEDDING_ACCEPT_NEW_DIMENSIONS" in error
    assert await world.value("select dimensions from public.embedding_space") == 16
    assert await chunks_of(world, "test-model") == 3
    # The right service again: only the new file is embedded, and nothing is told any more.
    world.embeddings.dimensions = 16
    status, report, _ = await world.single()
    assert (status, report["files_processed"], len(world.embeddings.documents())) == (0, 1, 1)
    assert await world.value("select embedding_error from public.rag_pipeline_state") is None
    world.embeddings.dimensions = 8
    status, report, _ = await world.single(EMBEDDING_ACCEPT_NEW_DIMENSIONS="true")
    assert (status, report["files_processed"]) == (0, 4)
    assert await world.value("select dimensions from public.embedding_space where is_active") == 8
    assert await chunks_of(world, "test-model") == 4


async def test_a_running_worker_goes_on_when_the_right_service_answers_again(world: World) -> None:
    world.write("fruit.md", "Oranges ripen in winter.")
    await world.single()
    world.embeddings.dimensions = 8
    world.write("pears.md", "Pears ripen in summer.")
    worker = world.start_worker()
    assert (await world.until_status("pears.md", "failed"))["error_code"] == "embedding_refused"
    world.embeddings.dimensions = 16
    await world.until_status("pears.md", "indexed")
    assert worker.poll() is None


async def test_what_a_former_space_still_holds_goes_whoever_switched_over(world: World) -> None:
    """Its worker was killed before the old chunks went."""
    world.write("fruit.md", "Oranges ripen in winter.")
    await world.single()
    await world.single(EMBEDDING_MODEL_CHOICE="better-model")
    await world.fetch(
        """
        insert into public.documents (document_id, embedding_space_id, chunk_index, content, embedding)
        select d.document_id, s.id, d.chunk_index, d.content, d.embedding
        from public.documents as d cross join public.embedding_space as s where s.model = 'test-model'
        """
    )
    assert await chunks_of(world, "test-model") == 1
    assert (await world.single(EMBEDDING_MODEL_CHOICE="better-model"))[0] == 0
    assert (await chunks_of(world, "test-model"), await chunks_of(world, "better-model")) == (0, 1)


async def test_a_replica_leaves_the_former_space_alone_once_another_one_switched_over(world: World) -> None:
    world.write("fruit.md", "Oranges ripen in winter.")
    await world.single()
    async with replica_of(world) as replica:
        assert [target.is_required for target in await replica.targets()] == [True, False]
        assert (await world.single(EMBEDDING_MODEL_CHOICE="better-model"))[0] == 0
        assert not await replica.keep_up("local", await version_of(world), "")
        assert [target.is_required for target in await replica.targets()] == [True]


async def test_a_running_worker_says_no_more_that_it_waits_once_another_one_switched_over(world: World) -> None:
    world.write("old.md", "Oranges of the former pipeline.")
    assert (await world.single(RAG_PIPELINE_ID="former"))[0] == 0
    await world.fetch(
        "insert into public.rag_pipeline_state (pipeline_id, pipeline_type) values ('new', 'local_files')"
    )
    told = "select embedding_error from public.rag_pipeline_state where pipeline_id = 'new'"
    version = await version_of(world)
    async with replica_of(world) as replica:
        assert not await replica.keep_up("new", version, "")
        assert "1 of former" in await world.value(told)
        await world.fetch(
            "select public.activate_embedding_space(id) from public.embedding_space where model = 'better-model'"
        )
        assert not await replica.keep_up("new", version, "")
        assert await world.value(told) is None


async def test_other_chunk_sizes_index_everything_again(world: World) -> None:
    world.write("long.md", "".join(f"Sentence number {number} stands here.\n\n" for number in range(60)))
    await world.single()
    before = await world.texts("long.md")
    assert (await world.single(CHUNK_MODEL_TOKENS_MAX="100", CHUNK_OVERLAP_MODEL_TOKENS="0"))[0] == 0
    assert len(await world.texts("long.md")) > len(before)


async def test_chunks_of_an_earlier_version_get_vectors_of_the_model_in_use(world: World) -> None:
    await world.fetch("insert into public.document_metadata (id, title) values ('/old/place/a.pdf', 'a.pdf')")
    await world.fetch(
        """
        insert into public.documents (document_id, content, metadata, chunk_index, embedding)
        select '/old/place/a.pdf', 'Old passage ' || n, '{"file_id": "/old/place/a.pdf"}', n,
            ('[' || repeat('0.1,', 15) || n || ']')::vector
        from generate_series(1, 2) as n
        """
    )
    old = ["Old passage 1", "Old passage 2"]
    status, _, log = await world.single()
    assert status == 0, log
    rows = await world.fetch(
        "select content, embedding_space_id is not null as has_space from public.documents order by chunk_index"
    )
    assert [(row["content"], row["has_space"]) for row in rows] == [(text, True) for text in old]
    assert world.embeddings.documents() == old
    # Each is found once.
    for mode in ("text", "hybrid"):
        hits = await world.fetch(FOUND, "old passage", mode)
        assert sorted(row["content"] for row in hits) == old
    world.embeddings.forget()
    await world.single()
    assert world.embeddings.documents() == []


async def test_chunks_of_an_earlier_version_serve_until_a_new_model_holds_everything(world: World) -> None:
    world.write("fruit.md", "Oranges ripen in winter.")
    assert (await world.single())[0] == 0
    await world.fetch("insert into public.document_metadata (id, title) values ('old.pdf', 'old.pdf')")
    await world.fetch(
        "insert into public.documents (document_id, content, chunk_index) values ('old.pdf', 'Old passage', 0)"
    )
    world.embeddings.failing_text = "Oranges"
    await world.single(EMBEDDING_MODEL_CHOICE="better-model")
    assert await spaces(world) == {"test-model": True, "better-model": False}
    assert await chunks_of(world, "better-model") == 1
    assert [row["content"] for row in await world.fetch(FOUND, "old passage", "text")] == ["Old passage"]


async def test_workers_of_two_models_never_take_over_from_each_other(world: World) -> None:
    world.write("0.md", "File 0.")
    # A busy machine may let the first one wait for some seconds: its turn must not be over then.
    world.overrides["RAG_WORKER_STALLED_SECONDS"] = "12"
    first = world.start_worker()
    await world.until_status("0.md", "indexed")
    # Once is refused, for good waits.
    status, report, log = await world.single(EMBEDDING_MODEL_CHOICE="better-model")
    assert (status, report["errors"]) == (2, 1)
    assert "another EMBEDDING_MODEL_CHOICE" in log
    second = world.start_worker(EMBEDDING_MODEL_CHOICE="better-model", RAG_HEARTBEAT_FILE=str(world.logs / "second"))

    async def waits() -> bool:
        return "another_embedding_model_at_work" in world.log_text() and (world.logs / "second").exists()

    await world.until(waits, "the second worker says why it does nothing, and is alive")
    world.write("1.md", "File 1.")
    await world.until_status("1.md", "indexed")
    assert await spaces(world) == {"test-model": True}
    # The other model's turn comes when the last worker of this one has ended.
    world.kill(first)

    async def taken_over() -> bool:
        return (await spaces(world)).get("better-model", False) and await chunks_of(world, "test-model") == 0

    await world.until(taken_over, "the new model serves")
    assert await chunks_of(world, "better-model") == 2
    assert second.poll() is None
