"""Search among many: what an exact comparison finds, nothing of another person, and by the indexes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.knowledge import Vector, add_vectors, as_text, scatter, search

DIMENSIONS = 48
CLUSTERS = 80
QUESTIONS = 60
SHARED, OF_MANY, OF_FEW = 10_000, 4_500, 150
WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")


class Library:
    """10,000 shared chunks, one person with many of their own, two with few, around the same subjects."""

    def __init__(self, connection: asyncpg.Connection, people: list[UUID]) -> None:
        self.connection = connection
        self.many, self.few, self.other_few = people
        self.chance = random.Random(7)  # noqa: S311 - test data, the same in every run
        self.centres = [[self.chance.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in range(CLUSTERS)]
        self.space_id = 0

    def vectors(self, count: int, clusters: int = CLUSTERS) -> list[list[float]]:
        return [scatter(self.chance.choice(self.centres[:clusters]), 4, self.chance) for _ in range(count)]

    async def fill(self) -> None:
        ensure = "select public.ensure_embedding_space('m', $1)"
        self.space_id = await self.connection.fetchval(ensure, DIMENSIONS)
        # Built at once instead of row by row.
        await self.connection.execute(f"drop index public.documents_embedding_space_{self.space_id}")
        for name, owner_id, count in (
            ("shared", None, SHARED),
            ("many", self.many, OF_MANY),
            ("few", self.few, OF_FEW),
            ("other_few", self.other_few, OF_FEW),
        ):
            await self.connection.execute(
                "insert into public.document_metadata (id, owner_id) values ($1, $2)", name, owner_id
            )
            # One person writes about few subjects, and asks about others too: what is near then belongs to others.
            vectors = self.vectors(count, CLUSTERS // 8 if name == "many" else CLUSTERS)
            await add_vectors(self.connection, name, self.space_id, vectors, f"tea {name}")
        await self.connection.execute(
            "update public.documents set content = content || ' ' || ($1::text[])[1 + chunk_index % 8]"
            " || case when chunk_index % 100 = 0 then ' saffron' else '' end",
            WORDS,
        )
        await self.connection.fetchval(ensure, DIMENSIONS)
        await self.connection.execute("vacuum analyze public.documents")

    async def nearest(self, question: Vector, condition: str) -> set[int]:
        rows = await self.connection.fetch(
            f"with seen as materialized (select id, embedding from public.documents where {condition})"
            " select id from seen order by embedding operator(extensions.<=>) $1::text::extensions.vector limit 10",
            as_text(question),
        )
        return {row["id"] for row in rows}

    async def scans(self, index: str) -> int:
        await self.connection.execute("select pg_stat_force_next_flush()")
        query = "select idx_scan from pg_stat_user_indexes where indexrelname = $1"
        return await self.connection.fetchval(query, index)


@pytest.fixture
async def people(database: Database) -> list[UUID]:
    return [await database.add_user() for _ in range(3)]


async def test_among_ten_thousand_other_chunks(database: Database, people: list[UUID]) -> None:
    async with database.connect() as connection:
        library = Library(connection, people)
        await library.fill()
        questions = library.vectors(QUESTIONS)
        await check_recall(library, questions)
        await check_that_two_people_never_meet(library, questions[:15])
        await check_that_indexes_are_used(library, questions[0])


async def check_recall(library: Library, questions: Sequence[Vector]) -> None:
    """The index is built with chance: a question may miss a whole subject, and no single one is to decide."""
    recalls: dict[str, float] = {}
    for name, user_id, scope, condition in (
        ("stranger", None, "all", "owner_id is null"),
        ("few and shared", library.few, "all", "(owner_id is null or document_id = 'few')"),
        ("many and shared", library.many, "all", "(owner_id is null or document_id = 'many')"),
        ("only few", library.few, "own", "document_id = 'few'"),
        ("only many", library.many, "own", "document_id = 'many'"),
        ("nobody's space", library.few, "shared", "owner_id is null"),
    ):
        agreed = 0
        for question in questions:
            hits = await search(
                library.connection, user_id, None, question, library.space_id, scope=scope, mode="vector", limit=10
            )
            agreed += len({hit["chunk_id"] for hit in hits} & await library.nearest(question, condition))
        recalls[name] = agreed / (10 * len(questions))
    assert min(recalls.values()) >= 0.9, recalls
    assert sum(recalls.values()) / len(recalls) >= 0.95, recalls


async def check_that_two_people_never_meet(library: Library, questions: Sequence[Vector]) -> None:
    allowed = {
        library.few: {"shared", "few"},
        library.other_few: {"shared", "other_few"},
        library.many: {"shared", "many"},
        None: {"shared"},
    }
    for user_id, documents in allowed.items():
        for question in questions:
            for mode in ("vector", "text", "hybrid"):
                hits = await search(
                    library.connection, user_id, "saffron", question, library.space_id, mode=mode, limit=100
                )
                assert len(hits) == 100
                assert {hit["document_id"] for hit in hits} <= documents
        named = await search(library.connection, user_id, "tea", questions[0], document_ids=["few", "other_few"])
        assert {hit["document_id"] for hit in named} == documents & {"few", "other_few"}


async def check_that_indexes_are_used(library: Library, question: Vector) -> None:
    for index, arguments in {
        f"documents_embedding_space_{library.space_id}": {"mode": "vector"},
        "documents_search": {"mode": "text"},
    }.items():
        before = await library.scans(index)
        for user_id in (library.many, None):
            await search(library.connection, user_id, "saffron", question, library.space_id, **arguments)
        assert await library.scans(index) == before + 2, index
    # Few passages are compared one by one: an index of everybody's would lead past most of them.
    index = f"documents_embedding_space_{library.space_id}"
    before = await library.scans(index)
    hits = await search(library.connection, library.few, None, question, scope="own", mode="vector", limit=100)
    assert len(hits) == 100
    assert await library.scans(index) == before
