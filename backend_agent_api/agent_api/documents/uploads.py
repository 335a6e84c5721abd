"""Uploads of a process."""

from dataclasses import dataclass
from uuid import UUID

from agent_api.documents.limits import Limits
from agent_api.documents.receiving import Upload
from agent_api.documents.schemas import DocumentRead


@dataclass(frozen=True)
class StoredFile:
    """The bytes of an upload, and how a browser is told to save them."""

    content: bytes
    content_disposition: str


class Uploads:
    """Stores, hands out and removes what people upload."""

    limits: Limits

    async def store(self, upload: Upload, *, user_id: UUID) -> tuple[DocumentRead, bool]:
        """Store it."""
        raise NotImplementedError

    async def delete(self, document_id: str, *, user_id: UUID) -> None:
        """Delete it."""
        raise NotImplementedError

    async def read_file(self, document_id: str, *, user_id: UUID) -> StoredFile:
        """Its bytes."""
        raise NotImplementedError
