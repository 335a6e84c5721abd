"""The load generator, a process of its own: `python -m bench.chat.load < job.json > result.json`.

Bytes are only kept and stamped while the streams run; whether the answers are complete is read afterwards.
"""

import asyncio
import json
import resource
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop

LAST_CHUNK = b"0\r\n\r\n"
ANSWER_SECONDS_MAX = 300


@dataclass
class Answer:
    """One request and what came back."""

    asked_at: float
    first_at: float | None = None
    ended_at: float | None = None
    body: bytearray = field(default_factory=bytearray)
    pieces: int = 0


class Reader(asyncio.Protocol):
    """One keep-alive connection; one answer at a time."""

    def __init__(self, first_mark: bytes) -> None:
        self._first_mark = first_mark
        self._answer: Answer | None = None
        self._ended: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # pyright: ignore[reportAttributeAccessIssue]

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        answer = self._answer
        if answer is None:
            return
        answer.body += data
        answer.pieces += 1
        if answer.first_at is None and self._first_mark in answer.body:
            answer.first_at = now
        if answer.body.endswith(LAST_CHUNK):
            answer.ended_at = now
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    async def ask(self, request: bytes) -> Answer:
        """Send a request and wait for the end of its answer."""
        assert self._transport is not None
        self._ended = asyncio.get_running_loop().create_future()
        answer = self._answer = Answer(asked_at=time.perf_counter())
        self._transport.write(request)
        await self._ended
        self._answer = None
        return answer

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.close()


def encode_request(job: dict[str, Any], request: dict[str, Any]) -> bytes:
    """A POST of a JSON body."""
    body = json.dumps(request["body"]).encode()
    headers = {
        "host": f"{job['host']}:{job['port']}",
        "content-type": "application/json",
        "content-length": str(len(body)),
        **request.get("headers", {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {job['path']} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def run_streams(job: dict[str, Any]) -> list[Answer]:
    """All streams of a job; each asks its questions one after another."""
    loop = asyncio.get_running_loop()
    streams = [[encode_request(job, request) for request in stream] for stream in job["streams"]]
    mark = job["first_mark"].encode()
    readers = [(await loop.create_connection(lambda: Reader(mark), job["host"], job["port"]))[1] for _ in streams]

    async def ask_in_turn(number: int, reader: Reader) -> list[Answer]:
        await asyncio.sleep(job["spread_seconds"] * number / len(streams))
        return [await reader.ask(request) for request in streams[number]]

    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            asked = await asyncio.gather(*(ask_in_turn(number, reader) for number, reader in enumerate(readers)))
    finally:
        for reader in readers:
            reader.close()
    return [answer for answers in asked for answer in answers]


def dechunk(body: bytes) -> bytes:
    """The payload of a chunked body."""
    payload, position = bytearray(), 0
    while (end := body.find(b"\r\n", position)) >= 0:
        size = int(body[position:end], 16)
        payload += body[end + 2 : end + 2 + size]
        position = end + 4 + size
    return bytes(payload)


def read_text(response: bytes) -> str:
    """The text of a streamed answer, in OpenAI's chunks or in the UI message stream. Raises ValueError."""
    head, _, body = response.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise ValueError(response[:500].decode(errors="replace"))
    text: list[str] = []
    for event in dechunk(body).decode().split("\n\n"):
        data = next((line[6:] for line in event.splitlines() if line.startswith("data: ")), "[DONE]")
        if data == "[DONE]":
            continue
        part = json.loads(data)
        if part.get("type") == "text-delta":
            text.append(part["delta"])
        for choice in part.get("choices", []):
            text.append(choice["delta"].get("content") or "")
    return "".join(text)


def fault_of(answer: Answer, expected: str) -> str | None:
    """Why an answer is not the one that was asked for; None when it is."""
    try:
        text = read_text(bytes(answer.body))
    except (ValueError, KeyError, IndexError) as error:
        return f"{type(error).__name__}: {error}"
    if answer.first_at is None or answer.ended_at is None:
        return f"the answer broke off: {bytes(answer.body[-300:])!r}"
    return None if text == expected else f"another text: {text[:200]!r}"


def main() -> None:
    """Read a job, run it, print what was measured."""
    job = json.load(sys.stdin)
    used_before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    answers = uvloop.run(run_streams(job))
    ended = time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_SELF)
    first_asked = min(answer.asked_at for answer in answers)
    faults = [fault for answer in answers if (fault := fault_of(answer, job["expected"]))]
    complete = [answer for answer in answers if fault_of(answer, job["expected"]) is None]
    json.dump(
        {
            "first_seconds": [(a.first_at or ended) - a.asked_at for a in complete],
            "answer_seconds": [(a.ended_at or ended) - a.asked_at for a in complete],
            "pieces": sum(a.pieces for a in answers),
            "wall_seconds": ended - first_asked,
            "cpu_seconds": used.ru_utime + used.ru_stime - used_before.ru_utime - used_before.ru_stime,
            "busy": (used.ru_utime + used.ru_stime - used_before.ru_utime - used_before.ru_stime) / (ended - began),
            "faults": faults[:3],
            "broken": len(faults),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
