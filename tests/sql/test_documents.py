"""What the tables of documents, chunks and uploads hold true, whoever writes them."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.knowledge import add_document
from tests.sql.schema import SQL_DIRECTORY, apply
from tests.sql.test_queue import wait_for_lock

OWNER_OF_CHUNKS = "select array_agg(distinct owner_id) from public.documents where document_id = 'd'"
SHARE = "update public.document_metadata set owner_id = $1 where id = 'd'"


async def test_a_chunk_has_the_owner_of_its_document_whatever_is_written(database: Database) -> None:
    owner_id, stranger_id = await database.add_user(), await database.add_user()
    async with database.connect() as connection:
        (chunk_id,) = await add_document(connection, "d", "tea", owner_id=owner_id)
        await connection.execute("insert into public.documents (document_id, content) values ('d', 'milk')")
        await connection.execute("update public.documents set owner_id = $1 where id = $2", stranger_id, chunk_id)
        assert await connection.fetchval(OWNER_OF_CHUNKS) == [owner_id]
        for new_owner in (None, stranger_id):
            await connection.execute(SHARE, new_owner)
            assert await connection.fetchval(OWNER_OF_CHUNKS) == [new_owner]


async def test_chunks_stored_while_a_document_becomes_private_are_private(database: Database) -> None:
    owner_id = await database.add_user()
    async with database.connect() as worker, database.connect() as api:
        await add_document(worker, "d", "tea")
        async with worker.transaction():
            await worker.execute("insert into public.documents (document_id, content) values ('d', 'milk')")
            becoming_private = asyncio.create_task(api.execute(SHARE, owner_id))
            await wait_for_lock(database)
        await becoming_private
        assert await worker.fetchval(OWNER_OF_CHUNKS) == [owner_id]
        async with api.transaction():
            await api.execute(SHARE, None)
            await api.execute(SHARE, owner_id)
            storing = asyncio.create_task(
                worker.execute("insert into public.documents (document_id, content) values ('d', 'sugar')")
            )
            await wait_for_lock(database)
        await storing
        assert await worker.fetchval(OWNER_OF_CHUNKS) == [owner_id]


async def test_a_space_holds_each_chunk_of_a_document_once(database: Database) -> None:
    async with database.connect() as connection:
        space_id = await connection.fetchval("select public.ensure_embedding_space('m', 3)")
        await add_document(connection, "d")
        add = "insert into public.documents (document_id, chunk_index, embedding_space_id) values ('d', 0, $1)"
        await connection.execute(add, space_id)
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(add, space_id)


async def test_a_pipeline_knows_a_file_once_and_uploads_have_no_key(database: Database) -> None:
    async with database.connect() as connection:
        await add_document(connection, "a", pipeline_id="main", source_key="f")
        await add_document(connection, "b", pipeline_id="other", source_key="f")
        await add_document(connection, "c", source="upload")
        await add_document(connection, "d", source="upload")
        with pytest.raises(asyncpg.UniqueViolationError):
            await add_document(connection, "e", pipeline_id="main", source_key="f")


@pytest.mark.parametrize(
    "columns", [{"source": "dropbox"}, {"status": "done"}, {"attempts": -1}, {"chunk_count": -1}, {"size_bytes": -1}]
)
async def test_a_document_that_makes_no_sense_is_refused(database: Database, columns: dict[str, Any]) -> None:
    async with database.connect() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await add_document(connection, "d", **columns)


async def add_upload(
    connection: asyncpg.Connection, document_id: str, owner_id: UUID, file: bytes, **columns: object
) -> None:
    values: dict[str, object] = {
        "document_id": document_id,
        "owner_id": owner_id,
        "storage": "postgres",
        "content": file,
        "sha256": hashlib.sha256(file).hexdigest(),
        "size_bytes": len(file),
    } | columns
    places = ", ".join(f"${place}" for place in range(1, 1 + len(values)))
    await connection.execute(f"insert into public.uploads ({', '.join(values)}) values ({places})", *values.values())


async def test_a_person_uploads_the_same_content_once_and_it_goes_with_the_document(database: Database) -> None:
    owner_id, other_id = await database.add_user(), await database.add_user()
    async with database.connect() as connection:
        for document_id in ("a", "b", "c"):
            await add_document(connection, document_id, source="upload", owner_id=owner_id)
        await add_upload(connection, "a", owner_id, b"tea")
        await add_upload(connection, "b", other_id, b"tea")
        with pytest.raises(asyncpg.UniqueViolationError):
            await add_upload(connection, "c", owner_id, b"tea")
        await connection.execute("delete from public.document_metadata where id = 'a'")
        assert await connection.fetchval("select count(*) from public.uploads") == 1
        await add_upload(connection, "c", owner_id, b"tea")


async def test_a_bucket_that_holds_files_already_is_noted(database: Database) -> None:
    script = SQL_DIRECTORY / "22-knowledge.sql"
    noted = "select value::text from public.app_settings where key = 'uploads_in_bucket'"
    owner_id = await database.add_user()
    async with database.connect() as connection:
        for document_id in ("a", "b"):
            await add_document(connection, document_id, source="upload", owner_id=owner_id)
        await add_upload(connection, "a", owner_id, b"here")
        apply(database, script)
        assert await connection.fetchval(noted) is None
        await add_upload(
            connection, "b", owner_id, b"there", storage="supabase", content=None, storage_path="uploads/b"
        )
        apply(database, script, script)
        assert await connection.fetchval(noted) == "true"


@pytest.mark.parametrize(
    "columns",
    [
        {"content": None},
        {"storage": "supabase"},
        {"storage": "disk"},
        {"storage_path": "x"},
        {"storage": "supabase", "content": None},
        {"size_bytes": 4},
        {"sha256": "abc"},
    ],
)
async def test_an_upload_whose_bytes_are_not_where_it_says_is_refused(
    database: Database, columns: dict[str, object]
) -> None:
    owner_id = await database.add_user()
    async with database.connect() as connection:
        await add_document(connection, "a", source="upload", owner_id=owner_id)
        with pytest.raises(asyncpg.CheckViolationError):
            await add_upload(connection, "a", owner_id, b"tea", **columns)


async def test_what_a_person_uploaded_goes_with_the_account(database: Database) -> None:
    owner_id = await database.add_user()
    async with database.connect() as connection:
        await add_document(connection, "a", "tea", source="upload", owner_id=owner_id)
        await add_upload(connection, "a", owner_id, b"tea")
    await database.delete_user(owner_id)
    async with database.connect() as connection:
        for table in ("document_metadata", "documents", "uploads"):
            assert await connection.fetchval(f"select count(*) from public.{table}") == 0
