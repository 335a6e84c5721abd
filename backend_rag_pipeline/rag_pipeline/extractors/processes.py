"""Worker processes as the service sees them: started once, reused, killed and replaced when they fail."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from rag_pipeline.extractors.frames import OK, PICTURE, READY, REPLY_FRAME, Request, encode_request
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.model import ErrorCode, ExtractionError

_SERVICE_DIRECTORY = Path(__file__).resolve().parent.parent.parent
_START_TIMEOUT_SECONDS = 60
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TESSDATA_PREFIX")
"""All of the environment that a worker process gets: nothing secret."""
_Reply = tuple[int, bool, bytes]
"""What it is, whether the process should be replaced, the body."""
BeforePictures = Callable[[], Awaitable[object]]
"""Awaited once, before the first picture of a file is looked at; what it raises ends the reading."""


async def unasked() -> None:
    """Pictures are read at once."""


class _Fault(BaseModel):
    code: ErrorCode
    message: str
    is_permanent: bool


class ProcessPool:
    """Up to `size` worker processes. Safe for concurrent use in one event loop."""

    def __init__(self, limits: ExtractionLimits, *, size: int, timeout_seconds: float, memory_max_bytes: int) -> None:
        self._limits = limits
        self._timeout_seconds = timeout_seconds
        self._memory_max_bytes = memory_max_bytes
        self._turns = asyncio.Semaphore(size)
        self._idle: list[asyncio.subprocess.Process] = []
        self._folder = tempfile.TemporaryDirectory(prefix="rag-extract-")

    async def run(self, request: Request, content: bytes, *, before_pictures: BeforePictures = unasked) -> bytes:
        """The worker's answer. Raises ExtractionError; timed_out and crashed are not permanent."""
        async with self._turns:
            process = self._idle.pop() if self._idle else None
            if process is None or process.returncode is not None:
                process = await self._start()
            is_worn = True
            try:
                reply = await self._in_time(_ask(process, request, content))
                if reply[0] == PICTURE:
                    await before_pictures()
                while reply[0] == PICTURE:
                    reply = await self._in_time(_read(process))
                kind, is_worn, body = reply
            finally:
                # After a failure or a cancellation nobody knows what the process is doing.
                if is_worn:
                    await _kill(process)
                else:
                    self._idle.append(process)
        if kind == OK:
            return body
        raise _fault(body)

    async def _in_time(self, answer: Awaitable[_Reply]) -> _Reply:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await answer
        except TimeoutError:
            raise ExtractionError(
                "timed_out", "Reading the file took too long and was given up.", is_permanent=False
            ) from None
        except (OSError, asyncio.IncompleteReadError):
            raise _crashed() from None

    async def close(self) -> None:
        """End all processes that wait for work. Those at work end with the tasks that wait for them."""
        while self._idle:
            await _kill(self._idle.pop())
        self._folder.cleanup()

    async def _start(self) -> asyncio.subprocess.Process:
        environment = {name: value for name in _PASSED_ON if (value := os.environ.get(name))}
        for name in ("HOME", "TMPDIR", "XBERG_CACHE_DIR"):
            environment[name] = self._folder.name
        # Fewer arenas and threads: address space is what is limited.
        environment |= {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2", "OMP_THREAD_LIMIT": "1"}
        limits = TypeAdapter(ExtractionLimits).dump_json(self._limits).decode()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rag_pipeline.extractors.worker", limits, str(self._memory_max_bytes)),
            cwd=_SERVICE_DIRECTORY,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_START_TIMEOUT_SECONDS):
                kind, _, _ = await _read(process)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            await _kill(process)
            raise _crashed() from None
        except BaseException:
            await _kill(process)
            raise
        assert kind == READY
        return process


@asynccontextmanager
async def open_pool(
    limits: ExtractionLimits, *, size: int, timeout_seconds: float, memory_max_bytes: int
) -> AsyncGenerator[ProcessPool]:
    """A pool whose processes and files are gone afterwards. Processes start when they are first needed."""
    pool = ProcessPool(limits, size=size, timeout_seconds=timeout_seconds, memory_max_bytes=memory_max_bytes)
    try:
        yield pool
    finally:
        await pool.close()


async def _ask(process: asyncio.subprocess.Process, request: Request, content: bytes) -> _Reply:
    assert process.stdin is not None
    process.stdin.write(encode_request(request, content))
    process.stdin.write(content)
    await process.stdin.drain()
    return await _read(process)


async def _read(process: asyncio.subprocess.Process) -> _Reply:
    assert process.stdout is not None
    kind, is_worn, length = REPLY_FRAME.unpack(await process.stdout.readexactly(REPLY_FRAME.size))
    return kind, bool(is_worn), await process.stdout.readexactly(length)


async def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    # Shielded: a cancelled caller must not leave a zombie, nor an open pipe.
    await asyncio.shield(_reap(process))


async def _reap(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    await process.communicate()


def _fault(body: bytes) -> ExtractionError:
    try:
        fault = _Fault.model_validate_json(body)
    except ValidationError:
        return _crashed()
    return ExtractionError(fault.code, fault.message, is_permanent=fault.is_permanent)


def _crashed() -> ExtractionError:
    return ExtractionError("crashed", "Reading the file failed unexpectedly.", is_permanent=False)
