"""Failures in the shape that OpenAI clients know."""

from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse


class ModelError(Exception):
    """A refusal the client should see, with OpenAI's fields."""

    def __init__(self, status: int, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.field = field


_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}


def error_response(error: ModelError) -> JSONResponse:
    """Render `{"error": {message, type, param, code}}`."""
    kind = _TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    body = {"error": {"message": error.message, "type": kind, "param": error.field, "code": error.code}}
    return JSONResponse(body, status_code=error.status)


async def on_model_error(_: Request, error: Exception) -> JSONResponse:
    """Starlette handler for ModelError."""
    return error_response(cast(ModelError, error))


async def on_not_found(request: Request, _: Exception) -> JSONResponse:
    """Starlette handler for an unknown path."""
    return error_response(
        ModelError(404, f"Unknown request URL: {request.method} {request.url.path}", code="unknown_url")
    )


async def on_wrong_method(request: Request, _: Exception) -> JSONResponse:
    """Starlette handler for a known path asked with another method."""
    return error_response(ModelError(405, f"{request.method} is not allowed here", code="method_not_allowed"))


async def on_crash(_request: Request, _error: Exception) -> JSONResponse:
    """Starlette handler for a fault of ours; the traceback goes to the log only."""
    return error_response(ModelError(500, "The demo model failed; its log holds the cause.", code="internal_error"))
