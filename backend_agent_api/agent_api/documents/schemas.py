"""Documents on the wire."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from agent_api.documents.names import in_one_line
from agent_api.text import StorableText, refuse_unstorable

TITLE_MAX_CHARACTERS = 300
DOCUMENT_ID_MAX_CHARACTERS = 2_000
"""Ids of earlier versions are paths."""
CHUNK_ID_MAX = 2**63 - 1
CONTENT_PAGE_MAX = 1_000_000
EXCERPT_MAX_CHARACTERS = 1_000
CHAR_START_MAX = 2**31 - 1

DocumentStatus = Literal["pending", "indexing", "indexed", "failed", "not_indexed"]
DocumentSource = Literal["local", "google_drive", "upload"]
Scope = Literal["all", "own", "shared"]

DocumentId = Annotated[
    StorableText,
    Path(
        max_length=DOCUMENT_ID_MAX_CHARACTERS,
        description="A document's id, percent-encoded: those of earlier versions are paths.",
    ),
]
ChunkId = Annotated[int, Path(ge=1, le=CHUNK_ID_MAX, description="A passage's id: a source's id in an answer.")]
SearchText = Annotated[
    StorableText | None, Query(max_length=200, description="Only documents whose title or file name holds this.")
]


def _title(offered: str) -> str:
    title = in_one_line(offered)
    if not title:
        raise ValueError("must hold a character that can be seen")
    return title


Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=TITLE_MAX_CHARACTERS),
    AfterValidator(refuse_unstorable),
    AfterValidator(_title),
]


class DocumentFault(BaseModel):
    """Why a document is not indexed, or what is missing of it. `code` is stable; `message` is for people."""

    code: str
    message: str


class DocumentRead(BaseModel):
    """One document that the caller may read, with what they may do to it."""

    id: str
    title: str
    file_name: str | None
    url: str | None = Field(description="Where the original is found; only http and https.")
    source: DocumentSource
    mime_type: str | None
    size_bytes: int | None
    status: DocumentStatus
    error: DocumentFault | None
    is_quarantined: bool = Field(description="Failed too often: tried again only when it changes, or on demand.")
    chunk_count: int
    page_count: int | None
    is_shared: bool = Field(description="Everyone may read it.")
    is_own: bool = Field(description="The caller uploaded it.")
    can_delete: bool
    can_share: bool
    can_retry: bool
    created_at: datetime
    updated_at: datetime
    indexed_at: datetime | None


class DocumentPage(BaseModel):
    """Newest first."""

    items: list[DocumentRead]
    next_cursor: str | None


class DocumentCounts(BaseModel):
    """How many documents are in which state."""

    pending: int
    indexing: int
    indexed: int
    failed: int
    not_indexed: int


class PipelineRead(BaseModel):
    """What a worker last did for one source."""

    pipeline_id: str
    pipeline_type: str
    last_run: datetime | None
    last_check_time: datetime | None
    error: str | None


class UploadLimits(BaseModel):
    """What one person may upload."""

    file_max_bytes: int
    documents_max: int
    total_max_bytes: int
    file_extensions: list[str] = Field(description="With their dot, in lower case.")


class UploadUsage(BaseModel):
    """What the caller has uploaded."""

    documents: int
    bytes: int


class DocumentSummary(BaseModel):
    """Of all documents that the caller may read."""

    counts: DocumentCounts
    searchable_count: int = Field(description="Indexed, or with the text of before while it is indexed anew.")
    chunk_count: int
    last_sync_at: datetime | None
    pipelines: list[PipelineRead] = Field(description="For administrators; empty for others.")
    limits: UploadLimits
    usage: UploadUsage


class DocumentUpdate(BaseModel):
    """What is left out, or null, stays as it is."""

    title: Title | None = None
    is_shared: bool | None = Field(default=None, description="For administrators: show it to everyone, or to no one.")


class DocumentName(BaseModel):
    """Which document a text is from."""

    id: str
    title: str


class DocumentContent(BaseModel):
    """One page of a document's text; its pages are not those of the original."""

    document: DocumentName
    page: int
    pages: int
    text: str


class PassageDocument(DocumentName):
    """Which document a passage is from, and where the original is."""

    url: str | None
    source: DocumentSource


class CitedPassage(BaseModel):
    """What an answer keeps of a passage it cites."""

    excerpt: Annotated[StorableText, StringConstraints(min_length=1, max_length=EXCERPT_MAX_CHARACTERS)]
    char_start: Annotated[int, Field(ge=0, le=CHAR_START_MAX)] | None = Field(
        default=None, description="Where the passage began: decides where the excerpt stands repeatedly."
    )


class PassageRead(BaseModel):
    """One passage in its place. `before` and `after` are its neighbours, without what they share with it."""

    document: PassageDocument
    chunk_id: int
    page: int | None
    heading_path: str | None
    char_start: int | None
    char_end: int | None
    content: str
    before: str
    after: str
