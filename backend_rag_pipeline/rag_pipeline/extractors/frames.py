"""What passes between the service and a worker process: frames of lengths, a JSON head and bytes."""

import json
import struct
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import TypeAdapter

from rag_pipeline.extractors.model import Extraction

REQUEST_FRAME = struct.Struct(">II")
"""Length of the JSON head, length of the content."""
REPLY_FRAME = struct.Struct(">BBI")
"""What it is, whether the process should be replaced, length."""
OK, ERROR, READY, PICTURE = 0, 1, 2, 3
"""PICTURE comes before each one that is read by OCR, and gives it as much time as a whole file."""
PREPARED = struct.Struct(">I")
"""How many pages the picture has; then comes one of them."""
EXTRACTION = TypeAdapter(Extraction)


@dataclass(frozen=True)
class Request:
    """What is asked about the bytes that follow."""

    task: Literal["extract", "prepare_image"]
    file_name: str
    mime_type: str | None
    page: int = 1
    """Of a picture that is prepared."""


def encode_request(request: Request, content: bytes) -> bytes:
    """The frame that precedes the content."""
    # A name may hold half characters (undecodable bytes of a file system): JSON readers refuse those.
    name = request.file_name.encode("utf-8", "replace").decode()
    head = json.dumps({**asdict(request), "file_name": name}).encode()
    return REQUEST_FRAME.pack(len(head), len(content)) + head
