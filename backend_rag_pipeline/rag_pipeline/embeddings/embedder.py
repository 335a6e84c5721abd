"""Texts of many documents to vectors, in shared batches.

Documents wait in one line; whenever a request may be sent, it takes as many texts as fit, of several documents if
need be, and a document that is not done goes to the end. So small files share requests, and a large one does not keep
the others waiting.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from rag_pipeline.embeddings.client import BatchRefused, EmbeddingClient
from rag_pipeline.embeddings.errors import EmbeddingError, EmbeddingRefused, EmbeddingUnavailable
from rag_pipeline.embeddings.wire import Vector
from rag_pipeline.settings import Settings

BATCH_MAX_CHARACTERS = 200_000
"""OpenAI takes 300,000 model tokens a request; most servers' bodies end at some MB."""

GATHER_SECONDS = 0.01
"""Texts that come within this time share a request: a request costs more than the wait."""


@dataclass(frozen=True)
class _Waiting:
    """A text and who waits for its vector."""

    text: str
    index: int
    vector: asyncio.Future[Vector]


class Embedder:
    """One model. Safe for concurrent use in one event loop; its dimension never changes, unless it is forgotten."""

    def __init__(self, client: EmbeddingClient, *, batch_size: int, concurrency: int) -> None:
        self._client = client
        self._batch_size = batch_size
        self._concurrency = concurrency
        self._line: deque[deque[_Waiting]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering = 0
        self._dimensions: int | None = None

    async def dimensions(self) -> int:
        """How long the model's vectors are; asks it once. Raises EmbeddingUnavailable, EmbeddingRefused."""
        if self._dimensions is None:
            await self.embed(["How long are these vectors?"])
        assert self._dimensions is not None
        return self._dimensions

    def forget_dimensions(self) -> None:
        """Whatever comes next says how long the vectors are."""
        self._dimensions = None

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text, in order: all of them or an error.

        Raises EmbeddingUnavailable (the same may pass later), EmbeddingRefused (it will not).
        """
        if not texts:
            return []
        for index, text in enumerate(texts):
            if not text.strip():
                raise EmbeddingRefused("An empty text cannot be embedded.", text_index=index)
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(text, index, loop.create_future()) for index, text in enumerate(texts)]
        self._line.append(deque(waiting))
        self._send()
        try:
            return await asyncio.gather(*(one.vector for one in waiting))
        finally:
            for one in waiting:
                one.vector.cancel()  # Of those that are not done: they are skipped when their turn comes.

    async def close(self) -> None:
        """Give up what is still waiting."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in (one for document in self._line for one in document):
            one.vector.cancel()

    def _send(self) -> None:
        """Enough further senders for the line, at most as many in all as may run at once."""
        wanted = -(-self._texts_waiting() // self._batch_size) - self._gathering
        for _ in range(min(self._concurrency - len(self._tasks), wanted)):
            task = asyncio.create_task(self._work())
            self._tasks.add(task)

    async def _work(self) -> None:
        try:
            while self._line:
                await self._gather()
                if batch := self._take():
                    await self._embed(batch)
        finally:
            # Here and not in a callback: who joins the line next must not count on a sender that has found it empty.
            task = asyncio.current_task()
            assert task is not None
            self._tasks.discard(task)

    def _texts_waiting(self) -> int:
        return sum(len(document) for document in self._line)

    async def _gather(self) -> None:
        """Let others join a request that would not be full."""
        if self._texts_waiting() < self._batch_size:
            self._gathering += 1
            try:
                await asyncio.sleep(GATHER_SECONDS)
            finally:
                self._gathering -= 1

    def _take(self) -> list[_Waiting]:
        """The next texts in line that somebody still waits for, within both limits."""
        batch: list[_Waiting] = []
        characters = 0
        while self._line and len(batch) < self._batch_size:
            document = self._line[0]
            while document and len(batch) < self._batch_size:
                if not document[0].vector.done():
                    characters += len(document[0].text)
                    if batch and characters > BATCH_MAX_CHARACTERS:
                        self._line.rotate(-1)
                        return batch
                    batch.append(document[0])
                document.popleft()
            self._line.popleft()
            if document:
                self._line.append(document)
        return batch

    async def _embed(self, batch: Sequence[_Waiting]) -> None:
        """Give each of the batch its vector or its error."""
        try:
            vectors = await self._client.embed_batch([one.text for one in batch])
            self._check_dimensions(vectors)
        except BatchRefused as refusal:
            await self._embed_halves(batch, str(refusal))
        except EmbeddingError as error:
            _fail(batch, error)
        except BaseException:
            # Cancelled, or a fault of ours: nobody may wait for ever.
            _fail(batch, EmbeddingUnavailable("Embedding was interrupted."))
            raise
        else:
            for one, vector in zip(batch, vectors, strict=True):
                if not one.vector.done():
                    one.vector.set_result(vector)

    async def _embed_halves(self, batch: Sequence[_Waiting], reason: str) -> None:
        """A batch was too much, or one of its texts is not taken: the others must not suffer for it."""
        batch = [one for one in batch if not one.vector.done()]
        if len(batch) == 1:
            message = f"The embedding service does not take a text of {len(batch[0].text):,} characters ({reason})."
            _fail(batch, EmbeddingRefused(message, text_index=batch[0].index))
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            if half:
                await self._embed(half)

    def _check_dimensions(self, vectors: Sequence[Sequence[float]]) -> None:
        found = len(vectors[0])
        if self._dimensions is None:
            self._dimensions = found
        if found != self._dimensions:
            raise EmbeddingRefused(f"The embedding model's vectors have {found} numbers instead of {self._dimensions}.")


@asynccontextmanager
async def open_embedder(settings: Settings, *, model: str | None = None) -> AsyncGenerator[Embedder]:
    """An embedder for a model of the configured service (the configured one by default), with its connections."""
    concurrency = settings.embedding_concurrency
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(follow_redirects=False, limits=limits) as http:
        client = EmbeddingClient(
            http,
            base_url=settings.embedding_base_url,
            api_key=settings.embedding_api_key.get_secret_value(),
            model=model or settings.embedding_model_choice,
            concurrency=concurrency,
            timeout_seconds=settings.embedding_timeout_seconds,
            deadline_seconds=settings.embedding_deadline_seconds,
            retries_max=settings.embedding_retries_max,
        )
        embedder = Embedder(client, batch_size=settings.embedding_batch_size, concurrency=concurrency)
        try:
            yield embedder
        finally:
            await embedder.close()


def _fail(batch: Sequence[_Waiting], error: EmbeddingError) -> None:
    for one in batch:
        if not one.vector.done():
            # Each its own: an exception that is raised twice gathers both tracebacks.
            index = one.index if isinstance(error, EmbeddingRefused) and error.text_index is not None else None
            copy = EmbeddingRefused(str(error), text_index=index) if isinstance(error, EmbeddingRefused) else None
            one.vector.set_exception(copy or EmbeddingUnavailable(str(error)))
