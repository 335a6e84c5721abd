"""The tools that a model may call. Each works for the person of the turn and returns plain data."""

from typing import Any

import structlog
from pydantic_ai import ModelRetry, RunContext
from pydantic_ai.messages import ToolReturn
from pydantic_ai.ui.vercel_ai.response_types import SourceDocumentChunk

from agent_api.agent import queries
from agent_api.agent.dependencies import AgentDependencies
from agent_api.embeddings import EmbeddingUnavailable
from agent_api.text import clean_text

log = structlog.stdlib.get_logger(__name__)

QUERY_MAX_CHARACTERS = 2_000
PASSAGES_MAX = 8
DOCUMENTS_MAX = 200
PAGE_CHARACTERS = 12_000


async def _embed(deps: AgentDependencies, query: str) -> list[float] | None:
    try:
        return await deps.embedder.embed(query)
    except EmbeddingUnavailable as error:
        log.warning("query_embedding_failed", exc_info=error)
        return None


async def retrieve_relevant_documents(context: RunContext[AgentDependencies], query: str) -> ToolReturn:
    """Find passages in the documents that help to answer a question.

    Args:
        query: What to look for, in the words a document would use.
    """
    deps = context.deps
    query = clean_text(query).strip()[:QUERY_MAX_CHARACTERS]
    if not query:
        raise ModelRetry("query must not be empty")
    embedding = await _embed(deps, query)
    async with deps.database.transaction() as connection:
        space_id = None
        if embedding is not None:
            space_id = await queries.find_embedding_space(
                connection, model=deps.embedder.model, dimensions=len(embedding)
            )
        rows = await queries.search_documents(
            connection,
            user_id=deps.user_id,
            query=query,
            embedding=embedding,
            space_id=space_id,
            limit=PASSAGES_MAX,
        )
    passages = [
        {"document_id": row["document_id"], "title": row["title"], "page": row["page"], "text": row["content"]}
        for row in rows
    ]
    return ToolReturn(return_value={"passages": passages}, metadata=_sources(rows))


def _sources(rows: list[queries.Row]) -> list[SourceDocumentChunk]:
    return [
        SourceDocumentChunk(
            source_id=str(row["chunk_id"]),
            media_type="text/plain",
            title=row["title"] or "Untitled document",
            provider_metadata={
                "passage": {
                    key: row[key]
                    for key in ("document_id", "url", "page", "char_start", "char_end")
                    if row[key] is not None
                }
            },
        )
        for row in rows
    ]


async def list_documents(context: RunContext[AgentDependencies]) -> dict[str, Any]:
    """List the documents that can be searched."""
    async with context.deps.database.statement() as connection:
        rows = await queries.list_documents(connection, user_id=context.deps.user_id, limit=DOCUMENTS_MAX)
    return {"documents": [{"document_id": row["id"], "title": row["title"]} for row in rows]}


async def get_document_content(
    context: RunContext[AgentDependencies], document_id: str, page: int = 1
) -> dict[str, Any]:
    """Read one document from its beginning, a page of text at a time.

    Args:
        document_id: The id that another tool returned.
        page: Which page of the text, from 1.
    """
    async with context.deps.database.statement() as connection:
        rows = await queries.read_document(
            connection, user_id=context.deps.user_id, document_id=clean_text(document_id)
        )
    if not rows:
        raise ModelRetry("there is no such document; use an id that list_documents returned")
    text = "\n\n".join(row["content"] or "" for row in rows)
    pages = max(1, -(-len(text) // PAGE_CHARACTERS))
    page = min(max(page, 1), pages)
    return {"page": page, "pages": pages, "text": text[(page - 1) * PAGE_CHARACTERS : page * PAGE_CHARACTERS]}
