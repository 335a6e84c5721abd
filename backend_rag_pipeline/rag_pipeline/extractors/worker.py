"""The process in which files are read: replaceable, limited, without secrets and, where the system lets it, without a
network. A file that breaks a reader breaks this process and nothing else.

It answers one request at a time over its standard input and output.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

from pydantic import TypeAdapter

from rag_pipeline.extractors.dispatch import extract_file
from rag_pipeline.extractors.frames import (
    ERROR,
    EXTRACTION,
    OK,
    PICTURE,
    PREPARED,
    READY,
    REPLY_FRAME,
    REQUEST_FRAME,
    Request,
)
from rag_pipeline.extractors.images import prepare_image
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.model import ExtractionError

_FILES_MAX = 2_000
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until the input ends. Arguments: the limits as JSON, the memory limit in bytes."""
    limits = TypeAdapter(ExtractionLimits).validate_json(sys.argv[1])
    memory_max_bytes = int(sys.argv[2])
    requests, replies = _take_over_streams()
    _die_with_parent()
    _leave_network()
    _limit_resources(memory_max_bytes)
    _reply(replies, READY, b"", is_worn=False)
    _silence()
    served = 0

    def on_picture() -> None:
        _reply(replies, PICTURE, b"", is_worn=False)

    while (received := _receive(requests)) is not None:
        request, content = received
        kind, body, is_worn = _serve(request, content, limits, on_picture)
        served += 1
        _reply(replies, kind, body, is_worn=is_worn or served >= _FILES_MAX or _peak_bytes() > memory_max_bytes // 2)
    # The readers' threads do not survive Python's own shutdown.
    os._exit(0)


def _serve(
    request: Request, content: bytes, limits: ExtractionLimits, on_picture: Callable[[], None]
) -> tuple[int, bytes, bool]:
    try:
        return OK, _work(request, content, limits, on_picture), False
    except ExtractionError as error:
        fault = error
    except MemoryError:
        fault = ExtractionError("too_large", "Reading the file takes more memory than is allowed.")
        return ERROR, _encode_fault(fault), True
    except RecursionError:
        fault = ExtractionError("unreadable", "The file is nested too deeply.")
    except Exception:
        # Readers raise whatever they like on hostile input; their texts are of no use to the file's owner.
        fault = ExtractionError("unreadable", "The file is damaged or in a form that is not read.")
    return ERROR, _encode_fault(fault), False


def _work(request: Request, content: bytes, limits: ExtractionLimits, on_picture: Callable[[], None]) -> bytes:
    if request.task == "prepare_image":
        png, pages = prepare_image(content, limits, request.page)
        return PREPARED.pack(pages) + png
    extraction = extract_file(
        content, file_name=request.file_name, mime_type=request.mime_type, limits=limits, on_picture=on_picture
    )
    return EXTRACTION.dump_json(extraction)


def _encode_fault(error: ExtractionError) -> bytes:
    return json.dumps({"code": error.code, "message": error.message, "is_permanent": error.is_permanent}).encode()


def _receive(requests: BinaryIO) -> tuple[Request, bytes] | None:
    frame = requests.read(REQUEST_FRAME.size)
    if len(frame) < REQUEST_FRAME.size:
        return None
    head_length, content_length = REQUEST_FRAME.unpack(frame)
    head = TypeAdapter(Request).validate_json(requests.read(head_length))
    return head, requests.read(content_length)


def _reply(replies: BinaryIO, kind: int, body: bytes, *, is_worn: bool) -> None:
    replies.write(REPLY_FRAME.pack(kind, is_worn, len(body)))
    replies.write(body)
    replies.flush()


def _take_over_streams() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes for ourselves: whatever a library prints must not land between frames."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
    return requests, replies


def _silence() -> None:
    """From here on a document's text could be printed by what reads it."""
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def _leave_network() -> None:
    """Best effort: many containers forbid it, and nothing here needs a network anyway."""
    if sys.platform == "linux":
        _libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _limit_resources(memory_max_bytes: int) -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows has none of these.
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_max_bytes, memory_max_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (memory_max_bytes, memory_max_bytes))


def _peak_bytes() -> int:
    with suppress(ImportError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return 0


def _libc() -> Any:
    return ctypes.CDLL(None)


if __name__ == "__main__":
    main()
