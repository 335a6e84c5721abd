"""Attempts at documents: overtaken, failed, lost with their worker, tried again."""

from __future__ import annotations

import asyncpg

from local_stack.postgres.testing import Database
from tests.sql.ingestion import PIPELINE, SPACE_DIMENSIONS, apply, begin, documents, file, finish, hold_lease, jobs


async def test_a_superseded_attempt_stores_nothing(database: Database) -> None:
    async with database.connect() as connection:
        await apply(connection, await hold_lease(connection), [file("a.md")])
        document_id = (await documents(connection))["a.md"]["id"]
        former = await begin(connection, document_id)
        latest = await begin(connection, document_id)
        replace = "select * from public.begin_document_replacement($1, $2, '{}', null)"
        assert await connection.fetch(replace, document_id, former) == []
        assert not await finish(connection, document_id, former)
        assert len(await connection.fetch(replace, document_id, latest)) == 1


async def test_a_document_that_changed_meanwhile_stays_pending(database: Database) -> None:
    async with database.connect() as connection:
        holder = await hold_lease(connection)
        await apply(connection, holder, [file("a.md")])
        document_id = (await documents(connection))["a.md"]["id"]
        await connection.execute("update queue.procrastinate_jobs set status = 'doing'")
        run = await begin(connection, document_id)
        await apply(connection, holder, [file("a.md", "2")])
        assert await finish(connection, document_id, run)
        assert (await documents(connection))["a.md"]["status"] == "pending"


async def test_a_failure_waits_for_its_next_attempt_and_a_final_one_does_not(database: Database) -> None:
    async with database.connect() as connection:
        await apply(connection, await hold_lease(connection), [file("a.md")])
        document_id = (await documents(connection))["a.md"]["id"]
        await connection.execute("delete from queue.procrastinate_jobs")
        fail = "select public.record_document_failure($1, $2, 'embedding_unavailable', 'The model is away.', $3)"
        run = await begin(connection, document_id)
        assert await connection.fetchval(fail, document_id, run, 60.0) == 1
        row = (await documents(connection))["a.md"]
        assert (row["status"], row["attempts"], row["quarantined_at"]) == ("failed", 1, None)
        assert await connection.fetchval("select scheduled_at > now() from queue.procrastinate_jobs")
        await connection.execute("delete from queue.procrastinate_jobs")
        run = await begin(connection, document_id)
        assert await connection.fetchval(fail, document_id, run, None) == 2
        assert (await documents(connection))["a.md"]["quarantined_at"] is not None
        assert await jobs(connection) == []


async def test_the_job_of_a_worker_that_died_is_given_back_once(database: Database) -> None:
    async with database.connect() as connection:
        await apply(connection, await hold_lease(connection), [file("a.md"), file("b.md")])
        await connection.execute(
            "insert into queue.procrastinate_workers (last_heartbeat) values (now() - interval '1 hour'), (now())"
        )
        dead, alive = [
            row["id"] for row in await connection.fetch("select id from queue.procrastinate_workers order by 1")
        ]
        first, second = [
            row["id"] for row in await connection.fetch("select id from queue.procrastinate_jobs order by 1")
        ]
        take = "update queue.procrastinate_jobs set status = 'doing', worker_id = $2 where id = $1"
        await connection.execute(take, first, dead)
        await connection.execute(take, second, alive)
        again = "select public.requeue_lost_jobs(600, $1, $2)"
        assert await connection.fetchval(again, alive, []) == 1
        assert await connection.fetchval(again, alive, []) == 0
        assert [status for _, status in await jobs(connection)] == ["todo", "doing"]
        assert await connection.fetchval(again, alive, [second]) == 1
        # Only what a worker took with it counts: the caller lost its connection and is well.
        crashes = "select id, args ->> 'crashes' as crashes from queue.procrastinate_jobs order by id"
        assert [tuple(row) for row in await connection.fetch(crashes)] == [(first, "1"), (second, None)]
        await connection.execute(take, first, dead)
        # Forgotten by the queue itself, and found before the caller works.
        await connection.execute("delete from queue.procrastinate_workers where id = $1", dead)
        assert await connection.fetchval(again, None, []) == 1
        assert [tuple(row) for row in await connection.fetch(crashes)] == [(first, "2"), (second, None)]


async def test_a_lost_job_gives_way_to_a_newer_one_of_its_document(database: Database) -> None:
    async with database.connect() as connection:
        holder = await hold_lease(connection)
        await apply(connection, holder, [file("a.md")])
        await connection.execute("update queue.procrastinate_jobs set status = 'doing'")
        await apply(connection, holder, [file("a.md", "2")])
        assert [status for _, status in await jobs(connection)] == ["doing", "todo"]
        assert await connection.fetchval("select public.requeue_lost_jobs(30, null, '{}')") == 1
        assert [status for _, status in await jobs(connection)] == ["todo"]


async def test_an_upload_that_somebody_waits_for_stays_ahead_of_files(database: Database) -> None:
    async with database.connect() as connection:
        await apply(connection, await hold_lease(connection), [file("a.md")])
        await connection.execute("insert into public.document_metadata (id, source) values ('upload', 'upload')")
        priorities = "select priority from queue.procrastinate_jobs order by args ->> 'document_id' = 'upload'"

        async def queued() -> list[int]:
            return [row["priority"] for row in await connection.fetch(priorities)]

        for row in (await documents(connection)).values():
            await connection.execute(
                "delete from queue.procrastinate_jobs where args ->> 'document_id' = $1", row["id"]
            )
            fail = "select public.record_document_failure($1, $2, 'internal', 'It failed.', 60)"
            await connection.execute(fail, row["id"], await begin(connection, row["id"]))
        assert await queued() == [0, 100]
        await connection.execute("delete from queue.procrastinate_jobs")
        assert await connection.fetchval("select public.enqueue_forgotten_documents($1, 10)", PIPELINE) == 2
        assert await queued() == [0, 100]


async def test_an_unfinished_document_without_a_job_is_queued_again(database: Database) -> None:
    async with database.connect() as connection:
        await apply(connection, await hold_lease(connection), [file("a.md"), file("b.md")])
        await connection.execute("delete from queue.procrastinate_jobs where id = 1")
        forgotten = "select public.enqueue_forgotten_documents($1, 10)"
        assert await connection.fetchval(forgotten, PIPELINE) == 1
        assert await connection.fetchval(forgotten, PIPELINE) == 0
        assert len(await jobs(connection)) == 2


async def test_a_new_space_lacks_what_only_another_space_holds(database: Database) -> None:
    async with database.connect() as connection:
        await apply(connection, await hold_lease(connection), [file("a.md"), file("b.md")])
        old = await connection.fetchval("select public.ensure_embedding_space('old', $1)", SPACE_DIMENSIONS)
        new = await connection.fetchval("select public.ensure_embedding_space('new', $1)", SPACE_DIMENSIONS)
        add = "insert into public.documents (document_id, content, embedding_space_id) values ($1, 'x', $2)"
        ids = [row["id"] for row in (await documents(connection)).values()]
        for document_id in ids:
            await connection.execute(add, document_id, old)
        await connection.execute(add, ids[0], new)
        await connection.execute("delete from queue.procrastinate_jobs")
        await connection.execute("update public.document_metadata set status = 'indexed', index_version = '1'")
        assert await connection.fetchval("select public.count_documents_outside_space($1)", new) == 1
        outdated = "select public.enqueue_outdated_documents($1, $2, '1', '', 10)"
        assert await connection.fetchval(outdated, PIPELINE, new) == 1
        assert await jobs(connection) == [(ids[1], "todo")]
        # The old space still serves: nothing of it may go.
        assert await connection.fetchval("select public.drop_inactive_chunks(10)") == 0
        await connection.execute(add, ids[1], new)
        assert await connection.fetchval("select public.count_documents_outside_space($1)", new) == 0
        await connection.execute("select public.activate_embedding_space($1)", new)
        assert await connection.fetchval("select public.drop_inactive_chunks(10)") == 2


async def test_what_no_job_brings_to_a_new_space_is_told_apart(database: Database) -> None:
    async with database.connect() as connection:
        old = await connection.fetchval("select public.ensure_embedding_space('old', $1)", SPACE_DIMENSIONS)
        new = await connection.fetchval("select public.ensure_embedding_space('new', $1)", SPACE_DIMENSIONS)
        await connection.execute(
            """
            insert into public.rag_pipeline_state (pipeline_id, pipeline_type, last_check_time)
            values ('living', 'local', now() - interval '6 days'), ('former', 'local', now() - interval '8 days');
            insert into public.document_metadata (id, pipeline_id, source, status, quarantined_at) values
                ('living', 'living', 'local', 'indexed', null), ('former', 'former', 'local', 'indexed', null),
                ('renamed', 'renamed', 'local', 'pending', null), ('upload', null, 'upload', 'indexed', null),
                ('of no pipeline', null, 'local', 'indexed', null), ('given up', 'living', 'local', 'failed', now()),
                ('tried again', 'living', 'local', 'pending', now()),
                ('emptied', 'former', 'local', 'not_indexed', null)
            """
        )
        await connection.execute(
            "insert into public.documents (document_id, content, embedding_space_id)"
            " select id, 'x', $1 from public.document_metadata",
            old,
        )
        listed = await connection.fetch("select * from public.list_documents_outside_space($1)", new)
        assert {row["document_id"]: row["is_left"] for row in listed} == {
            "living": False,
            "former": True,
            "renamed": True,
            "upload": False,
            "of no pipeline": False,
            "given up": True,
            "tried again": False,
        }
        assert await connection.fetchval("select public.count_documents_outside_space($1)", new) == 7
        assert await connection.fetch("select * from public.list_documents_outside_space($1)", old) == []


async def test_what_has_nothing_to_embed_waits_for_no_new_space(database: Database) -> None:
    async with database.connect() as connection:
        old = await connection.fetchval("select public.ensure_embedding_space('old', $1)", SPACE_DIMENSIONS)
        new = await connection.fetchval("select public.ensure_embedding_space('new', $1)", SPACE_DIMENSIONS)
        await connection.execute(
            """
            insert into public.document_metadata (id, source, status, index_version)
            values ('emptied', 'upload', 'not_indexed', '1'), ('without text', 'local', 'indexed', '1')
            """
        )
        add = "insert into public.documents (document_id, content, embedding_space_id) values ($1, $2, $3)"
        await connection.execute(add, "emptied", "x", old)
        await connection.execute(add, "without text", "", old)
        outdated = "select public.enqueue_outdated_documents($1, $2, '1', '', 10)"
        assert await connection.fetchval(outdated, PIPELINE, new) == 0
        assert await connection.fetchval("select public.count_documents_outside_space($1)", new) == 0
        # Nor does it keep any text: not even in a space that its worker knows nothing of.
        run = await begin(connection, "emptied")
        await connection.fetch("select * from public.begin_document_replacement('emptied', $1, null, null)", run)
        assert await connection.fetchval("select count(*) from public.documents where document_id = 'emptied'") == 0


async def store(connection: asyncpg.Connection, document_id: str, title: str | None) -> str:
    """As an indexed document with this title in its content; what it is called then."""
    run = await begin(connection, document_id)
    stored = await connection.fetchrow(
        "select * from public.begin_document_replacement($1, $2, '{}', $3)", document_id, run, title
    )
    assert stored is not None
    return stored["title"]


async def test_a_title_is_the_contents_own_else_the_files_name_and_never_overrules_a_person(database: Database) -> None:
    async with database.connect() as connection:
        holder = await hold_lease(connection)
        await apply(connection, holder, [file("annual-report.pdf")])
        document_id = (await documents(connection))["annual-report.pdf"]["id"]
        assert await store(connection, document_id, "What 2026 brought") == "What 2026 brought"
        # Moved: its own title stays. Without one it is called as its file.
        moved = file("sub/figures_2026.pdf", identity="inode of annual-report.pdf")
        await apply(connection, holder, [moved], renames=[("annual-report.pdf", "sub/figures_2026.pdf")])
        assert (await documents(connection))["sub/figures_2026.pdf"]["title"] == "What 2026 brought"
        assert await store(connection, document_id, None) == "Figures 2026"
        await connection.execute("update public.document_metadata set title = 'Named', title_is_given = true")
        assert await store(connection, document_id, "What 2026 brought") == "Named"
        again = file("other.pdf", identity="inode of annual-report.pdf")
        await apply(connection, holder, [again], renames=[("sub/figures_2026.pdf", "other.pdf")])
        assert (await documents(connection))["other.pdf"]["title"] == "Named"


async def test_what_nobody_could_see_is_looked_at_again_by_who_sees_otherwise(database: Database) -> None:
    async with database.connect() as connection:
        await apply(connection, await hold_lease(connection), [file("picture.png"), file("text.md")])
        space = await connection.fetchval("select public.ensure_embedding_space('model', $1)", SPACE_DIMENSIONS)

        async def queued(sight: str) -> int:
            await connection.execute("delete from queue.procrastinate_jobs")
            await connection.execute(
                """
                update public.document_metadata set index_version = '1', status = 'indexed';
                update public.document_metadata
                set index_version = '1+ocr', status = 'not_indexed', error_code = 'needs_vision'
                where source_key = 'picture.png'
                """
            )
            outdated = "select public.enqueue_outdated_documents($1, $2, '1', $3, 10)"
            return await connection.fetchval(outdated, PIPELINE, space, sight)

        assert [await queued(sight) for sight in ("", "ocr", "vision:model", "vision:model,ocr")] == [0, 0, 1, 1]


async def test_pages_that_were_not_read_are_known_after_any_failure(database: Database) -> None:
    async with database.connect() as connection:
        await apply(connection, await hold_lease(connection), [file("partly.pdf"), file("text.md")])
        space = await connection.fetchval("select public.ensure_embedding_space('model', $1)", SPACE_DIMENSIONS)
        versions = {"partly.pdf": "1+", "text.md": "1"}
        for key, row in (await documents(connection)).items():
            await finish(connection, row["id"], await begin(connection, row["id"]))
            await connection.execute(
                "update public.document_metadata set index_version = $2 where id = $1", row["id"], versions[key]
            )
            fail = "select public.record_document_failure($1, $2, 'source_unavailable', 'It is away.', 60)"
            await connection.execute(fail, row["id"], await begin(connection, row["id"]))
            await connection.execute("delete from queue.procrastinate_jobs")
            unchanged = "select public.finish_document_unchanged($1, $2, 'indexed')"
            assert await connection.fetchval(unchanged, row["id"], await begin(connection, row["id"]))
        found = await documents(connection)
        assert {key: (row["status"], row["error_code"]) for key, row in found.items()} == {
            "partly.pdf": ("indexed", "needs_vision"),
            "text.md": ("indexed", None),
        }
        assert "pictures that were not read" in found["partly.pdf"]["error_message"]
        assert found["text.md"]["error_message"] is None
        # What was forgotten before is looked at again too.
        await connection.execute("update public.document_metadata set error_code = null")
        outdated = "select public.enqueue_outdated_documents($1, $2, '1', 'ocr', 10)"
        assert await connection.fetchval(outdated, PIPELINE, space) == 1
        assert [document_id for document_id, _ in await jobs(connection)] == [found["partly.pdf"]["id"]]


async def test_an_upload_as_another_living_pipeline_indexes_it_is_left_alone(database: Database) -> None:
    async with database.connect() as connection:
        space = await connection.fetchval("select public.ensure_embedding_space('model', $1)", SPACE_DIMENSIONS)
        await connection.execute(
            """
            insert into public.rag_pipeline_state (pipeline_id, pipeline_type, last_check_time)
            values ('one', 'local', now()), ('other', 'google_drive', now());
            insert into public.document_metadata (id, source, status) values ('upload', 'upload', 'indexed')
            """
        )

        async def queued(
            pipeline_id: str, version: str, sight: str = "", *, stored: str, code: str | None = None
        ) -> int:
            await connection.execute("delete from queue.procrastinate_jobs")
            await connection.execute(
                "update public.document_metadata set status = 'indexed', index_version = $1, error_code = $2",
                stored,
                code,
            )
            outdated = "select public.enqueue_outdated_documents($1, $2, $3, $4, 10)"
            return await connection.fetchval(outdated, pipeline_id, space, version, sight)

        assert await queued("one", "v1", "ocr", stored="v0") == 1
        assert await queued("other", "v2", "vision", stored="v1") == 0
        assert await queued("one", "v1", "ocr", stored="v2") == 0
        # Nor what it indexed as far as it could see, which was not all.
        assert await queued("one", "v1", "ocr", stored="v2+", code="needs_vision") == 0
        # Nor is a picture that the other could not read.
        assert await queued("other", "v1", "vision", stored="v1+ocr", code="needs_vision") == 0
        # Neither indexes so any more, or only one that was taken away.
        assert await queued("other", "v3", stored="v2") == 1
        await connection.execute(
            "update public.rag_pipeline_state set last_check_time = now() - interval '8 days' where pipeline_id = 'one'"
        )
        assert await queued("other", "v3", stored="v1") == 1


async def test_what_was_given_up_is_tried_once_more_with_something_else(database: Database) -> None:
    async with database.connect() as connection:
        await connection.execute(
            """
            insert into public.rag_pipeline_state (pipeline_id, pipeline_type, last_check_time)
            values ('one', 'local', now()), ('other', 'local', now());
            insert into public.document_metadata (id, source, pipeline_id, source_key, status, quarantined_at)
            values ('file', 'local', 'one', 'a.md', 'failed', now()), ('upload', 'upload', null, null, 'failed', now())
            """
        )

        async def queued(pipeline_id: str, tried_with: str) -> set[str]:
            """What it queues; all of it fails again."""
            await connection.execute(
                """
                delete from queue.procrastinate_jobs;
                update public.document_metadata set status = 'failed'
                """
            )
            given_up = "select public.enqueue_given_up_documents($1, $2, 10)"
            await connection.fetchval(given_up, pipeline_id, tried_with)
            rows = await connection.fetch("select id from public.document_metadata where status = 'pending'")
            for row in rows:
                begun = await connection.fetchrow("select * from public.begin_document_indexing($1)", row["id"])
                assert begun is not None
                fail = "select public.record_document_failure($1, $2, 'too_large', 'It is large.', null, $3)"
                await connection.fetchval(fail, row["id"], begun["run"], tried_with)
            return {row["id"] for row in rows}

        # Of earlier versions nobody knows what they were tried with.
        assert await queued("one", "v1 10") == {"file", "upload"}
        assert await queued("one", "v1 10") == set()
        # The other one tries uploads with its own limits in turn, and so not at all.
        assert await queued("other", "v1 20") == set()
        assert await queued("one", "v1 30") == {"file", "upload"}
        await connection.execute("update public.document_metadata set quarantined_at = null")
        assert await queued("one", "v2 30") == set(), "what is not given up has its next attempt already"


async def test_words_are_counted_after_a_bulk_load_and_not_again(database: Database) -> None:
    async with database.connect() as connection:
        refresh = "select public.refresh_document_statistics()"
        assert await connection.fetchval(refresh) is False
        await connection.execute("insert into public.document_metadata (id, chunk_count) values ('book', 200)")
        await connection.execute(
            """
            insert into public.documents (document_id, content, chunk_index)
            select 'book', 'a common word and ' || n, n from generate_series(1, 200) as n
            """
        )
        counted = "select chunks from private.weigh_words('common')"
        assert await connection.fetchval(counted) < 2
        assert await connection.fetchval(refresh) is True
        assert await connection.fetchval(counted) == 200
        assert await connection.fetchval(refresh) is False
