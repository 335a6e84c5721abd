"""How passages are found when a neighbour answers late, wrongly or not at all."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from agent_api_support.chat import Person
from agent_api_support.chat_world import ChatWorld
from agent_api_support.model_server import Tool
from agent_api_support.rerank_server import RerankServer, run_rerank_server

CHUNKS = 30
SETTINGS: dict[str, Any] = {"embedding_model_choice": "configured"}


@pytest_asyncio.fixture(scope="module")
async def indexed(world: ChatWorld) -> ChatWorld:
    """One shared document, each chunk with a vector of its own: the last is nearest to what every question becomes."""
    async with world.books.database.connect() as connection:
        space = await connection.fetchval("select public.ensure_embedding_space('indexed-with', 3)")
        await connection.execute("insert into public.document_metadata (id, title) values ('d', 'Handbook')")
        for number in range(CHUNKS):
            await connection.execute(
                "insert into public.documents (document_id, content, chunk_index, embedding, embedding_space_id)"
                " values ('d', $1, $2, $3, $4)",
                f"Rule {number} about alpha." if number < CHUNKS - 1 else "The rule without that word.",
                number, str([1.0, number / CHUNKS, 0.5]), space,
            )  # fmt: skip
    return world


@pytest_asyncio.fixture
async def person(indexed: ChatWorld) -> AsyncGenerator[Person]:
    model = indexed.model
    yield await indexed.person(tokens=50)
    model.embedding, model.embedding_reply, model.embedding_hangs = [0.1, 0.2, 0.3], None, False
    model.embedding_requests.clear()


async def _found(world: ChatWorld, person: Person, query: str = "alpha") -> list[str]:
    """The passages that a search brings, best first."""
    world.model.say("search", [Tool("retrieve_relevant_documents", json.dumps({"query": query}))], ["Done."])
    answer = await person.ask("search")
    assert answer.end["status"] == "done"
    (output,) = answer.only("tool-output-available")
    return [passage["text"] for passage in output["output"]["passages"]]


async def test_a_question_is_embedded_with_the_model_of_the_active_space(indexed: ChatWorld, person: Person) -> None:
    indexed.model.embedding = [1.0, 0.97, 0.5]
    texts = await _found(indexed, person, "synonym")
    assert [each["model"] for each in indexed.model.embedding_requests] == ["indexed-with"]
    assert texts[0] == "The rule without that word."


@pytest.mark.parametrize(
    "reply",
    [
        None,
        [0.0, 0.0, 0.0],
        [0.1, 0.2],
        [0.1, 0.2, 0.3, 0.4],
        [float("nan"), 0.2, 0.3],
        [float("inf"), 0.2, 0.3],
        {"data": []},
        {"data": [{"embedding": [1, 2, 3]}, {"embedding": [1, 2, 3]}]},
        {"error": "nothing"},
        "nonsense",
        "hangs",
    ],
    ids=repr,
)
async def test_without_a_vector_that_means_something_words_are_searched(
    indexed: ChatWorld, person: Person, reply: Any
) -> None:
    model = indexed.model
    match reply:
        case None | list():
            model.embedding = reply
        case "hangs":
            model.embedding_hangs = True
        case _:
            model.embedding_reply = reply
    limits = {"query_embedding_deadline_seconds": 0.3} if reply == "hangs" else {}
    async with indexed.another_api(**SETTINGS, **limits) as api:
        texts = await _found(indexed, person.at(api.client))
    assert len(texts) == 8
    assert all("alpha" in text for text in texts)
    assert len(model.embedding_requests) == 1


@pytest_asyncio.fixture(scope="module")
async def reranker() -> AsyncGenerator[RerankServer]:
    async with run_rerank_server() as server:
        yield server


def _rerank_settings(reranker: RerankServer) -> dict[str, Any]:
    return {
        **SETTINGS,
        "rerank_base_url": reranker.base_url,
        "rerank_api_key": "key-of-the-reranker",
        "rerank_model": "judge",
        "rerank_candidates_max": 20,
    }


async def test_a_reranker_decides_the_order(indexed: ChatWorld, person: Person, reranker: RerankServer) -> None:
    plain = await _found(indexed, person)
    async with indexed.another_api(**_rerank_settings(reranker)) as api:
        elsewhere = person.at(api.client)
        reranker.requests.clear()
        reranker.favourite = "no such text"
        await _found(indexed, elsewhere)
        ((body, authorization),) = reranker.requests
        assert (body["model"], body["query"], body["top_n"]) == ("judge", "alpha", 8)
        assert authorization == "Bearer key-of-the-reranker"
        assert len(body["documents"]) == 20
        assert body["documents"][0] == f"Handbook\n{plain[0]}"
        # One that fused ranks left out of the eight.
        late = body["documents"][15].removeprefix("Handbook\n")
        assert late not in plain
        reranker.favourite = late
        texts = await _found(indexed, elsewhere)
        assert texts[0] == late
        assert texts[1:] == plain[:7]


@pytest.mark.parametrize(
    ("status", "reply"),
    [
        (500, {"error": "a secret of the provider"}),
        (429, {}),
        (200, "nonsense"),
        (200, {"results": [{"index": 99, "relevance_score": 1}]}),
        (200, {"results": [{"index": -1, "relevance_score": 1}]}),
        (200, {"results": [{"index": 0, "relevance_score": 1}, {"index": 0, "relevance_score": 0.5}]}),
        (200, '{"results": [{"index": 3, "relevance_score": NaN}]}'),
        (200, {"results": [{"index": "first", "relevance_score": 1}]}),
        (200, {"results": []}),
        (200, "hangs"),
    ],
    ids=repr,
)
async def test_a_reranker_that_fails_leaves_the_fused_order(
    indexed: ChatWorld, person: Person, reranker: RerankServer, status: int, reply: Any
) -> None:
    plain = await _found(indexed, person)
    reranker.status, reranker.reply, reranker.hangs = status, reply, reply == "hangs"
    try:
        limits = {"rerank_deadline_seconds": 0.3} if reply == "hangs" else {}
        async with indexed.another_api(**_rerank_settings(reranker), **limits) as api:
            assert await _found(indexed, person.at(api.client)) == plain
    finally:
        reranker.status, reranker.reply, reranker.hangs = 200, None, False


async def test_what_a_reranker_does_not_name_follows(
    indexed: ChatWorld, person: Person, reranker: RerankServer
) -> None:
    plain = await _found(indexed, person)
    reranker.reply = {"results": [{"index": 4, "relevance_score": 0.9, "document": {"text": "extra"}}], "usage": {}}
    try:
        async with indexed.another_api(**_rerank_settings(reranker)) as api:
            texts = await _found(indexed, person.at(api.client))
    finally:
        reranker.reply = None
    assert texts == [plain[4], *plain[:4], *plain[5:8]]
