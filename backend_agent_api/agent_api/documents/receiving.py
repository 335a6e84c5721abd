"""Reading an upload: nothing beyond the limits is kept, and nobody may take forever."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from agent_api.documents.errors import FileTooLarge, UnsupportedType, UploadTimedOut
from agent_api.documents.kinds import FILE_EXTENSIONS, extension_of, is_something_else
from agent_api.documents.limits import Limits
from agent_api.documents.names import clean_file_name
from agent_api.errors import InvalidRequest

FIELDS_MAX = 10
FIELD_MAX_BYTES = 1_000
SIGNATURE_BYTES = 4_096
TRUE_TEXTS, FALSE_TEXTS = frozenset({"true", "1", "on"}), frozenset({"false", "0", "off", ""})
UPLOAD_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "is_shared": {
                        "type": "boolean",
                        "default": False,
                        "description": "For administrators: everyone may read it.",
                    },
                },
            }
        }
    },
}


@dataclass(frozen=True)
class Upload:
    """A file that has arrived. `content()` reads it into memory."""

    file: UploadFile
    file_name: str
    extension: str
    size_bytes: int
    is_shared: bool

    async def content(self) -> bytes:
        """All of it."""
        await self.file.seek(0)
        return await self.file.read()


@asynccontextmanager
async def read_upload(request: Request, limits: Limits) -> AsyncGenerator[Upload]:
    """Receive the form, larger files on disk, and check what can be told without storing anything.

    Raises UploadTimedOut, FileTooLarge, UnsupportedType and InvalidRequest.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise InvalidRequest("The body must be multipart/form-data.", field="body")
    parser = _FormParser(
        request.headers, request.stream(), max_files=1, max_fields=FIELDS_MAX, max_part_size=FIELD_MAX_BYTES
    )
    try:
        yield await _check(await _receive(parser, limits), limits)
    finally:
        parser.close()


class _FormParser(MultiPartParser):
    """Forgets what it wrote to disk also where the form broke off in the middle of a file."""

    def close(self) -> None:
        for file in self._files_to_close_on_error:
            file.close()


async def _receive(parser: _FormParser, limits: Limits) -> FormData:
    try:
        async with asyncio.timeout(limits.receive_seconds):
            return await parser.parse()
    except TimeoutError:
        raise UploadTimedOut from None
    except ClientDisconnect as error:
        raise InvalidRequest("The upload broke off.", field="body") from error  # Nobody reads it any more.
    except MultiPartException as error:
        raise InvalidRequest("The form could not be read: it holds one file and short fields.", field="body") from error


async def _check(form: FormData, limits: Limits) -> Upload:
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise InvalidRequest("file: missing", field="file")
    size_bytes = file.size or 0
    if size_bytes > limits.file_max_bytes:
        raise FileTooLarge(limits.too_large_message)
    file_name = clean_file_name(file.filename)
    extension = extension_of(file_name)
    if extension is None:
        raise UnsupportedType(f"Files of this type cannot be read. These can: {', '.join(FILE_EXTENSIONS)}.")
    if is_something_else(extension, await file.read(SIGNATURE_BYTES)):
        raise UnsupportedType(f"This is no {extension} file, whatever its name says.")
    return Upload(file, file_name, extension, size_bytes, _read_flag(form.get("is_shared")))


def _read_flag(value: UploadFile | str | None) -> bool:
    text = "false" if value is None else value
    if isinstance(text, str) and text.lower() in TRUE_TEXTS | FALSE_TEXTS:
        return text.lower() in TRUE_TEXTS
    raise InvalidRequest("is_shared: must be true or false", field="is_shared")
