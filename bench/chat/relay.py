"""The bare reference: the least that a relay between a model and a reader must do, and no database.

Each chunk is parsed and sent on as an event of the UI message stream. It also serves the key set that the API verifies
jwts with, because something has to.
"""

import json
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx2

UPSTREAM = os.environ.get("RELAY_UPSTREAM", "")
KEY_SET = os.environ.get("RELAY_KEY_SET", '{"keys": []}').encode()
EVENT_STREAM = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
CONNECTIONS_MAX = 2_000

_client = httpx2.AsyncClient(timeout=120, limits=httpx2.Limits(max_connections=CONNECTIONS_MAX))


async def _read_body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def _event(part: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(part, separators=(",", ":")).encode() + b"\n\n"


async def _relay(response: httpx2.Response) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in response.aiter_raw():
        *events, rest = (rest + piece).split(b"\n\n")
        out = bytearray()
        for event in events:
            if event == b"data: [DONE]":
                out += b"data: [DONE]\n\n"
                continue
            for choice in json.loads(event[6:]).get("choices", []):
                if text := choice["delta"].get("content"):
                    out += _event({"type": "text-delta", "id": "0", "delta": text})
        if out:
            yield bytes(out)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The ASGI application."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["method"] == "GET":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": KEY_SET})
    else:
        body = await _read_body(receive)
        async with _client.stream("POST", UPSTREAM, content=body) as response:
            await send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
            async for out in _relay(response):
                await send({"type": "http.response.body", "body": out, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
