"""What a person may see of documents, and change about them."""

from datetime import datetime
from uuid import UUID

from agent_api.database import Connection
from agent_api.documents import queries
from agent_api.documents.access import Document, get_viewer
from agent_api.documents.access import get_document as find_document
from agent_api.documents.kinds import FILE_EXTENSIONS
from agent_api.documents.limits import Limits
from agent_api.documents.schemas import (
    DocumentCounts,
    DocumentPage,
    DocumentRead,
    DocumentSummary,
    DocumentUpdate,
    PipelineRead,
    UploadLimits,
    UploadUsage,
)
from agent_api.errors import Forbidden, InvalidRequest
from agent_api.pagination import decode_cursor, encode_cursor

PRIORITY_OF_PEOPLE = 100
"""Above what a sync queues."""


async def list_documents(
    connection: Connection,
    *,
    user_id: UUID,
    scope: str,
    status: str | None,
    text: str | None,
    limit: int,
    cursor: str | None,
) -> DocumentPage:
    """One page, newest first. Raises InvalidRequest for a cursor that is none of ours."""
    viewer = await get_viewer(connection, user_id=user_id)
    rows = await queries.list_documents(
        connection,
        user_id=user_id,
        scope=scope,
        status=status,
        text=text or None,
        # One more than asked for tells whether another page follows.
        limit=limit + 1,
        before=_read_cursor(cursor),
    )
    page = rows[:limit]
    more = len(rows) > limit
    return DocumentPage(
        items=[Document(row, viewer).read() for row in page],
        next_cursor=encode_cursor(page[-1]["created_at"].isoformat(), page[-1]["id"]) if more else None,
    )


def _read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if not cursor:
        return None
    moment, document_id = decode_cursor(cursor, str, str)
    try:
        before = datetime.fromisoformat(moment)
        # Postgres reads no moment without its zone the same way everywhere.
        if before.tzinfo is None:
            raise ValueError
    except ValueError:
        raise InvalidRequest("cursor: not one that this service gave out", field="cursor") from None
    return before, document_id


async def get_document(connection: Connection, *, user_id: UUID, document_id: str) -> DocumentRead:
    """One document. Raises DocumentNotFound."""
    viewer = await get_viewer(connection, user_id=user_id)
    return (await find_document(connection, viewer, document_id=document_id)).read()


async def get_summary(connection: Connection, *, user_id: UUID, limits: Limits) -> DocumentSummary:
    """Counts, and what may still be uploaded."""
    viewer = await get_viewer(connection, user_id=user_id)
    states = await queries.count_by_status(connection, user_id=user_id)
    counted = {row["status"]: row["documents"] for row in states}
    pipelines = await queries.list_pipelines(connection)
    usage = await queries.usage_of(connection, user_id=user_id)
    return DocumentSummary(
        counts=DocumentCounts(**{name: counted.get(name, 0) for name in DocumentCounts.model_fields}),
        searchable_count=sum(row["searchable"] for row in states),
        chunk_count=sum(row["chunks"] for row in states),
        last_sync_at=max((row["last_run"] for row in pipelines if row["last_run"]), default=None),
        pipelines=[PipelineRead.model_validate(dict(row)) for row in pipelines] if viewer.is_admin else [],
        limits=UploadLimits(
            file_max_bytes=limits.file_max_bytes,
            documents_max=limits.documents_max,
            total_max_bytes=limits.total_max_bytes,
            file_extensions=list(FILE_EXTENSIONS),
        ),
        usage=UploadUsage(documents=usage["documents"], bytes=usage["bytes"]),
    )


async def update_document(
    connection: Connection, *, user_id: UUID, document_id: str, changes: DocumentUpdate
) -> DocumentRead:
    """Rename it, or change who may read it. Raises DocumentNotFound, ManagedBySource and Forbidden."""
    viewer = await get_viewer(connection, user_id=user_id)
    document = await find_document(connection, viewer, document_id=document_id, lock=True)
    document.require_change()
    if changes.title is not None:
        await queries.rename(connection, document_id=document_id, title=changes.title)
    if changes.is_shared is not None and changes.is_shared != document.is_shared:
        await share(connection, document, is_shared=changes.is_shared)
    return (await find_document(connection, viewer, document_id=document_id)).read()


async def share(connection: Connection, document: Document, *, is_shared: bool) -> None:
    """Show a locked document to everyone, or to its uploader alone. Raises Forbidden."""
    if not document.can_share:
        raise Forbidden
    owner_id = None if is_shared else document.uploader_id
    await queries.set_owner(
        connection, document_id=document.id, owner_id=owner_id, chunk_count=document.row["chunk_count"]
    )


async def retry_document(connection: Connection, *, user_id: UUID, document_id: str) -> DocumentRead:
    """Queue a failed document again, ahead of a sync. Raises DocumentNotFound and Forbidden."""
    viewer = await get_viewer(connection, user_id=user_id)
    document = await find_document(connection, viewer, document_id=document_id, lock=True)
    if not document.may_retry:
        raise Forbidden
    if document.is_retried:
        await queries.forget_failures(connection, document_id=document_id)
        await queries.enqueue(connection, document_id=document_id, priority=PRIORITY_OF_PEOPLE)
    return (await find_document(connection, viewer, document_id=document_id)).read()
