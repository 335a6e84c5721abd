"""What the caller may do with a document that they may read, and how they see it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from agent_api.database import Connection
from agent_api.documents import queries
from agent_api.documents.errors import DocumentNotFound, ManagedBySource
from agent_api.documents.schemas import DocumentFault, DocumentRead
from agent_api.errors import AccountNotFound, Forbidden

UNTITLED = "Untitled document"
READ_AS_IT_IS = (
    "id", "file_name", "source", "mime_type", "size_bytes", "status", "chunk_count", "page_count", "created_at",
    "updated_at", "indexed_at",
)  # fmt: skip


@dataclass(frozen=True)
class Viewer:
    """The caller; `is_admin` as the database says now."""

    user_id: UUID
    is_admin: bool


@dataclass(frozen=True)
class Document:
    """One document that the viewer may read, with their rights."""

    row: asyncpg.Record
    viewer: Viewer

    @property
    def id(self) -> str:
        return self.row["id"]

    @property
    def uploader_id(self) -> UUID | None:
        """None for what nobody uploaded, and where the account is gone."""
        return self.row["uploader_id"]

    @property
    def is_shared(self) -> bool:
        return self.row["owner_id"] is None

    @property
    def is_own(self) -> bool:
        return self.viewer.user_id in (self.row["owner_id"], self.row["uploader_id"])

    @property
    def is_upload(self) -> bool:
        return self.row["source"] == "upload"

    @property
    def can_change(self) -> bool:
        """Rename: one's own uploads, and as an operator those that everyone may read."""
        return self.is_upload and (self.is_own or (self.viewer.is_admin and self.is_shared))

    @property
    def is_abandoned(self) -> bool:
        """No worker keeps it: its pipeline has another name now, has not looked for 7 days, or never had one."""
        return self.row["is_abandoned"]

    @property
    def can_delete(self) -> bool:
        """What can be changed, and as an operator what would otherwise be answered from for ever."""
        return self.can_change or (self.viewer.is_admin and self.is_abandoned)

    @property
    def can_share(self) -> bool:
        return self.is_upload and self.is_own and self.viewer.is_admin

    @property
    def may_retry(self) -> bool:
        return self.is_own or self.viewer.is_admin

    @property
    def is_retried(self) -> bool:
        """Whether trying again could change anything."""
        return self.row["status"] in ("failed", "not_indexed")

    def require_change(self) -> None:
        """Raises ManagedBySource or Forbidden."""
        if not self.is_upload:
            raise ManagedBySource
        if not self.can_change:
            raise Forbidden

    def require_delete(self) -> None:
        """Raises ManagedBySource or Forbidden."""
        if not self.can_delete:
            self.require_change()

    def read(self) -> DocumentRead:
        """As it goes to the caller."""
        row = self.row
        fault = DocumentFault(code=row["error_code"], message=row["error_message"] or "") if row["error_code"] else None
        values: dict[str, Any] = {name: row[name] for name in READ_AS_IT_IS}
        return DocumentRead(
            title=shown_title(row),
            url=web_address(row["url"]),
            error=fault,
            is_quarantined=row["quarantined_at"] is not None,
            is_shared=self.is_shared,
            is_own=self.is_own,
            can_delete=self.can_delete,
            can_share=self.can_share,
            can_retry=self.may_retry and self.is_retried,
            **values,
        )


def shown_title(row: asyncpg.Record) -> str:
    """What a document is called, always something."""
    return row["title"] or row["file_name"] or UNTITLED


def web_address(url: str | None) -> str | None:
    """An address that a browser may be sent to; earlier versions kept paths of files here too."""
    try:
        return url if url and urlsplit(url).scheme in ("http", "https") else None
    except ValueError:
        return None


async def get_viewer(connection: Connection, *, user_id: UUID) -> Viewer:
    """The caller. Raises AccountNotFound."""
    is_admin = await queries.is_admin(connection, user_id=user_id)
    if is_admin is None:
        raise AccountNotFound
    return Viewer(user_id, is_admin)


async def get_document(connection: Connection, viewer: Viewer, *, document_id: str, lock: bool = False) -> Document:
    """A document that the viewer may read; locked, it stays so until the transaction ends. Raises DocumentNotFound."""
    if lock:
        await queries.lock_document(connection, document_id=document_id)
    row = await queries.get_document(connection, user_id=viewer.user_id, document_id=document_id)
    if row is None:
        raise DocumentNotFound
    return Document(row, viewer)
