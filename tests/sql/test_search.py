"""What `search_documents` finds, and what it never shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.knowledge import add_document, add_vectors, search

JANUARY, JUNE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


async def found(connection: asyncpg.Connection, query: str, user_id: UUID | None = None, **arguments: Any) -> list[str]:
    return [row["content"] for row in await search(connection, user_id, query, **arguments)]


REFUND = "Students may return a course within fourteen days and get their money back."
OTHERS = (
    "The library opens at nine.",
    "A course lasts twelve weeks.",
    "Money is paid in advance.",
    "Days off are free.",
)


@pytest.mark.parametrize(
    "question",
    [
        "Within how many days can students return a course and be refunded?",
        "student returning courses",
        "What does the handbook say about students who want to return something?",
        "money back for a student?",
        '"fourteen days"',
        "return -course students",
        "students | & ! <-> :* ( ' \\ return",
        "STUDENTS return; drop table public.documents; --",
    ],
)
async def test_a_question_finds_the_passage_that_answers_it_first(database: Database, question: str) -> None:
    async with database.connect() as connection:
        await add_document(connection, "handbook", *OTHERS, REFUND)
        assert (await found(connection, question))[0] == REFUND


@pytest.mark.parametrize("question", ["", "   ", "what is it and who are they", "?!", "zebra", None])
async def test_a_question_without_a_known_word_finds_nothing(database: Database, question: str | None) -> None:
    async with database.connect() as connection:
        await add_document(connection, "handbook", *OTHERS, REFUND)
        assert await search(connection, None, question) == []


async def test_a_question_of_a_thousand_words_is_answered(database: Database) -> None:
    async with database.connect() as connection:
        await add_document(connection, "handbook", *OTHERS, REFUND)
        words = " ".join(f"word{number}" for number in range(150))
        assert (await found(connection, f"students return a course {words * 20}"))[0] == REFUND


async def test_words_of_other_languages_and_names_of_things_are_found(database: Database) -> None:
    passages = {
        "Die Kündigungsfrist beträgt drei Monate.": "Wie lang ist die Kündigungsfrist?",
        "Le délai de résiliation est de trois mois.": "délai de résiliation",
        "Срок уведомления составляет три месяца.": "срок уведомления",
        "Set STRIPE_API_BASE before the start.": "what is STRIPE_API_BASE",
        "Refused with AP402 when nothing is left.": "ap402",
        "Run docker compose up -d to start.": "docker compose up -d",
    }
    async with database.connect() as connection:
        await add_document(connection, "all", *passages)
        for passage, question in passages.items():
            assert (await found(connection, question))[0] == passage


async def test_the_rarer_word_of_a_question_counts_more(database: Database) -> None:
    async with database.connect() as connection:
        await add_document(connection, "common", *("The course begins. Course after course." for _ in range(300)))
        await add_document(connection, "rare", "The bursary is decided in May.")
        await connection.execute("analyze public.documents")
        assert (await found(connection, "a bursary for a course"))[0] == "The bursary is decided in May."


async def test_a_passage_is_found_by_its_headings_and_first_by_its_words(database: Database) -> None:
    async with database.connect() as connection:
        chunks = await add_document(connection, "manual", "It takes a week.", "Delivery takes a week.", "Nothing else.")
        await connection.execute("update public.documents set context = 'Manual > Delivery' where id = $1", chunks[0])
        assert await found(connection, "delivery") == ["Delivery takes a week.", "It takes a week."]


async def test_each_filter_leaves_out_what_it_should(database: Database) -> None:
    me = await database.add_user()
    async with database.connect() as connection:
        await add_document(connection, "mine", "tea mine", owner_id=me, source="upload", mime_type="text/plain")
        await add_document(
            connection, "new", "tea new", source="google_drive", mime_type="application/pdf", source_modified_at=JUNE
        )
        await add_document(connection, "old", "tea old", source_modified_at=JANUARY, mime_type="application/pdf")

        async def names(**arguments: Any) -> set[str]:
            return {row["document_id"] for row in await search(connection, me, "tea", **arguments)}

        assert await names() == {"mine", "new", "old"}
        assert await names(scope="own") == {"mine"}
        assert await names(scope="shared") == {"new", "old"}
        assert await names(document_ids=["old", "mine", "x'); drop table public.documents; --"]) == {"old", "mine"}
        assert await names(document_ids=[]) == set()
        assert await names(sources=["google_drive", "upload"]) == {"new", "mine"}
        assert await names(mime_types=["application/pdf"]) == {"new", "old"}
        assert await names(mime_types=["application/pdf"], sources=["local"]) == {"old"}
        assert await names(modified_from=JUNE, scope="shared") == {"new"}
        assert await names(modified_to=JANUARY) == {"old"}
        assert await names(limit=1) < {"mine", "new", "old"}


@pytest.mark.parametrize(
    "arguments", [{"scope": "everyones"}, {"mode": "magic"}, {"mode": "vector"}, {"mode": None}, {"scope": None}]
)
async def test_arguments_that_make_no_sense_are_refused(database: Database, arguments: dict[str, Any]) -> None:
    async with database.connect() as connection:
        with pytest.raises(asyncpg.PostgresError) as refused:
            await search(connection, None, "tea", **arguments)
        assert refused.value.sqlstate == "AP422"


async def test_modes_search_by_meaning_by_words_and_by_both(database: Database) -> None:
    async with database.connect() as connection:
        space_id = await connection.fetchval("select public.ensure_embedding_space('m', 3)")
        await connection.execute("insert into public.document_metadata (id) values ('a'), ('b'), ('c')")
        await add_vectors(connection, "a", space_id, [[1, 0, 0]], "near in meaning")
        await add_vectors(connection, "b", space_id, [[0, 1, 0]], "the word itself")
        await add_vectors(connection, "c", space_id, [[0.7, 0.7, 0]], "word, and near the word")

        async def names(mode: str) -> list[str]:
            rows = await search(connection, None, "word", [1, 0.1, 0], space_id, mode=mode)
            assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
            return [row["document_id"] for row in rows]

        assert await names("vector") == ["a", "c", "b"]
        assert set(await names("text")) == {"b", "c"}
        assert (await names("hybrid"))[0] == "c"
        with pytest.raises(asyncpg.PostgresError) as refused:
            await search(connection, None, "word", [1, 0], space_id)
        assert refused.value.sqlstate == "AP422"


@pytest.mark.parametrize("dimensions", [3, 2500])
async def test_a_hit_names_the_place_where_it_was_read(database: Database, dimensions: int) -> None:
    async with database.connect() as connection:
        space_id = await connection.fetchval("select public.ensure_embedding_space('m', $1)", dimensions)
        await connection.execute(
            "insert into public.document_metadata (id, title, url, source, mime_type, source_modified_at)"
            " values ('d', 'Manual', 'https://example.com/m', 'google_drive', 'application/pdf', $1)",
            JUNE,
        )
        vector = [1.0] + [0.0] * (dimensions - 1)
        await add_vectors(connection, "d", space_id, [vector], "tea")
        await connection.execute(
            "update public.documents set page = 4, char_start = 10, char_end = 13, heading_path = 'Drinks > Hot'"
        )
        (row,) = await search(connection, None, "tea", vector)
    assert {name: row[name] for name in dict(row).keys() - {"chunk_id", "score"}} == {
        "document_id": "d",
        "title": "Manual",
        "url": "https://example.com/m",
        "content": "tea",
        "page": 4,
        "char_start": 10,
        "char_end": 13,
        "chunk_index": 1,
        "heading_path": "Drinks > Hot",
        "source": "google_drive",
        "mime_type": "application/pdf",
        "modified_at": JUNE,
    }


async def test_row_level_security_and_search_show_the_same_in_every_scope_and_mode(database: Database) -> None:
    people = [await database.add_user(), await database.add_user()]
    async with database.connect() as connection:
        space_id = await connection.fetchval("select public.ensure_embedding_space('m', 3)")
        for owner_id in (*people, None):
            for number in range(5):
                document_id = f"{owner_id}-{number}"
                await add_document(connection, document_id, f"tea {uuid4()}", owner_id=owner_id)
                await add_vectors(connection, document_id, space_id, [[1, number, 0]], f"tea {uuid4()}")
    for me in people:
        async with database.acting("authenticated", me) as connection:
            rows = await connection.fetch(
                "select id, owner_id, embedding is not null as has_vector from public.documents"
            )
        assert len(rows) == 20
        scopes = {
            "all": rows,
            "own": [row for row in rows if row["owner_id"] == me],
            "shared": [row for row in rows if row["owner_id"] is None],
        }
        async with database.acting("service_role") as connection:
            for scope, shown in scopes.items():
                for mode in ("hybrid", "text", "vector"):
                    hits = await search(connection, me, "tea", [1, 0, 0], space_id, scope=scope, mode=mode, limit=50)
                    expected = {row["id"] for row in shown if mode != "vector" or row["has_vector"]}
                    assert {hit["chunk_id"] for hit in hits} == expected, (scope, mode)


async def test_a_key_without_a_person_finds_shared_documents_only(database: Database) -> None:
    owner_id = await database.add_user()
    async with database.connect() as connection:
        await add_document(connection, "private", "tea private", owner_id=owner_id)
        await add_document(connection, "shared", "tea shared")
        assert await found(connection, "tea") == ["tea shared"]
        assert await found(connection, "tea", scope="own") == []
