"""Uploads in a private bucket of Supabase Storage, through its official client."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import structlog
from storage3 import AsyncStorageClient
from storage3.exceptions import StorageApiError

from agent_api.documents.errors import StorageUnavailable
from agent_api.documents.storage import Place
from agent_api.settings import Settings

log = structlog.stdlib.get_logger(__name__)

FOLDER = "uploads"
LIST_MAX = 1_000


@dataclass(frozen=True)
class StoredObject:
    """An object in our folder of the bucket. `upload_id` is None where we would not have named it so."""

    path: str
    upload_id: UUID | None
    created_at: datetime


def path_of(upload_id: UUID) -> str:
    """Nothing of what a person called the file goes into its address."""
    return f"{FOLDER}/{upload_id}"


def _is_missing(error: StorageApiError) -> bool:
    # The service answers 400 and names the real status in the body, as text.
    return str(error.status) == "404"


@asynccontextmanager
async def _failures_as_unavailable(act: str) -> AsyncGenerator[None]:
    try:
        yield
    except (StorageApiError, httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        # The last three: an answer that is none of Storage's, read by its client.
        log.warning("storage_failed", act=act, exc_info=error)
        raise StorageUnavailable from error


class SupabaseStorage:
    """One bucket, made when it is first missed."""

    def __init__(self, client: AsyncStorageClient, *, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    async def save(self, upload_id: UUID, content: bytes) -> Place:
        path = path_of(upload_id)
        async with _failures_as_unavailable("save"):
            try:
                await self._put(path, content)
            except StorageApiError as error:
                if not _is_missing(error):
                    raise
                await self._make_bucket()
                await self._put(path, content)
        return Place("supabase", path=path)

    async def _put(self, path: str, content: bytes) -> None:
        # As bytes that no browser would run, whatever they are; the same upload may be sent again.
        options: Any = {"content-type": "application/octet-stream", "upsert": "true"}
        await self._client.from_(self._bucket).upload(path, content, options)

    async def _make_bucket(self) -> None:
        try:
            await self._client.create_bucket(self._bucket, options={"public": False})
        except StorageApiError as error:
            if str(error.status) != "409":  # Made meanwhile by another process.
                raise

    async def load(self, place: Place) -> bytes | None:
        assert place.path is not None, "an object has a path"
        async with _failures_as_unavailable("load"):
            try:
                return await self._client.from_(self._bucket).download(place.path)
            except StorageApiError as error:
                if _is_missing(error):
                    return None
                raise

    async def remove(self, places: Sequence[Place]) -> None:
        if paths := [place.path for place in places if place.path is not None]:
            async with _failures_as_unavailable("remove"):
                await self._client.from_(self._bucket).remove(paths)

    async def list(self, *, offset: int) -> list[StoredObject]:
        """Up to LIST_MAX objects by name."""
        async with _failures_as_unavailable("list"):
            try:
                rows: list[dict[str, Any]] = await self._client.from_(self._bucket).list(
                    FOLDER, {"limit": LIST_MAX, "offset": offset, "sortBy": {"column": "name", "order": "asc"}}
                )
            except StorageApiError as error:
                if _is_missing(error):
                    return []
                raise
            # A row without id is a folder.
            return [_stored_object(row) for row in rows if row.get("id")]


def _stored_object(row: dict[str, Any]) -> StoredObject:
    name = str(row["name"])
    try:
        upload_id = UUID(name)
    except ValueError:
        upload_id = None
    created_at = datetime.fromisoformat(str(row["created_at"]))
    return StoredObject(f"{FOLDER}/{name}", upload_id if str(upload_id) == name else None, created_at)


@asynccontextmanager
async def open_supabase_storage(settings: Settings) -> AsyncGenerator[SupabaseStorage]:
    """The bucket with its connections; nothing is asked before it is used."""
    key = settings.supabase_service_key.get_secret_value()
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(timeout=settings.storage_timeout_seconds, follow_redirects=False) as http_client:
        client = AsyncStorageClient(f"{settings.supabase_url}/storage/v1/", headers, http_client=http_client)
        yield SupabaseStorage(client, bucket=settings.upload_bucket)
