"""The failures as a client sees them."""

import json
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from local_stack.google_drive.errors import DriveError
from local_stack.google_drive.faults import Fault

_ERRORS: dict[str, tuple[int, str, str]] = {
    "too_many_requests": (429, "rateLimitExceeded", "Too many requests."),
    "rate_limit": (403, "rateLimitExceeded", "Rate Limit Exceeded"),
    "user_rate_limit": (403, "userRateLimitExceeded", "User Rate Limit Exceeded"),
    "server_error": (500, "internalError", "Internal Error"),
    "unavailable": (503, "backendError", "Backend Error"),
    "forbidden": (403, "insufficientFilePermissions", "The user does not have sufficient permissions for this file."),
    "api_disabled": (403, "accessNotConfigured", "Google Drive API has not been used in this project or is disabled."),
}


def failing_response(fault: Fault) -> Response | None:
    """The answer instead of the right one; None for faults that spoil the right one."""
    if fault.kind == "garbage":
        return Response(b"<html>Bad gateway", media_type="text/html")
    if fault.kind not in _ERRORS:
        return None
    status, reason, message = _ERRORS[fault.kind]
    headers = {} if fault.retry_after_seconds is None else {"retry-after": str(fault.retry_after_seconds)}
    return JSONResponse(DriveError(status, reason, message).body(), status, headers)


def spoil(fault: Fault, response: Response) -> Response:
    """The right answer, damaged."""
    if fault.kind == "truncated":
        return _Truncated(response)
    if fault.kind == "corrupt":
        response.body = bytes(response.body[:-1]) + bytes([response.body[-1] ^ 1])
    if fault.kind in ("incomplete_search", "lag"):
        body: Any = json.loads(bytes(response.body))
        return JSONResponse(body | ({"files": []} if fault.kind == "lag" else {"incompleteSearch": True}))
    return response


class _Truncated(Response):
    """Announces the whole body, sends half of it and ends: the server then closes the connection."""

    def __init__(self, whole: Response) -> None:
        super().__init__(bytes(whole.body), whole.status_code)
        self.raw_headers = whole.raw_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})
