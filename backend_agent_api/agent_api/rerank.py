"""Putting passages in the order in which they answer a question, by a reranking model where one is configured."""

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import httpx
import structlog
from pydantic import BaseModel

from agent_api.settings import Settings

log = structlog.stdlib.get_logger(__name__)


class _Result(BaseModel):
    index: int
    relevance_score: float


class _Reply(BaseModel):
    results: list[_Result]


class Reranker:
    """POST {base}/rerank, as Cohere, Jina, vLLM and others serve it."""

    def __init__(self, client: httpx.AsyncClient, settings: Settings) -> None:
        self._client = client
        self._url = f"{settings.rerank_base_url}/rerank"
        self._model = settings.rerank_model
        self._deadline_seconds = settings.rerank_deadline_seconds
        self.candidates_max = settings.rerank_candidates_max

    async def order(self, query: str, texts: Sequence[str], *, limit: int) -> list[int]:
        """Places in `texts`, best first, at most `limit`. Where the service fails, the order they came in."""
        if len(texts) < 2:
            return list(range(len(texts)))
        body = {"model": self._model, "query": query, "documents": list(texts), "top_n": min(limit, len(texts))}
        try:
            async with asyncio.timeout(self._deadline_seconds):
                response = await self._client.post(self._url, json=body)
            response.raise_for_status()
            places = _places(_Reply.model_validate_json(response.content), count=len(texts))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            log.warning("rerank_failed", exc_info=error)
            places = []
        # What it did not name follows in the order it came in.
        rest = [place for place in range(len(texts)) if place not in places]
        return (places + rest)[:limit]


def _places(reply: _Reply, *, count: int) -> list[int]:
    """Raises ValueError for an answer about other texts than were sent."""
    places = [result.index for result in sorted(reply.results, key=lambda each: -each.relevance_score)]
    if len(set(places)) != len(places) or not all(0 <= place < count for place in places):
        raise ValueError("places that were not asked about, or one of them twice")
    if not all(math.isfinite(result.relevance_score) for result in reply.results):
        raise ValueError("a score that is no number")
    return places


@asynccontextmanager
async def open_reranker(settings: Settings) -> AsyncGenerator[Reranker | None]:
    """The configured reranker with its connections; None where there is none."""
    if not settings.rerank_base_url:
        yield None
        return
    key = settings.rerank_api_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(headers=headers, timeout=settings.rerank_deadline_seconds) as client:
        yield Reranker(client, settings)
