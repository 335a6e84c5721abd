"""HTTP of documents."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from agent_api.auth import CurrentUser
from agent_api.database import Transaction
from agent_api.documentation import documented
from agent_api.documents import reading, service
from agent_api.documents.dependencies import UploadsOf, take_seat
from agent_api.documents.errors import (
    DocumentNotFound,
    FileNotFound,
    FileTooLarge,
    ManagedBySource,
    PassageNotFound,
    QuotaExceeded,
    StorageUnavailable,
    UnsupportedType,
    UploadTimedOut,
)
from agent_api.documents.receiving import UPLOAD_BODY, read_upload
from agent_api.documents.schemas import (
    CONTENT_PAGE_MAX,
    ChunkId,
    CitedPassage,
    DocumentContent,
    DocumentId,
    DocumentPage,
    DocumentRead,
    DocumentStatus,
    DocumentSummary,
    DocumentUpdate,
    PassageRead,
    Scope,
    SearchText,
)
from agent_api.errors import AccountNotFound, Forbidden, RateLimited, ServerBusy
from agent_api.pagination import PAGE_MAX, Cursor

DOCUMENTS_PATH = "/api/documents"
router = APIRouter(prefix=DOCUMENTS_PATH, tags=["documents"])

DOCUMENT_ID = "5b1f6a0e-93f8-4a52-9f0e-2a8f6c3d7b11"
DOCUMENT_EXAMPLE: dict[str, Any] = {
    "id": DOCUMENT_ID,
    "title": "Rental contract",
    "file_name": "Rental contract.pdf",
    "url": None,
    "source": "upload",
    "mime_type": "application/pdf",
    "size_bytes": 183_412,
    "status": "indexed",
    "error": None,
    "is_quarantined": False,
    "chunk_count": 31,
    "page_count": 9,
    "is_shared": False,
    "is_own": True,
    "can_delete": True,
    "can_share": False,
    "can_retry": False,
    "created_at": "2026-11-21T10:15:00Z",
    "updated_at": "2026-11-21T10:15:07Z",
    "indexed_at": "2026-11-21T10:15:07Z",
}
PENDING_EXAMPLE = {**DOCUMENT_EXAMPLE, "status": "pending", "chunk_count": 0, "page_count": None, "indexed_at": None}
SUMMARY_EXAMPLE: dict[str, Any] = {
    "counts": {"pending": 1, "indexing": 0, "indexed": 41, "failed": 1, "not_indexed": 2},
    "searchable_count": 41,
    "chunk_count": 1204,
    "last_sync_at": "2026-11-21T10:15:00Z",
    "pipelines": [],
    "limits": {
        "file_max_bytes": 20_971_520,
        "documents_max": 200,
        "total_max_bytes": 524_288_000,
        "file_extensions": [".docx", ".md", ".pdf"],
    },
    "usage": {"documents": 3, "bytes": 912_004},
}
CONTENT_EXAMPLE = {
    "document": {"id": DOCUMENT_ID, "title": "Rental contract"},
    "page": 1,
    "pages": 3,
    "text": "# Rental contract\n\nThe notice period is three months.",
}
PASSAGE_EXAMPLE = {
    "document": {"id": DOCUMENT_ID, "title": "Rental contract", "url": None, "source": "upload"},
    "chunk_id": 812,
    "page": 4,
    "heading_path": "Termination",
    "char_start": 8_210,
    "char_end": 8_245,
    "content": "The notice period is three months.",
    "before": "Either party may end the contract.",
    "after": "Notice is given in writing.",
}
FILE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-store",
}


@router.get(
    "",
    summary="The documents I may read",
    responses=documented(AccountNotFound, example={"items": [DOCUMENT_EXAMPLE], "next_cursor": None}),
)
async def list_documents(
    user: CurrentUser,
    connection: Transaction,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
    cursor: Cursor = None,
    scope: Annotated[Scope, Query(description="own: uploaded by me; shared: readable by everyone.")] = "all",
    status: Annotated[DocumentStatus | None, Query(description="Only documents in this state.")] = None,
    q: SearchText = None,
) -> DocumentPage:
    """Return one page of shared documents and of the caller's own, newest first."""
    return await service.list_documents(
        connection, user_id=user.id, scope=scope, status=status, text=q, limit=limit, cursor=cursor
    )


@router.get(
    "/summary", summary="What is indexed, in numbers", responses=documented(AccountNotFound, example=SUMMARY_EXAMPLE)
)
async def get_summary(user: CurrentUser, connection: Transaction, uploads: UploadsOf) -> DocumentSummary:
    """Return counts over all documents the caller may read, and what they may still upload."""
    return await service.get_summary(connection, user_id=user.id, limits=uploads.limits)


@router.post(
    "",
    summary="Upload a document",
    status_code=201,
    response_model=DocumentRead,
    openapi_extra={"requestBody": UPLOAD_BODY},
    responses={
        **documented(
            AccountNotFound,
            Forbidden,
            QuotaExceeded,
            UploadTimedOut,
            FileTooLarge,
            UnsupportedType,
            StorageUnavailable,
            ServerBusy,
            example=PENDING_EXAMPLE,
            status=201,
        ),
        200: {
            "model": DocumentRead,
            "description": "The caller uploaded the same content before: that document.",
            "content": {"application/json": {"example": DOCUMENT_EXAMPLE}},
        },
    },
)
async def upload_document(request: Request, user: CurrentUser, uploads: UploadsOf) -> Response:
    """Store a file and queue it to be indexed. It is private to the caller unless `is_shared`.

    Repeatable: the same content sent again by the same person is the same document.
    """
    async with read_upload(request, uploads.limits) as upload:
        document, is_new = await uploads.store(upload, user_id=user.id)
    return JSONResponse(document.model_dump(mode="json"), status_code=201 if is_new else 200)


@router.patch(
    "/{document_id:path}",
    summary="Rename or share",
    responses=documented(AccountNotFound, Forbidden, DocumentNotFound, ManagedBySource, example=DOCUMENT_EXAMPLE),
)
async def update_document(
    document_id: DocumentId, changes: DocumentUpdate, user: CurrentUser, connection: Transaction
) -> DocumentRead:
    """Rename an upload; administrators also show theirs to everyone, or take that back."""
    return await service.update_document(connection, user_id=user.id, document_id=document_id, changes=changes)


@router.delete(
    "/{document_id:path}",
    summary="Delete a document",
    status_code=204,
    responses=documented(AccountNotFound, Forbidden, DocumentNotFound, ManagedBySource),
)
async def delete_document(document_id: DocumentId, user: CurrentUser, uploads: UploadsOf) -> None:
    """Delete an upload with its file and all its passages, also while it is being indexed.

    Administrators also delete what came from a source that no worker has looked at for 7 days.
    """
    await uploads.delete(document_id, user_id=user.id)


@router.post(
    "/{document_id:path}/retry",
    summary="Index again",
    status_code=202,
    responses=documented(AccountNotFound, Forbidden, DocumentNotFound, example=PENDING_EXAMPLE, status=202),
)
async def retry_document(document_id: DocumentId, user: CurrentUser, connection: Transaction) -> DocumentRead:
    """Queue a document that could not be indexed once more. One that can be found, or waits already, stays as it is."""
    return await service.retry_document(connection, user_id=user.id, document_id=document_id)


@router.get(
    "/{document_id:path}/content",
    summary="The text of a document",
    responses=documented(DocumentNotFound, example=CONTENT_EXAMPLE),
)
async def get_content(
    document_id: DocumentId,
    user: CurrentUser,
    connection: Transaction,
    page: Annotated[int, Query(ge=1, le=CONTENT_PAGE_MAX, description="Past the end: the last one.")] = 1,
) -> DocumentContent:
    """Return one page of what was read out of a document; empty before it is indexed."""
    return await reading.get_content(connection, user_id=user.id, document_id=document_id, page=page)


@router.get(
    "/{document_id:path}/passages/{chunk_id}",
    summary="A cited passage in its place",
    responses=documented(PassageNotFound, example=PASSAGE_EXAMPLE),
)
async def get_passage(
    document_id: DocumentId, chunk_id: ChunkId, user: CurrentUser, connection: Transaction
) -> PassageRead:
    """Return a passage with the text around it. A document that is indexed anew has passages with other ids."""
    return await reading.get_passage(connection, user_id=user.id, document_id=document_id, chunk_id=chunk_id)


# The excerpt is private text, which would stand in logs on its way if the address held it: hence no GET.
@router.post(
    "/{document_id:path}/passages",
    summary="A cited passage, found again",
    responses=documented(PassageNotFound, example=PASSAGE_EXAMPLE),
)
async def find_passage(
    document_id: DocumentId, cited: CitedPassage, user: CurrentUser, connection: Transaction
) -> PassageRead:
    """Return the passage that holds what was cited, where the one that was cited is gone. Nothing is changed."""
    return await reading.find_passage(
        connection, user_id=user.id, document_id=document_id, excerpt=cited.excerpt, near=cited.char_start
    )


@router.get(
    "/{document_id:path}/file",
    summary="The uploaded file",
    dependencies=[Depends(take_seat)],
    response_class=Response,
    responses={
        **documented(AccountNotFound, DocumentNotFound, FileNotFound, RateLimited, StorageUnavailable, ServerBusy),
        200: {
            "description": "The bytes as they were uploaded, to be saved.",
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}, "example": "%PDF-1.7"}
            },
        },
    },
)
async def get_file(document_id: DocumentId, user: CurrentUser, uploads: UploadsOf) -> Response:
    """Return the bytes of an upload. Browsers are told to save them, and to run nothing in them."""
    file = await uploads.read_file(document_id, user_id=user.id)
    headers = {
        **FILE_HEADERS,
        "Content-Disposition": file.content_disposition,
        "Content-Length": str(len(file.content)),
    }
    return StreamingResponse(file.slices(), media_type="application/octet-stream", headers=headers)


# Ids of earlier versions are paths, and servers decode an address before they look for its route: so an id takes
# slashes, and this one, which takes every address below, comes last.
@router.get(
    "/{document_id:path}",
    summary="One document",
    responses=documented(AccountNotFound, DocumentNotFound, example=DOCUMENT_EXAMPLE),
)
async def get_document(document_id: DocumentId, user: CurrentUser, connection: Transaction) -> DocumentRead:
    """Return one document; another person's private one is not found."""
    return await service.get_document(connection, user_id=user.id, document_id=document_id)
