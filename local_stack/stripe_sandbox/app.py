"""The HTTP surface: Stripe's API, the hosted pages, and the controls."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_stack.stripe_sandbox.control import control_routes
from local_stack.stripe_sandbox.dispatcher import answer, answer_crash, answer_unknown
from local_stack.stripe_sandbox.endpoints import Endpoint
from local_stack.stripe_sandbox.guard import LoopbackOnly
from local_stack.stripe_sandbox.pages.routes import page_routes
from local_stack.stripe_sandbox.resources import (
    balance,
    charges,
    checkout_sessions,
    customers,
    disputes,
    events,
    payment_intents,
    payment_methods,
    refunds,
)
from local_stack.stripe_sandbox.sandbox import Sandbox
from local_stack.stripe_sandbox.settings import Settings
from local_stack.stripe_sandbox.store import Store
from local_stack.stripe_sandbox.webhooks.sender import Sender

_RESOURCES = (
    balance,
    charges,
    checkout_sessions,
    customers,
    disputes,
    events,
    payment_intents,
    payment_methods,
    refunds,
)


def create_app(settings: Settings) -> Starlette:
    """The whole server."""
    sandbox = Sandbox(settings, Store(settings.state))
    sender = Sender(sandbox)
    worker: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        nonlocal worker
        worker = asyncio.create_task(sender.run())
        worker.add_done_callback(_report_end)
        try:
            yield
        finally:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker
            sandbox.store.close()

    async def health(_: Request) -> Response:
        if worker is None or worker.done():
            return JSONResponse({"status": "deliveries have stopped"}, 503)
        return JSONResponse({"status": "ok"})

    async def unknown(request: Request) -> Response:
        return await answer_unknown(sandbox, request)

    endpoints = [endpoint for resource in _RESOURCES for endpoint in resource.ENDPOINTS]
    return Starlette(
        routes=[
            Route("/health", health),
            *(Route(e.path, _handler(sandbox, e), methods=[e.method]) for e in endpoints),
            Route("/v1/{rest:path}", unknown, methods=["GET", "POST", "DELETE", "PUT", "PATCH"]),
            *page_routes(sandbox),
            *control_routes(sandbox, sender),
        ],
        middleware=[Middleware(LoopbackOnly)],
        exception_handlers={500: answer_crash},
        lifespan=lifespan,
    )


def _report_end(worker: "asyncio.Task[None]") -> None:
    """A worker that broke is said at once; /health answers 503 from then on."""
    if not worker.cancelled() and (fault := worker.exception()) is not None:
        logging.getLogger("uvicorn.error").critical("deliveries have stopped", exc_info=fault)


def _handler(sandbox: Sandbox, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await answer(sandbox, endpoint, request)

    return handle
