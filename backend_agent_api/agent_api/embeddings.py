"""Vectors for queries, from the embedding service that the documents were embedded by."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI, OpenAIError

from agent_api.settings import Settings


class EmbeddingUnavailable(Exception):
    """The embedding model gave no vector. A search then uses words alone, never a made-up vector."""


class Embedder:
    """Turns one query into one vector. `model` is the configured one; documents may still be in another's space."""

    def __init__(self, client: AsyncOpenAI, *, model: str, deadline_seconds: float) -> None:
        self._client = client
        self._deadline_seconds = deadline_seconds
        self.model = model

    async def embed(self, text: str, *, model: str | None = None) -> list[float]:
        """The vector of a query, as long as the model makes it. Raises EmbeddingUnavailable."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                reply = await self._client.embeddings.create(model=model or self.model, input=text)
        except (OpenAIError, TimeoutError, ValueError, TypeError, AttributeError, LookupError) as error:
            # From the third on: how the client library fails at an answer that is none.
            raise EmbeddingUnavailable from error
        vectors = reply.data
        if len(vectors) != 1 or not _is_direction(vectors[0].embedding):
            raise EmbeddingUnavailable
        return vectors[0].embedding


def _is_direction(vector: list[float]) -> bool:
    """Zeros, and what is no number, are near to everything and to nothing."""
    return any(vector) and all(math.isfinite(value) for value in vector)


@asynccontextmanager
async def open_embedder(settings: Settings) -> AsyncGenerator[Embedder]:
    """The configured embedding service with its connections."""
    async with AsyncOpenAI(
        base_url=settings.embedding_base_url,
        api_key=settings.embedding_api_key.get_secret_value() or "not-needed",
        timeout=settings.embedding_timeout_seconds,
        max_retries=settings.model_retries_max,
    ) as client:
        yield Embedder(
            client,
            model=settings.embedding_model_choice,
            deadline_seconds=settings.query_embedding_deadline_seconds,
        )
