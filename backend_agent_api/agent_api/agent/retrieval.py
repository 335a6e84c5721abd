"""Finding passages: by the words of a question and by its vector, then in the reranker's order where there is one."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import structlog

from agent_api.agent import queries
from agent_api.database import Database
from agent_api.embeddings import Embedder, EmbeddingUnavailable, open_embedder
from agent_api.rerank import Reranker, open_reranker
from agent_api.settings import Settings

log = structlog.stdlib.get_logger(__name__)


class Retriever:
    """One per process."""

    def __init__(self, database: Database, embedder: Embedder, reranker: Reranker | None) -> None:
        self._database = database
        self._embedder = embedder
        self._reranker = reranker

    async def search(
        self, query: str, *, user_id: UUID, document_id: str | None = None, limit: int
    ) -> list[queries.Row]:
        """The best passages that the person may read, best first; of one document, if that is given."""
        async with self._database.statement() as connection:
            space = await queries.find_active_space(connection)
        embedding = await self._embed(query, space)
        async with self._database.transaction() as connection:
            rows = await queries.search_documents(
                connection,
                user_id=user_id,
                query=query,
                embedding=embedding,
                space_id=None if space is None else space.id,
                document_ids=None if document_id is None else [document_id],
                limit=limit if self._reranker is None else self._reranker.candidates_max,
            )
        if self._reranker is None:
            return rows
        order = await self._reranker.order(query, [_told_whole(row) for row in rows], limit=limit)
        return [rows[place] for place in order]

    async def _embed(self, query: str, space: queries.Space | None) -> list[float] | None:
        """The vector in the space that is searched; None: words alone, because a vector of another says nothing."""
        try:
            # Before there is a space, an earlier version's chunks are of the configured model.
            embedding = await self._embedder.embed(query, model=None if space is None else space.model)
        except EmbeddingUnavailable as error:
            log.warning("query_embedding_failed", exc_info=error)
            return None
        if space is not None and len(embedding) != space.dimensions:
            log.warning(
                "query_embedding_of_another_dimension",
                expected=space.dimensions,
                given=len(embedding),
                model=space.model,
            )
            return None
        return embedding


def _told_whole(row: queries.Row) -> str:
    """A passage as a reranker judges it: with what stands above it."""
    above = " > ".join(part for part in (row["title"], row["heading_path"]) if part)
    return f"{above}\n{row['content']}" if above else str(row["content"])


@asynccontextmanager
async def open_retriever(settings: Settings, database: Database) -> AsyncGenerator[Retriever]:
    """The configured ways to find passages, with their connections."""
    async with open_embedder(settings) as embedder, open_reranker(settings) as reranker:
        yield Retriever(database, embedder, reranker)
