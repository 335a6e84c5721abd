"""Storing, handing out and removing what people upload.

Bytes that lie outside the database are saved before the transaction that knows them, and removed after the one that
forgets them: a row never lacks its bytes, and no request to Storage is made under a lock.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID, uuid4

import structlog

from agent_api.database import Connection, Database
from agent_api.documents import queries, service
from agent_api.documents.access import Document, Viewer, get_document, get_viewer
from agent_api.documents.errors import FileNotFound, QuotaExceeded, StorageUnavailable
from agent_api.documents.kinds import MIME_TYPES
from agent_api.documents.limits import Limits
from agent_api.documents.names import title_of
from agent_api.documents.receiving import Upload
from agent_api.documents.schemas import DocumentRead
from agent_api.documents.storage import Place, StorageKind, UploadStorage
from agent_api.errors import AppError, DatabaseUnavailable, Forbidden, ServerBusy
from agent_api.seats import Seats

log = structlog.stdlib.get_logger(__name__)


SLICE_BYTES = 256 * 1024


@dataclass(frozen=True)
class StoredFile:
    """The bytes of an upload, and how a browser is told to save them."""

    content: bytes
    content_disposition: str

    async def slices(self) -> AsyncGenerator[bytes]:
        """The bytes at their reader's pace: the server waits before each slice, and not after the last."""
        for start in range(0, len(self.content), SLICE_BYTES):
            yield self.content[start : start + SLICE_BYTES]


class Uploads:
    """One per process. `storages` holds a way to every place that a row may name; `kind` is where new ones go.

    Who reads a file holds a seat of `downloads` until it is sent.
    """

    def __init__(
        self,
        database: Database,
        storages: dict[StorageKind, UploadStorage],
        *,
        kind: StorageKind,
        limits: Limits,
        at_once_max: int,
        wait_seconds: float,
        downloads: Seats,
    ) -> None:
        self.limits = limits
        self.downloads = downloads
        self._database = database
        self._storages = storages
        self._kind: StorageKind = kind
        self._seats = asyncio.Semaphore(at_once_max)
        self._wait_seconds = wait_seconds

    async def store(self, upload: Upload, *, user_id: UUID) -> tuple[DocumentRead, bool]:
        """The document made of an upload, and whether it is new: the same content again is the same document.

        Raises AccountNotFound, Forbidden, QuotaExceeded, StorageUnavailable and ServerBusy; then nothing is stored.
        """
        async with self._seat():
            content = await upload.content()
            sha256 = await asyncio.to_thread(lambda: hashlib.sha256(content).hexdigest())
            # Refused, or known, before the bytes go anywhere.
            async with self._database.transaction() as connection:
                known = await self._known_or_room(connection, upload, user_id=user_id, sha256=sha256)
            if known is not None:
                return known.read(), False
            upload_id = uuid4()
            place = await self._storages[self._kind].save(upload_id, content)
            try:
                document, is_new = await self._add(upload, place, upload_id, user_id=user_id, sha256=sha256)
            except DatabaseUnavailable:
                raise  # Perhaps after the commit: whether the object is needed, only the sweep can tell.
            except AppError:
                await self._remove(place)
                raise
            if not is_new:
                await self._remove(place)
            return document.read(), is_new

    async def _add(
        self, upload: Upload, place: Place, upload_id: UUID, *, user_id: UUID, sha256: str
    ) -> tuple[Document, bool]:
        async with self._database.transaction() as connection:
            await queries.lock_uploads(connection, user_id=user_id)
            known = await self._known_or_room(connection, upload, user_id=user_id, sha256=sha256)
            if known is not None:
                return known, False
            document_id = await queries.add_document(
                connection,
                owner_id=None if upload.is_shared else user_id,
                title=title_of(upload.file_name),
                file_name=upload.file_name,
                mime_type=MIME_TYPES[upload.extension],
                size_bytes=upload.size_bytes,
            )
            await queries.add_upload(
                connection,
                upload_id=upload_id,
                document_id=document_id,
                user_id=user_id,
                place=place,
                sha256=sha256,
                size_bytes=upload.size_bytes,
            )
            await queries.enqueue(connection, document_id=document_id, priority=service.PRIORITY_OF_PEOPLE)
            viewer = await get_viewer(connection, user_id=user_id)
            return await get_document(connection, viewer, document_id=document_id), True

    async def _known_or_room(
        self, connection: Connection, upload: Upload, *, user_id: UUID, sha256: str
    ) -> Document | None:
        """The document of the same content; None: there is none, and room for it. Raises what `store` does."""
        viewer = await get_viewer(connection, user_id=user_id)
        if upload.is_shared and not viewer.is_admin:
            raise Forbidden
        known_id = await queries.find_upload(connection, user_id=user_id, sha256=sha256)
        if known_id is not None:
            return await self._known(connection, viewer, known_id, upload)
        usage = await queries.usage_of(connection, user_id=user_id)
        if usage["documents"] >= self.limits.documents_max:
            raise QuotaExceeded(f"You may keep {self.limits.documents_max} documents. Please delete one first.")
        if usage["bytes"] + upload.size_bytes > self.limits.total_max_bytes:
            raise QuotaExceeded(f"Your documents may have {self.limits.total_max_bytes // 1024**2} MiB together.")
        return None

    async def _known(self, connection: Connection, viewer: Viewer, document_id: str, upload: Upload) -> Document:
        document = await get_document(connection, viewer, document_id=document_id, lock=upload.is_shared)
        if upload.is_shared and not document.is_shared:
            await service.share(connection, document, is_shared=True)
            document = await get_document(connection, viewer, document_id=document_id)
        return document

    @asynccontextmanager
    async def _seat(self) -> AsyncGenerator[None]:
        """What a process holds in memory at once is bounded."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._seats.acquire()
        except TimeoutError:
            raise ServerBusy from None
        try:
            yield
        finally:
            self._seats.release()

    async def delete(self, document_id: str, *, user_id: UUID) -> None:
        """Delete an upload, or what no worker keeps. Raises DocumentNotFound, ManagedBySource and Forbidden."""
        async with self._database.transaction() as connection:
            viewer = await get_viewer(connection, user_id=user_id)
            # Whoever stores chunks of it holds the same lock, and sees afterwards that it is gone.
            document = await get_document(connection, viewer, document_id=document_id, lock=True)
            document.require_delete()
            place = await queries.find_place(connection, document_id=document_id, with_content=False)
            await queries.delete_document(connection, document_id=document_id)
        if place is not None:
            await self._remove(place)

    async def _remove(self, place: Place) -> None:
        """Forget bytes that nobody needs. Where that fails, the sweep does it later."""
        try:
            await self._storages[place.kind].remove([place])
        except StorageUnavailable as error:
            log.warning("upload_left_behind", path=place.path, exc_info=error)

    async def read_file(self, document_id: str, *, user_id: UUID) -> StoredFile:
        """The bytes of an upload. Raises DocumentNotFound, FileNotFound and StorageUnavailable."""
        async with self._database.transaction() as connection:
            viewer = await get_viewer(connection, user_id=user_id)
            document = await get_document(connection, viewer, document_id=document_id)
            place = await queries.find_place(connection, document_id=document_id, with_content=True)
        content = None if place is None else await self._storages[place.kind].load(place)
        if content is None:
            raise FileNotFound
        return StoredFile(content, _as_attachment(document.row["file_name"] or "document"))


def _as_attachment(file_name: str) -> str:
    # RFC 6266: a name in ASCII for old clients, the real one beside it.
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in file_name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"
