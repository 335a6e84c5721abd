"""Another embedding model takes over without a moment in which nothing is found."""

from rag_support.world import World


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
        insert into public.documents (document_id, content, metadata, chunk_index)
        values ('/old/place/a.pdf', 'An old passage.', '{"file_id": "/old/place/a.pdf"}', 0)
        """
    )
    status, _, log = await world.single()
    assert status == 0, log
    rows = await world.fetch("select content, embedding_space_id is not null as has_space from public.documents")
    assert {(row["content"], row["has_space"]) for row in rows} >= {("An old passage.", True)}
    assert "An old passage." in world.embeddings.documents()
    world.embeddings.forget()
    await world.single()
    assert world.embeddings.documents() == []


async def test_workers_of_two_models_never_take_over_from_each_other(world: World) -> None:
    world.write("0.md", "File 0.")
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
