"""A file's bytes, within limits and checked."""

import hashlib
import io
from typing import Any

from googleapiclient.http import MediaIoBaseDownload  # pyright: ignore[reportMissingTypeStubs] - the library has none

from rag_pipeline.sources.google_drive.client import DriveClient
from rag_pipeline.sources.google_drive.refusals import DriveRefusal
from rag_pipeline.sources.google_drive.wire import EXPORTS, DriveItem
from rag_pipeline.sources.source import (
    FetchedFile,
    FileError,
    FileForbidden,
    FileGone,
    FileNotStable,
    FileTooLarge,
    FileUnsupported,
    SourceUnavailable,
)

_CHUNK_BYTES = 8 * 1024 * 1024
_EXPORT_LIMIT = "exportSizeLimitExceeded"
_HARMFUL = "cannotDownloadAbusiveFile"
_FORBIDDEN = {
    "cannotDownloadFile": "Its owner does not allow downloads.",
    "cannotExportFile": "Its owner does not allow exports.",
    "domainPolicy": "The organisation's policy does not allow this account to download it.",
}
_NO_CONTENT = {"fileNotDownloadable", "fileNotExportable", "badRequest", "invalid"}
_BUSY = {"downloadQuotaExceeded", "dailyLimitExceeded", "quotaExceeded"}


class FileHarmful(FileForbidden):
    """Google takes the file for malware or spam. It could be downloaded all the same; we do not."""

    code = "harmful"


class ExportTooLarge(FileTooLarge):
    """Google exports its own documents up to 10 MB only."""

    code = "export_too_large"


class _Limited(io.BytesIO):
    """Grows to `bytes_max` and no further."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__()
        self._bytes_max = bytes_max

    def write(self, data: Any, /) -> int:
        if self.tell() + len(data) > self._bytes_max:
            raise too_large(self._bytes_max)
        return super().write(data)


def too_large(bytes_max: int) -> FileTooLarge:
    return FileTooLarge(f"The file is larger than {bytes_max // (1024 * 1024)} MiB.")


async def download(client: DriveClient, item: DriveItem, *, bytes_max: int) -> FetchedFile:
    """The content of a document. Raises FileError and its kinds, SourceUnavailable, AuthenticationError."""
    if not item.can_download:
        raise FileForbidden(_FORBIDDEN["cannotDownloadFile"])
    if item.is_native:
        return await _exported(client, item, bytes_max)
    if (item.size_bytes or 0) > bytes_max:
        raise too_large(bytes_max)
    content = await _bytes(client, item, bytes_max)
    if item.md5 is not None and hashlib.md5(content, usedforsecurity=False).hexdigest() != item.md5:
        raise FileNotStable("Google Drive sent other bytes than it describes; the file may just be changing.")
    return FetchedFile(item.name, item.mime_type, content, item.fingerprint)


async def _bytes(client: DriveClient, item: DriveItem, bytes_max: int) -> bytes:
    if item.size_bytes == 0:
        # There is no range of nothing.
        return b""
    try:
        return await client.run(
            lambda service: _read(service.files().get_media(fileId=item.id, supportsAllDrives=True), bytes_max)
        )
    except DriveRefusal as refusal:
        raise _meaning(refusal) from None


async def _exported(client: DriveClient, item: DriveItem, bytes_max: int) -> FetchedFile:
    formats = EXPORTS.get(item.mime_type)
    if formats is None:
        kind = item.mime_type.rsplit(".", 1)[-1]
        raise FileUnsupported(f"Google offers no text of this kind of file ({kind}).")
    for export in formats:
        try:
            content = await client.run(
                lambda service, export=export: _read(
                    service.files().export_media(fileId=item.id, mimeType=export.mime_type), bytes_max
                )
            )
        except DriveRefusal as refusal:
            if refusal.reason == _EXPORT_LIMIT:
                continue
            raise _meaning(refusal) from None
        name = item.name if item.name.lower().endswith(export.extension) else item.name + export.extension
        return FetchedFile(name, export.mime_type, content, item.fingerprint)
    raise ExportTooLarge(
        "Google exports its documents up to 10 MB only, and this one is larger. Split it, use smaller images, or "
        "store it in Drive as an Office or PDF file."
    )


def _read(request: Any, bytes_max: int) -> bytes:
    """In a thread: all chunks into memory."""
    buffer = _Limited(bytes_max)
    chunks: Any = MediaIoBaseDownload(buffer, request, chunksize=min(_CHUNK_BYTES, bytes_max + 1))
    is_done = False
    while not is_done:
        before = buffer.tell()
        _, is_done = chunks.next_chunk(num_retries=0)
        if not is_done and buffer.tell() == before:
            raise FileNotStable("Google Drive sends nothing more, although the file is said to be longer.")
    return buffer.getvalue()


def _meaning(refusal: DriveRefusal) -> FileError | SourceUnavailable:
    """What an answer about one file means for this file."""
    if refusal.is_rate_limit:
        return refusal
    if refusal.is_not_visible or refusal.status == 410:
        return FileGone("The file was deleted, or is not shared with this account any more.")
    if refusal.status == 403 and refusal.reason in _BUSY:
        return SourceUnavailable(f"Google Drive lets this file be downloaded again later ({refusal.reason}).")
    if refusal.status in (400, 403) and refusal.reason in _NO_CONTENT:
        return FileUnsupported("Google Drive holds no content for this file.")
    if refusal.reason == _HARMFUL:
        return FileHarmful("Google marks this file as malware or spam; it is not downloaded.")
    if refusal.status == 403:
        return FileForbidden(_FORBIDDEN.get(refusal.reason, f"Google Drive refuses the download ({refusal.reason})."))
    if refusal.status == 416:
        return FileNotStable("The file became shorter while it was read.")
    return refusal
