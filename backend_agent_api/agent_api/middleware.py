"""What surrounds every request, from the outside in: RequestContext, CORS, ErrorBoundary, `auth.Authentication`,
BodyLimit.

Pure ASGI: nothing here buffers a stream or moves a request to another task.
"""

import asyncio
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_api.errors import AppError, MessageTooLarge, app_error_from_exception, error_response

log = structlog.stdlib.get_logger("agent_api.access")

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
CLIENT_CLOSED_STATUS = 499
"""Logged, never sent: the client left before the reply began."""


class RequestContext:
    """Give each request an id, return it as X-Request-ID, and log one line when its reply has ended."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = Headers(scope=scope).get("x-request-id", "")
        request_id = offered if SANE_REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status = CLIENT_CLOSED_STATUS
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                _log_request(scope, status=status, duration_ms=(time.perf_counter() - started) * 1000)


def _log_request(scope: Scope, *, status: int, duration_ms: float) -> None:
    # The route's template: a path holds ids, and an unknown one whatever somebody typed.
    template: object = getattr(scope.get("route"), "path", None)
    write = log.debug if template in ("/health", "/health/ready") and status < 400 else log.info
    write(
        "request",
        method=scope["method"],
        route=template,
        status=status,
        duration_ms=round(duration_ms, 1),
        user_id=scope["state"].get("user_id"),
    )


class ErrorBoundary:
    """Answer what nobody caught, inside CORS so that a browser may read it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_noting(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception as error:
            known = app_error_from_exception(error)
            if begun:
                raise  # The reply cannot be taken back: the server cuts the connection, so the client sees a break.
            await error_response(known, request_id=scope["state"]["request_id"])(scope, receive, send)


@dataclass(frozen=True)
class BodyLimitOf:
    """What one route accepts, where that is not what all others do. It reads its body itself, in its own time."""

    method: str
    path: str
    max_bytes: int
    refusal: AppError


class BodyLimit:
    """Refuse bodies over the limit, by their declared length or as they arrive, and those that take too long."""

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, timeout_seconds: float, exceptions: Sequence[BodyLimitOf] = ()
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._exceptions = {(each.method, each.path): each for each in exceptions}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
        exception = self._exceptions.get((scope["method"], path))
        max_bytes = exception.max_bytes if exception else self._max_bytes
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > max_bytes:
            raise exception.refusal if exception else MessageTooLarge
        received_bytes = 0
        # Only while the body arrives: afterwards the same call waits for the client to leave.
        deadline = None if exception else asyncio.get_running_loop().time() + self._timeout_seconds

        async def receive_counting() -> Message:
            nonlocal received_bytes, deadline
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                # FastAPI lets only its own exception through while it reads a body.
                raise HTTPException(408) from None
            if not message.get("more_body", False):
                deadline = None
            if message["type"] == "http.request":
                received_bytes += len(message.get("body", b""))
                if received_bytes > max_bytes:
                    raise exception.refusal if exception else HTTPException(413)
            return message

        await self._app(scope, receive_counting, send)
