"""Uploaded files, kept in Postgres or in Supabase Storage, fetched behind one call."""

from typing import Protocol
from urllib.parse import quote

import httpx

from rag_pipeline import queries
from rag_pipeline.database import Database
from rag_pipeline.settings import Settings
from rag_pipeline.sources.source import AuthenticationError, FileGone, FileTooLarge, SourceUnavailable


class StorageUnavailable(SourceUnavailable):
    """The storage of uploads cannot be reached now."""

    code = "storage_unavailable"


class UploadStore(Protocol):
    """Where uploads lie."""

    async def fetch(self, document_id: str, path: str | None) -> bytes:
        """Raises FileGone, FileTooLarge, StorageUnavailable or AuthenticationError."""
        ...


class PostgresUploads:
    """`uploads.content`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fetch(self, document_id: str, path: str | None) -> bytes:
        async with self._database.transaction() as connection:
            content = await queries.read_upload(connection, document_id)
        if content is None:
            raise FileGone("the upload is not there any more")
        return content


class SupabaseUploads:
    """A bucket of Supabase Storage, read with the service key."""

    def __init__(self, client: httpx.AsyncClient, *, settings: Settings) -> None:
        self._client = client
        self._bucket_url = f"{settings.supabase_url}/storage/v1/object/{quote(settings.upload_bucket, safe='')}"
        key = settings.supabase_service_key.get_secret_value()
        # The new keys (sb_secret_...) are no JWT: as a bearer the gateway would refuse them.
        self._headers = {"apikey": key} | ({} if key.startswith("sb_") else {"authorization": f"Bearer {key}"})
        self._bytes_max = settings.rag_file_max_bytes

    async def fetch(self, document_id: str, path: str | None) -> bytes:
        if not path:
            raise FileGone("no path of the upload is known")
        try:
            return await self._download(f"{self._bucket_url}/{quote(path)}")
        except httpx.HTTPError as error:
            raise StorageUnavailable(type(error).__name__) from None

    async def _download(self, url: str) -> bytes:
        async with self._client.stream("GET", url, headers=self._headers) as response:
            if response.status_code != 200:
                await response.aread()
                raise _failure(response)
            content = bytearray()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > self._bytes_max:
                    raise FileTooLarge(f"more than {self._bytes_max} bytes")
            return bytes(content)


def _failure(response: httpx.Response) -> Exception:
    # Storage answers 400 with the real status in its body.
    status = response.status_code
    if status == 400 and b'"404"' in response.content.replace(b" ", b""):
        status = 404
    if status == 404:
        return FileGone("the upload is not there any more")
    if status in (401, 403):
        return AuthenticationError(f"Supabase Storage answered {status}")
    return StorageUnavailable(f"Supabase Storage answered {status}")
