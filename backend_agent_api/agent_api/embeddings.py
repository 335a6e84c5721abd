"""Vectors for queries, from the configured embedding model."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI, OpenAIError

from agent_api.settings import Settings


class EmbeddingUnavailable(Exception):
    """The embedding model gave no vector. A search then uses words alone, never a made-up vector."""


class Embedder:
    """Turns one query into one vector."""

    def __init__(self, client: AsyncOpenAI, *, model: str) -> None:
        self._client = client
        self.model = model

    async def embed(self, text: str) -> list[float]:
        """The vector of a query, as long as the model makes it. Raises EmbeddingUnavailable."""
        try:
            reply = await self._client.embeddings.create(model=self.model, input=text)
        except OpenAIError as error:
            raise EmbeddingUnavailable from error
        if len(reply.data) != 1 or not any(reply.data[0].embedding):
            raise EmbeddingUnavailable
        return reply.data[0].embedding


@asynccontextmanager
async def open_embedder(settings: Settings) -> AsyncGenerator[Embedder]:
    """The configured embedding model with its connections."""
    async with AsyncOpenAI(
        base_url=settings.embedding_base_url,
        api_key=settings.embedding_api_key.get_secret_value() or "not-needed",
        timeout=settings.embedding_timeout_seconds,
        max_retries=settings.model_retries_max,
    ) as client:
        yield Embedder(client, model=settings.embedding_model_choice)
