"""What a look at a source does to documents, in one transaction."""

from __future__ import annotations

import json
from uuid import uuid4

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.ingestion import apply, begin, documents, file, finish, hold_lease, jobs


async def test_a_listing_queues_what_is_new_together_with_the_state_that_follows_it(database: Database) -> None:
    async with database.connect() as connection:
        holder = await hold_lease(connection)
        counts = await apply(connection, holder, [file("a.md"), file("sub/b.md")], state={"page": 7})
        assert counts == (2, 0, 0, 0)
        found = await documents(connection)
        assert {key: row["status"] for key, row in found.items()} == {"a.md": "pending", "sub/b.md": "pending"}
        assert found["sub/b.md"]["title"] == "B"
        assert [status for _, status in await jobs(connection)] == ["todo", "todo"]
        state = await connection.fetchval("select source_state from public.rag_pipeline_state")
        assert json.loads(state) == {"page": 7}


async def test_a_replica_without_the_lease_changes_nothing(database: Database) -> None:
    async with database.connect() as connection:
        await hold_lease(connection)
        with pytest.raises(asyncpg.PostgresError) as raised:
            await apply(connection, uuid4(), [file("a.md")])
        assert raised.value.sqlstate == "AP409"
        assert await documents(connection) == {}


async def test_only_a_changed_mark_queues_a_known_file_again(database: Database) -> None:
    async with database.connect() as connection:
        holder = await hold_lease(connection)
        await apply(connection, holder, [file("a.md"), file("b.md")])
        await connection.execute("delete from queue.procrastinate_jobs")
        await connection.execute(
            "update public.document_metadata set status = 'failed', attempts = 6, quarantined_at = now()"
        )
        assert await apply(connection, holder, [file("a.md", "2"), file("b.md")]) == (0, 1, 0, 0)
        found = await documents(connection)
        assert await jobs(connection) == [(found["a.md"]["id"], "todo")]
        assert (found["a.md"]["attempts"], found["a.md"]["quarantined_at"]) == (0, None)
        assert found["b.md"]["quarantined_at"] is not None


async def test_a_rename_keeps_the_document_and_queues_nothing(database: Database) -> None:
    async with database.connect() as connection:
        holder = await hold_lease(connection)
        await apply(connection, holder, [file("a.md")])
        before = (await documents(connection))["a.md"]["id"]
        await connection.execute("delete from queue.procrastinate_jobs")
        moved = file("sub/c.md", identity="inode of a.md")
        assert await apply(connection, holder, [moved], renames=[("a.md", "sub/c.md")]) == (0, 0, 1, 0)
        found = await documents(connection)
        assert list(found) == ["sub/c.md"]
        assert (found["sub/c.md"]["id"], found["sub/c.md"]["title"]) == (before, "C")
        assert await jobs(connection) == []


@pytest.mark.parametrize(
    ("renamed", "is_read_anew"),
    [("data.csv", True), ("data", True), ("v1.2/data.tsv", True), ("data.TXT", False), ("other.v2.txt", False)],
)
async def test_another_extension_is_another_kind_of_file_and_read_anew(
    database: Database, renamed: str, is_read_anew: bool
) -> None:
    async with database.connect() as connection:
        holder = await hold_lease(connection)
        await apply(connection, holder, [file("data.txt", mime_type="text/plain")])
        document_id = (await documents(connection))["data.txt"]["id"]
        run = await begin(connection, document_id)
        assert await finish(connection, document_id, run)
        await connection.execute("delete from queue.procrastinate_jobs")
        moved = file(renamed, identity="inode of data.txt", mime_type=None)
        counts = await apply(connection, holder, [moved], renames=[("data.txt", renamed)])
        assert counts == (0, int(is_read_anew), 1, 0)
        row = (await documents(connection))[renamed]
        assert row["id"] == document_id
        assert (row["index_version"], row["mime_type"]) == ((None, None) if is_read_anew else ("1", "text/plain"))
        assert await jobs(connection) == ([(document_id, "todo")] if is_read_anew else [])
        # An attempt that began under the former name must not end as one at the present one.
        assert await finish(connection, document_id, run) is not is_read_anew


async def test_a_number_at_the_end_of_a_name_is_no_extension(database: Database) -> None:
    async with database.connect() as connection:
        holder = await hold_lease(connection)
        await apply(connection, holder, [file("drive id", name="Plan 1.2")])
        assert await apply(connection, holder, [file("drive id", name="Plan 1.3")]) == (0, 0, 0, 0)


async def test_a_removed_file_takes_its_chunks_and_rows_along(database: Database) -> None:
    async with database.connect() as connection:
        holder = await hold_lease(connection)
        await apply(connection, holder, [file("a.md"), file("b.md")])
        for row in (await documents(connection)).values():
            await connection.execute("insert into public.documents (document_id, content) values ($1, 'x')", row["id"])
            await connection.execute("insert into public.document_rows (dataset_id) values ($1)", row["id"])
        assert await apply(connection, holder, [], removed=["a.md"]) == (0, 0, 0, 1)
        assert list(await documents(connection)) == ["b.md"]
        assert await connection.fetchval("select count(*) from public.documents") == 1
        assert await connection.fetchval("select count(*) from public.document_rows") == 1


async def test_a_row_of_an_earlier_version_is_adopted_by_the_pipeline_that_lists_its_file(database: Database) -> None:
    async with database.connect() as connection:
        holder = await hold_lease(connection)
        await connection.execute(
            "insert into public.document_metadata (id) values ('./rag-documents/old.pdf'), ('other')"
        )
        listed = file("old.pdf", aliases=["./rag-documents/old.pdf"])
        assert (await apply(connection, holder, [listed]))[0] == 0
        found = await documents(connection)
        assert found["old.pdf"]["id"] == "./rag-documents/old.pdf"
        assert found["other"]["pipeline_id"] is None


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("how-tokens-and-purchases-work.md", "How tokens and purchases work"),
        ("Quarterly_report--2026.final.pdf", "Quarterly report 2026.final"),
        ("2026-11-03-minutes.docx", "2026-11-03 minutes"),
        ("Our own title, with spaces_and-signs.docx", "Our own title, with spaces_and-signs"),
        ("Plan", "Plan"),
        ("Version 2.0", "Version 2.0"),
        (".hidden", ".hidden"),
        ("___.md", "___"),
        ("übersicht_größen.txt", "Übersicht größen"),
        ("", ""),
    ],
)
async def test_a_file_name_becomes_words(database: Database, file_name: str, name: str) -> None:
    async with database.connect() as connection:
        assert await connection.fetchval("select private.readable_name($1)", file_name) == name
