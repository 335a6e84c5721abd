"""A webhook endpoint that keeps what it was sent, and answers as it is told to."""

import asyncio
import socket
from dataclasses import dataclass
from typing import Any, Self

import stripe
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

WEBHOOK_SECRET = "whsec_sandbox_tests"
_WAIT_SECONDS = 60


@dataclass(frozen=True)
class Received:
    payload: bytes
    signature: str

    def event(self, secret: str = WEBHOOK_SECRET) -> dict[str, Any]:
        """The event, its signature verified by the real library."""
        construct: Any = stripe.Webhook.construct_event  # pyright: ignore[reportUnknownMemberType] - untyped there
        return construct(self.payload, self.signature, secret).to_dict()


class Receiver:
    """Answers 200, or what `answers` holds, first to last."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[int] = []
        self._arrived = asyncio.Condition()
        self._socket = socket.create_server(("127.0.0.1", 0))
        app = Starlette(routes=[Route("/webhook", self._handle, methods=["POST"])])
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/webhook"

    def clear(self) -> None:
        self.received.clear()
        self.answers.clear()

    def types(self) -> list[str]:
        return [received.event()["type"] for received in self.received]

    async def wait_for(self, count: int) -> list[Received]:
        """Return once so many deliveries arrived."""
        async with asyncio.timeout(_WAIT_SECONDS), self._arrived:
            await self._arrived.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        await self._task
        self._socket.close()

    async def _handle(self, request: Request) -> Response:
        status = self.answers.pop(0) if self.answers else 200
        async with self._arrived:
            self.received.append(Received(await request.body(), request.headers["stripe-signature"]))
            self._arrived.notify_all()
        return PlainTextResponse("", status)
