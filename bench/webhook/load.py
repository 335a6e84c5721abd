"""Signed deliveries over kept-alive connections, as cheap for the sender as possible: the receiver is measured."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

SECRET = "whsec_of_the_benchmark"
PATH = "/api/webhook/stripe"


def payment_event(purchase_id: UUID, user_id: UUID, *, app: str = "agent-api") -> dict[str, Any]:
    """A payment, with about as many bytes as Stripe's own event has."""
    metadata = {
        "app": app,
        "env": "development",
        "kind": "token_pack",
        "purchase_id": str(purchase_id),
        "user_id": str(user_id),
        "tier": "tier_1",
    }
    body = {
        "id": f"pi_{uuid4().hex}",
        "object": "payment_intent",
        "created": int(time.time()),
        "amount": 500,
        "amount_received": 500,
        "currency": "usd",
        "livemode": False,
        "status": "succeeded",
        "latest_charge": f"ch_{uuid4().hex}",
        "metadata": metadata,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic", "padding": "x" * 1800}},
    }
    return {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "livemode": False,
        "type": "payment_intent.succeeded",
        "data": {"object": body},
    }


def request_bytes(event: dict[str, Any]) -> bytes:
    """A whole HTTP request, signed now."""
    body = json.dumps(event, indent=2).encode()
    moment = int(time.time())
    signature = hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nStripe-Signature: t={moment},v1={signature}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Outcome:
    """What came back."""

    seconds: float
    latencies: list[float]
    answers: dict[str, int]


async def send_all(port: int, requests: list[bytes], *, connections: int) -> Outcome:
    """Send everything over so many connections, each one after the other."""
    waiting = iter(requests)
    latencies: list[float] = []
    answers: dict[str, int] = {}
    began = time.perf_counter()
    await asyncio.gather(*(_send(port, waiting, latencies, answers) for _ in range(connections)))
    return Outcome(time.perf_counter() - began, latencies, answers)


async def _send(port: int, waiting: Iterator[bytes], latencies: list[float], answers: dict[str, int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in waiting:
        asked = time.perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        body = await reader.readexactly(length)
        latencies.append(time.perf_counter() - asked)
        answer = f"{head.split(b' ', 2)[1].decode()} {body[:60].decode()}"
        answers[answer] = answers.get(answer, 0) + 1
    writer.close()
    await writer.wait_closed()
