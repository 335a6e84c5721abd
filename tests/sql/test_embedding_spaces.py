"""Embedding spaces: made once however many ask, never mixed, switched at once, and cleared away in pieces."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.knowledge import add_vectors, search
from tests.sql.schema import apply, upgrade_scripts
from tests.sql.test_install import OLD_VERSIONS, USER, make_old
from tests.sql.test_queue import wait_for_lock

ENSURE = "select public.ensure_embedding_space($1, $2)"
SWITCH_SECONDS_MAX = 120


async def spaces(connection: asyncpg.Connection) -> list[tuple[str, bool, bool]]:
    rows = await connection.fetch(
        "select model, is_active, retired_at is not null as is_retired from public.embedding_space order by id"
    )
    return [(row["model"], row["is_active"], row["is_retired"]) for row in rows]


async def ensure(database: Database, model: str) -> int:
    async with database.connect() as connection:
        return await connection.fetchval(ENSURE, model, 3)


async def add_to_two_spaces(connection: asyncpg.Connection) -> tuple[int, int]:
    """Documents a and b in the old space, a alone in the new one, of the same dimension."""
    old, new = [await connection.fetchval(ENSURE, model, 3) for model in ("old", "new")]
    await connection.execute("insert into public.document_metadata (id) values ('a'), ('b')")
    await add_vectors(connection, "a", old, [[1, 0, 0], [0.9, 0, 0.1]], "tea, old a")
    await add_vectors(connection, "b", old, [[1, 0, 0]], "tea, old b")
    await add_vectors(connection, "a", new, [[1, 0, 0]], "tea, new a")
    return old, new


async def contents(connection: asyncpg.Connection, space_id: int | None = None, mode: str = "hybrid") -> set[str]:
    return {row["content"] for row in await search(connection, None, "tea", [1, 0, 0], space_id, mode=mode)}


async def test_two_who_start_with_two_models_at_once_make_one_active_space(database: Database) -> None:
    async with database.connect() as first, database.connect() as second:
        async with first.transaction():
            await first.execute(ENSURE, "a", 3)
            other = asyncio.create_task(second.fetchval(ENSURE, "b", 3))
            same = asyncio.create_task(ensure(database, "a"))
            await wait_for_lock(database)
        await other
        assert await spaces(first) == [("a", True, False), ("b", False, False)]
        assert await same == await first.fetchval(ENSURE, "a", 3)
        indexes = await first.fetch("select 1 from pg_indexes where indexname ~ '^documents_embedding_space_'")
    assert len(indexes) == 2


async def test_a_service_that_starts_again_waits_for_no_writer(database: Database) -> None:
    async with database.connect() as connection, database.connect() as writer:
        space_id = await connection.fetchval(ENSURE, "m", 3)
        async with writer.transaction():
            await writer.execute(
                "insert into public.documents (content, embedding_space_id) values ('x', $1)", space_id
            )
            await connection.execute("set lock_timeout = '100ms'")
            assert await connection.fetchval(ENSURE, "m", 3) == space_id


async def test_a_search_looks_into_one_space(database: Database) -> None:
    async with database.connect() as connection:
        old, new = await add_to_two_spaces(connection)
        for mode in ("text", "vector", "hybrid"):
            assert await contents(connection, mode=mode) == {"tea, old a", "tea, old b"}
            assert await contents(connection, old, mode) == {"tea, old a", "tea, old b"}
            assert await contents(connection, new, mode) == {"tea, new a"}


async def test_a_switch_shows_every_search_one_space_or_the_other(database: Database) -> None:
    async with database.connect() as connection, database.connect() as reader:
        old, new = await add_to_two_spaces(connection)
        seen: list[frozenset[str]] = []

        async def read() -> None:
            # Sixty, and on until one of them came after a switch and another before it.
            async with asyncio.timeout(SWITCH_SECONDS_MAX):
                while len(seen) < 60 or len(set(seen)) < 2:
                    seen.append(frozenset(await contents(reader)))

        reading = asyncio.create_task(read())
        while not reading.done():
            for space_id in (new, old):
                await connection.execute("select public.activate_embedding_space($1)", space_id)
        await reading
    assert set(seen) == {frozenset({"tea, old a", "tea, old b"}), frozenset({"tea, new a"})}


async def test_a_switch_is_undone_with_its_transaction_and_refuses_an_unknown_space(database: Database) -> None:
    async with database.connect() as connection:
        _, new = await add_to_two_spaces(connection)
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("select public.activate_embedding_space($1)", new)
        await transaction.rollback()
        with pytest.raises(asyncpg.PostgresError) as refused:
            await connection.execute("select public.activate_embedding_space(999)")
        assert refused.value.sqlstate == "AP422"
        assert await spaces(connection) == [("old", True, False), ("new", False, False)]


async def test_a_retired_space_goes_in_pieces_but_what_has_no_new_chunks_stays(database: Database) -> None:
    drop_chunks, drop_spaces = "select public.drop_inactive_chunks(1)", "select public.drop_unused_embedding_spaces()"
    async with database.connect() as connection:
        old, new = await add_to_two_spaces(connection)
        # A space that is being filled is not a former one.
        assert await connection.fetchval(drop_chunks) == 0
        assert await connection.fetchval(drop_spaces) == 0
        await connection.execute("select public.activate_embedding_space($1)", new)
        assert [await connection.fetchval(drop_chunks) for _ in range(3)] == [1, 1, 0]
        assert await contents(connection, old) == {"tea, old b"}
        assert await connection.fetchval(drop_spaces) == 0
        await add_vectors(connection, "b", new, [[1, 0, 0]], "tea, new b")
        assert await connection.fetchval(drop_chunks) == 1
        assert await connection.fetchval(drop_spaces) == 1
        assert await connection.fetchval("show lock_timeout") == "0"
        assert await spaces(connection) == [("new", True, False)]
        assert await connection.fetchval("select to_regclass($1) is null", f"public.documents_embedding_space_{old}")
        assert await contents(connection) == {"tea, new a", "tea, new b"}


async def test_a_retired_space_that_is_wanted_again_is_kept(database: Database) -> None:
    async with database.connect() as connection:
        old, new = await add_to_two_spaces(connection)
        await connection.execute("select public.activate_embedding_space($1)", new)
        assert await connection.fetchval(ENSURE, "old", 3) == old
        assert await connection.fetchval("select public.drop_inactive_chunks()") == 0
        assert await spaces(connection) == [("old", False, False), ("new", True, False)]


async def test_chunks_of_an_older_database_are_found_until_another_model_serves(empty_database: Database) -> None:
    make_old(empty_database, OLD_VERSIONS["with payments"])
    apply(empty_database, *upgrade_scripts())
    vector = [0.5] * 1536
    async with empty_database.connect() as connection:

        async def found(mode: str) -> set[str]:
            return {row["content"] for row in await search(connection, USER, "tea", vector, mode=mode)}

        document = await connection.fetchrow(
            "select source, status, chunk_count, pipeline_id from public.document_metadata where id = 'lots'"
        )
        assert document is not None
        assert tuple(document) == ("local", "indexed", 1, None)
        old = {"Tea costs two.", "A lot is a batch."}
        assert (await found("text"), await found("vector")) == ({"Tea costs two."}, old)
        # The model that made them gets a space.
        first = await connection.fetchval(ENSURE, "text-embedding-3-small", 1536)
        assert (await found("text"), await found("vector")) == ({"Tea costs two."}, old)
        await add_vectors(connection, "lots", first, [vector], "A lot is a new batch.")
        assert await found("vector") == old | {"A lot is a new batch."}
        second = await connection.fetchval(ENSURE, "another model", 1536)
        await add_vectors(connection, "sheet", second, [vector], "Tea costs three.")
        await connection.execute("select public.activate_embedding_space($1)", second)
        assert await found("vector") == await found("text") == {"Tea costs three."}
        await connection.execute("select public.drop_inactive_chunks()")
        rows = await connection.fetch("select content from public.documents order by content")
    assert [row["content"] for row in rows] == ["A lot is a batch.", "A lot is a new batch.", "Tea costs three."]
