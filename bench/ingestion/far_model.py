"""An embedding service that is far away: each answer takes a while, and costs this machine next to nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import threading
from array import array
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

DIMENSIONS = 384


@dataclass
class FarModel:
    """What it was asked."""

    base_url: str = ""
    latency_seconds: float = 0.05
    calls: int = 0
    texts: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
                body = json.loads(await reader.readexactly(length))
                self.calls += 1
                self.texts += len(body["input"])
                await asyncio.sleep(self.latency_seconds)
                data = [
                    {"object": "embedding", "index": index, "embedding": _vector(text)}
                    for index, text in enumerate(body["input"])
                ]
                reply = json.dumps({"object": "list", "model": body["model"], "data": data}).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(reply)}\r\n\r\n"
                writer.write(head.encode() + reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _vector(text: str) -> str:
    """The same for the same text; as base64, which the worker asks for."""
    numbers = hashlib.shake_128(text.encode()).digest(DIMENSIONS)
    return base64.b64encode(array("f", [(number - 127.5) / 1448 for number in numbers]).tobytes()).decode()


@contextmanager
def run_far_model(latency_seconds: float) -> Generator[FarModel]:
    """Serve on a port of the loopback, from a thread."""
    model = FarModel(latency_seconds=latency_seconds)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(model.answer, "127.0.0.1", 0)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    model.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield model
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
