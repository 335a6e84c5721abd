"""The tools that a model may call. Each works for the person of the turn and returns plain data.

What a document says goes to the model inside JSON strings: whatever is written in it, it cannot end one.
"""

from typing import Any

from pydantic_ai import ModelRetry, RunContext
from pydantic_ai.messages import ToolReturn

from agent_api.agent import queries
from agent_api.agent.citations import UNTITLED
from agent_api.agent.dependencies import AgentDependencies
from agent_api.documents.reading import read_page
from agent_api.text import clean_text

QUERY_MAX_CHARACTERS = 2_000
PASSAGES_MAX = 8
DOCUMENTS_MAX = 100
NO_SUCH_DOCUMENT = "there is no such document; use a document_id that another tool returned"
STATES = {
    "indexed": "indexed",
    "pending": "waits to be indexed, cannot be searched yet",
    "indexing": "is being indexed, cannot be searched yet",
    "failed": "could not be indexed",
    "not_indexed": "is not indexed",
}
STATES_WITH_TEXT = {
    "pending": "waits to be indexed anew; its text of before can be searched",
    "indexing": "is being indexed anew; its text of before can be searched",
    "failed": "could not be indexed anew; its text of before can be searched",
}


def _line(text: str | None) -> str | None:
    """An argument without what cannot be looked for; None where nothing is left."""
    return clean_text(text).strip()[:QUERY_MAX_CHARACTERS] or None if text else None


async def retrieve_relevant_documents(
    context: RunContext[AgentDependencies], query: str, document_id: str | None = None
) -> ToolReturn:
    """Find passages in the documents that help to answer a question. Cite a passage by its number, as [1].

    Args:
        query: What to look for, in the words a document would use.
        document_id: Only look in this document.
    """
    deps = context.deps
    wanted = _line(query)
    if wanted is None:
        raise ModelRetry("query must not be empty")
    document_id = _line(document_id)
    if document_id is not None:
        await _require_document(deps, document_id)
    rows = await deps.retriever.search(wanted, user_id=deps.user_id, document_id=document_id, limit=PASSAGES_MAX)
    numbers, sources = deps.citations.number(rows)
    passages = [_passage(number, row) for number, row in zip(numbers, rows, strict=True)]
    return ToolReturn(return_value={"passages": passages}, metadata=sources)


def _passage(number: int, row: queries.Row) -> dict[str, Any]:
    told = {
        "number": number,
        "document_id": row["document_id"],
        "title": row["title"] or UNTITLED,
        "page": row["page"],
        "heading": row["heading_path"],
        "text": row["content"],
    }
    return {key: value for key, value in told.items() if value is not None}


async def _require_document(deps: AgentDependencies, document_id: str) -> queries.Row:
    async with deps.database.statement() as connection:
        document = await queries.find_document(connection, user_id=deps.user_id, document_id=document_id)
    if document is None:
        raise ModelRetry(NO_SUCH_DOCUMENT)
    return document


def _document(row: queries.Row) -> dict[str, Any]:
    status = row["status"]
    state = STATES_WITH_TEXT.get(status, STATES[status]) if row["chunk_count"] else STATES[status]
    told = {"document_id": row["id"], "title": row["title"] or UNTITLED, "state": state}
    if status in ("failed", "not_indexed", "indexed") and row["error_message"]:
        told["note" if status == "indexed" else "reason"] = row["error_message"]
    return told


async def list_documents(context: RunContext[AgentDependencies], query: str | None = None) -> dict[str, Any]:
    """List the documents there are, newest first, with the state of each.

    Args:
        query: Only documents whose title or file name holds this text.
    """
    async with context.deps.database.statement() as connection:
        rows, total = await queries.list_documents(
            connection, user_id=context.deps.user_id, text=_line(query), limit=DOCUMENTS_MAX
        )
    return {"documents": [_document(row) for row in rows], "total": total}


async def get_document_content(context: RunContext[AgentDependencies], document_id: str, page: int = 1) -> ToolReturn:
    """Read one document from its beginning, a page of text at a time. Cite a page of text by its number, as [1].

    Args:
        document_id: The id that another tool returned.
        page: Which page of the text, from 1.
    """
    deps = context.deps
    document = await _require_document(deps, _line(document_id) or "")
    async with deps.database.transaction() as connection:
        found = await read_page(connection, user_id=deps.user_id, document_id=document["id"], page=max(page, 1))
    told = {**_document(document), "page": found.number, "pages": found.count, "text": found.text}
    if not found.text:
        return ToolReturn(return_value=told)
    number, sources = deps.citations.number_page(document, found)
    return ToolReturn(return_value={"number": number, **told}, metadata=sources)
