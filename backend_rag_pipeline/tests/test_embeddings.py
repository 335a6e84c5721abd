"""The embedder against a real server on a port, with the faults of real services."""

import asyncio
import socket
import time
from array import array
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager

import httpx
import pytest
from rag_support.embedding_server import EmbeddingServer, Fault, FaultKind, run_embedding_server, vector_of

from rag_pipeline.embeddings.client import EmbeddingClient
from rag_pipeline.embeddings.embedder import BATCH_MAX_CHARACTERS, Embedder
from rag_pipeline.embeddings.errors import EmbeddingRefused, EmbeddingUnavailable
from rag_pipeline.embeddings.wire import Vector


@pytest.fixture
def server() -> Generator[EmbeddingServer]:
    with run_embedding_server() as running:
        yield running


@asynccontextmanager
async def embedder_for(
    server: EmbeddingServer,
    *,
    batch_size: int = 10,
    concurrency: int = 4,
    timeout_seconds: float = 60,
    deadline_seconds: float = 120,
    retries_max: int = 2,
    api_key: str = "key",
) -> AsyncGenerator[Embedder]:
    async with httpx.AsyncClient() as http:
        client = EmbeddingClient(
            http,
            base_url=server.url,
            api_key=api_key,
            model="stand-in",
            concurrency=concurrency,
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            retries_max=retries_max,
        )
        embedder = Embedder(client, batch_size=batch_size, concurrency=concurrency)
        try:
            yield embedder
        finally:
            await embedder.close()


async def until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.01)


def expected(texts: list[str], server: EmbeddingServer) -> list[Vector]:
    return [array("f", vector_of(text, server.dimensions)) for text in texts]


async def test_texts_are_embedded_in_batches_and_in_order(server: EmbeddingServer) -> None:
    texts = [f"text {number}" for number in range(95)]
    async with embedder_for(server, batch_size=10) as embedder:
        assert await embedder.embed(texts) == expected(texts, server)
        assert await embedder.embed([]) == []
    assert server.calls == 10
    assert sorted(server.texts) == sorted(texts)


async def test_requests_overlap_but_no_more_than_allowed(server: EmbeddingServer) -> None:
    server.latency_seconds = 0.1
    server.hold()
    async with embedder_for(server, batch_size=1, concurrency=3) as embedder:
        embedding = asyncio.create_task(embedder.embed([f"text {number}" for number in range(12)]))
        await until(lambda: server.calls == 3)
        server.released.set()
        await embedding
    assert server.at_once_max == 3


async def test_documents_share_batches(server: EmbeddingServer) -> None:
    server.latency_seconds = 0.02
    async with embedder_for(server, batch_size=50, concurrency=1) as embedder:
        documents = [[f"document {number} passage {part}" for part in range(2)] for number in range(20)]
        results = await asyncio.gather(*(embedder.embed(document) for document in documents))
    assert results == [expected(document, server) for document in documents]
    assert server.calls <= 2


async def test_a_large_document_lets_small_ones_pass(server: EmbeddingServer) -> None:
    server.latency_seconds = 0.01
    async with embedder_for(server, batch_size=5, concurrency=1) as embedder:
        large = asyncio.create_task(embedder.embed([f"large {number}" for number in range(200)]))
        await asyncio.sleep(0)
        await embedder.embed(["small"])
        assert not large.done()
        await large
    assert next(index for index, batch in enumerate(server.batches) if "small" in batch) <= 2


async def test_documents_that_come_shortly_after_one_another_share_a_request(
    server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag_pipeline.embeddings.embedder.GATHER_SECONDS", 5)
    async with embedder_for(server, batch_size=50) as embedder:
        documents: list[asyncio.Task[list[Vector]]] = []
        for number in range(6):
            documents.append(asyncio.create_task(embedder.embed([f"text {number}"])))
            # Whatever is ready runs: without the wait a request goes out here.
            for _ in range(20):
                await asyncio.sleep(0)
        vectors = await asyncio.gather(*documents)
    assert [vector for (vector,) in vectors] == expected([f"text {number}" for number in range(6)], server)
    assert server.calls == 1


async def test_a_full_request_waits_for_nobody(server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag_pipeline.embeddings.embedder.GATHER_SECONDS", 600)
    async with embedder_for(server, batch_size=2) as embedder, asyncio.timeout(60):
        await embedder.embed([f"text {number}" for number in range(4)])
    assert [len(batch) for batch in server.batches] == [2, 2]


async def test_a_batch_is_limited_by_size_too(server: EmbeddingServer) -> None:
    texts = [str(number) + "x" * (BATCH_MAX_CHARACTERS // 3) for number in range(6)]
    async with embedder_for(server, batch_size=100) as embedder:
        assert await embedder.embed(texts) == expected(texts, server)
    assert all(sum(map(len, batch)) <= BATCH_MAX_CHARACTERS for batch in server.batches)


async def test_vectors_that_come_out_of_order_go_to_their_texts(server: EmbeddingServer) -> None:
    server.is_shuffled = True
    texts = [f"text {number}" for number in range(7)]
    async with embedder_for(server) as embedder:
        assert await embedder.embed(texts) == expected(texts, server)


@pytest.mark.parametrize(("knows", "speaks"), [(True, True), (True, False), (False, False)])
async def test_base64_and_plain_numbers_give_the_same(server: EmbeddingServer, knows: bool, speaks: bool) -> None:
    server.knows_base64, server.speaks_base64 = knows, speaks
    async with embedder_for(server) as embedder:
        assert await embedder.dimensions() == server.dimensions
        assert await embedder.embed(["a", "b"]) == expected(["a", "b"], server)
    assert server.calls == (2 if knows else 3)


@pytest.mark.parametrize("kind", ["429", "500", "reset", "garbage", "short", "nan", "zero", "mixed_dimensions"])
async def test_a_passing_fault_is_survived(server: EmbeddingServer, kind: FaultKind) -> None:
    texts = ["a", "b", "c"]
    async with embedder_for(server) as embedder:
        await embedder.dimensions()
        server.faults.append(Fault(kind))
        assert await embedder.embed(texts) == expected(texts, server)
    assert server.calls == 3


@pytest.mark.parametrize("kind", ["nan", "zero", "garbage", "short"])
async def test_a_lasting_wrong_answer_never_becomes_a_vector(server: EmbeddingServer, kind: FaultKind) -> None:
    server.every_answer = Fault(kind)
    async with embedder_for(server) as embedder:
        with pytest.raises(EmbeddingRefused) as refusal:
            await embedder.embed(["a", "b", "c"])
    assert refusal.value.text_index is not None


async def test_another_dimension_is_refused(server: EmbeddingServer) -> None:
    async with embedder_for(server) as embedder:
        await embedder.dimensions()
        server.every_answer = Fault("wrong_dimension")
        with pytest.raises(EmbeddingRefused, match="17 numbers instead of 16") as refusal:
            await embedder.embed(["a"])
    assert refusal.value.text_index is None


async def test_a_service_that_stays_broken_is_unavailable(server: EmbeddingServer) -> None:
    server.every_answer = Fault("500")
    async with embedder_for(server, retries_max=1) as embedder:
        with pytest.raises(EmbeddingUnavailable, match="500"):
            await embedder.embed(["a"])
    assert server.calls == 2


async def test_no_service_is_unavailable() -> None:
    with socket.socket() as taken:
        # Nobody listens there, and nobody else can.
        taken.bind(("127.0.0.1", 0))
        gone = EmbeddingServer(url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        async with embedder_for(gone, retries_max=0) as embedder:
            with pytest.raises(EmbeddingUnavailable):
                await embedder.embed(["a"])


async def test_a_service_that_hangs_is_given_up(server: EmbeddingServer) -> None:
    server.every_answer = Fault("hang")
    server.hang_seconds = 600
    async with embedder_for(server, timeout_seconds=0.2, deadline_seconds=0.6, retries_max=50) as embedder:
        began = time.monotonic()
        with pytest.raises(EmbeddingUnavailable):
            await embedder.embed(["a"])
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("kind", ["401", "404"])
async def test_a_wrong_configuration_is_refused_at_once(server: EmbeddingServer, kind: FaultKind) -> None:
    server.every_answer = Fault(kind)
    async with embedder_for(server) as embedder:
        with pytest.raises(EmbeddingRefused) as refusal:
            await embedder.embed(["a", "b"])
    assert refusal.value.text_index is None
    assert server.calls == 1


async def test_the_key_is_sent(server: EmbeddingServer) -> None:
    server.api_key = "right"
    async with embedder_for(server, api_key="right") as embedder:
        assert await embedder.dimensions() == server.dimensions
    async with embedder_for(server, api_key="wrong") as embedder:
        with pytest.raises(EmbeddingRefused, match="key"):
            await embedder.dimensions()


async def test_a_refused_text_is_named_and_harms_no_other_document(server: EmbeddingServer) -> None:
    server.refused_word = "poison"
    good = [f"good {number}" for number in range(9)]
    bad = ["fine", "fine too", "poison", "fine as well"]
    async with embedder_for(server, batch_size=64, concurrency=1) as embedder:
        await embedder.dimensions()
        results = await asyncio.gather(embedder.embed(good), embedder.embed(bad), return_exceptions=True)
    assert results[0] == expected(good, server)
    assert isinstance(results[1], EmbeddingRefused)
    assert results[1].text_index == 2
    assert "poison" not in str(results[1])


async def test_a_batch_that_is_too_large_is_halved(server: EmbeddingServer) -> None:
    server.batch_max = 16
    texts = [f"text {number}" for number in range(64)]
    async with embedder_for(server, batch_size=64) as embedder:
        await embedder.dimensions()
        assert await embedder.embed(texts) == expected(texts, server)


async def test_everybody_waits_as_long_as_the_service_asks(server: EmbeddingServer) -> None:
    texts = [f"text {number}" for number in range(20)]
    async with embedder_for(server, batch_size=1, concurrency=4) as embedder:
        pacer = embedder._client.pacer  # pyright: ignore[reportPrivateUsage] - it alone knows what it was told
        await embedder.dimensions()
        server.faults.append(Fault("429", retry_after="2"))
        server.faults_wait = False
        server.hold()
        embedding = asyncio.create_task(embedder.embed(texts))
        await until(lambda: server.calls == 1 + 4 and pacer.allowed < 4)
        server.released.set()
        assert await embedding == expected(texts, server)
    # The dimension's request, then the first four at once, one of them refused; nothing more until the pause is over.
    refused_at = server.times[1]
    assert all(moment >= refused_at + 2 for moment in server.times[1 + 4 :])
    assert server.calls == 1 + len(texts) + 1


async def test_after_429_fewer_requests_run_at_once(server: EmbeddingServer) -> None:
    async with embedder_for(server, batch_size=1, concurrency=4) as embedder:
        await embedder.dimensions()
        server.faults.append(Fault("429", retry_after="0.2"))
        await embedder.embed(["first"])
        server.at_once_max = 0
        server.latency_seconds = 0.1
        server.forget()
        server.hold()
        embedding = asyncio.create_task(embedder.embed([f"text {number}" for number in range(6)]))
        await until(lambda: server.calls == 2)
        server.released.set()
        await embedding
    assert server.at_once_max == 2


async def test_a_longer_pause_than_the_deadline_is_not_waited_for(server: EmbeddingServer) -> None:
    server.every_answer = Fault("429", retry_after="3600")
    async with embedder_for(server) as embedder:
        began = time.monotonic()
        with pytest.raises(EmbeddingUnavailable, match="patience"):
            await embedder.embed(["a"])
    assert time.monotonic() - began < 60


async def test_a_used_up_quota_is_not_retried(server: EmbeddingServer) -> None:
    server.every_answer = Fault("429", code="insufficient_quota")
    async with embedder_for(server) as embedder:
        with pytest.raises(EmbeddingUnavailable, match="quota"):
            await embedder.embed(["a"])
    assert server.calls == 1


async def test_an_empty_text_is_refused_before_any_request(server: EmbeddingServer) -> None:
    async with embedder_for(server) as embedder:
        with pytest.raises(EmbeddingRefused) as refusal:
            await embedder.embed(["a", " \n"])
    assert refusal.value.text_index == 1
    assert server.calls == 0


async def test_a_cancelled_caller_leaves_the_others_working(server: EmbeddingServer) -> None:
    server.latency_seconds = 0.05
    async with embedder_for(server, batch_size=2, concurrency=1) as embedder:
        gone = asyncio.create_task(embedder.embed([f"gone {number}" for number in range(40)]))
        stays = asyncio.create_task(embedder.embed(["stays"]))
        await asyncio.to_thread(server.first_call.wait)
        gone.cancel()
        assert await stays == expected(["stays"], server)
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert await embedder.embed(["later"]) == expected(["later"], server)
    assert server.calls < 10


async def test_a_sender_that_ends_is_not_counted_on(server: EmbeddingServer) -> None:
    async with embedder_for(server, batch_size=1, concurrency=1) as embedder:
        for number in range(100):
            async with asyncio.timeout(60):
                assert await embedder.embed([f"text {number}"])
