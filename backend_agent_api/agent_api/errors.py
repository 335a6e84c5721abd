"""Expected failures as types, and the one place that turns any failure into a reply.

Every refusal is `{"error": {"code", "message", "request_id", "field"?}}`. Texts of exceptions never leave the process.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

log = structlog.stdlib.get_logger(__name__)


class AppError(Exception):
    """An expected failure: a status, a code that clients rely on and a sentence a person can read."""

    status_code: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    default_message: ClassVar[str] = "Something went wrong on our side."

    def __init__(
        self, message: str | None = None, *, field: str | None = None, retry_after_seconds: int | None = None
    ) -> None:
        self.message = message or self.default_message
        self.field = field
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.message)

    def headers(self) -> dict[str, str]:
        return {} if self.retry_after_seconds is None else {"Retry-After": str(self.retry_after_seconds)}


class InternalError(AppError):
    """Anything nobody expected."""


class Unauthorized(AppError):
    """No jwt, or one that does not hold."""

    status_code, code, default_message = 401, "unauthorized", "Please sign in."

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class AccountNotFound(Unauthorized):
    """The jwt holds, its account is gone."""

    code, default_message = "account_not_found", "This account no longer exists."


class InsufficientTokens(AppError):
    """The balance cannot cover the charge."""

    status_code, code, default_message = 402, "insufficient_tokens", "You have no tokens left."


class Forbidden(AppError):
    """A route for operators."""

    status_code, code, default_message = 403, "forbidden", "This is for administrators only."


class NotFound(AppError):
    """No such address."""

    status_code, code, default_message = 404, "not_found", "There is nothing at this address."


class ConversationNotFound(AppError):
    """No such conversation, or somebody else's: the two are not told apart."""

    status_code, code, default_message = 404, "conversation_not_found", "This conversation does not exist."


class MessageNotFound(AppError):
    """No such message in this conversation."""

    status_code, code, default_message = 404, "message_not_found", "This message does not exist."


class MethodNotAllowed(AppError):
    """The address exists, the method does not."""

    status_code, code, default_message = 405, "method_not_allowed", "This method is not allowed here."


class RunInProgress(AppError):
    """Another turn of the conversation is running."""

    status_code, code, default_message = 409, "run_in_progress", "Another answer is still being written here."


class RequestIdConflict(AppError):
    """The request id is taken by something else."""

    status_code, code, default_message = 409, "request_id_conflict", "This request_id was used for something else."


class PurchaseNotFound(AppError):
    """No such purchase, or somebody else's: the two are not told apart."""

    status_code, code, default_message = 404, "purchase_not_found", "This purchase does not exist."


class PurchaseClosed(AppError):
    """The purchase_id was used before, and that purchase is paid, expired or stopped."""

    status_code, code, default_message = 409, "purchase_closed", "This purchase is finished. Please start a new one."


class PurchaseConflict(AppError):
    """The purchase_id was used before, for another pack or with keys of Stripe's other mode."""

    status_code, code, default_message = 409, "purchase_conflict", "This purchase was begun for another pack."


class MessageTooLarge(AppError):
    """A body or a message over its limit."""

    status_code, code, default_message = 413, "message_too_large", "This is larger than the limit."


class RequestTimedOut(AppError):
    """The body did not arrive in time."""

    status_code, code, default_message = 408, "request_timed_out", "The request took too long to arrive."


class InvalidRequest(AppError):
    """A body, a path or a query that does not have the documented shape."""

    status_code, code, default_message = 422, "invalid_request", "The request is not valid."


class RateLimited(AppError):
    """Too much at once; Retry-After says when to come back."""

    status_code, code, default_message = 429, "rate_limited", "Too many requests. Please wait a moment."

    def __init__(self, message: str | None = None, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message, retry_after_seconds=max(1, retry_after_seconds))


class Unavailable(AppError):
    """Something the service stands on is away; trying again later may help."""

    status_code: ClassVar[int] = 503

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, retry_after_seconds=1)


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached or refuses to work."""

    code, default_message = "database_unavailable", "The service is briefly unavailable. Please try again."


class AuthUnavailable(Unavailable):
    """The jwt cannot be checked because the authentication service is away."""

    code, default_message = "auth_unavailable", "Sign-in cannot be checked right now. Please try again."


class ServerBusy(Unavailable):
    """This process serves as many streams as it may."""

    code, default_message = "server_busy", "The service is busy. Please try again."


REFUSALS_BY_SQLSTATE: dict[str, type[AppError]] = {
    "AP401": AccountNotFound,
    "AP402": InsufficientTokens,
    "AP404": ConversationNotFound,
    "AP40M": MessageNotFound,
    "AP40P": PurchaseNotFound,
    "AP40C": PurchaseClosed,
    "AP40T": PurchaseConflict,
    "AP409": RunInProgress,
    "AP40R": RequestIdConflict,
    "AP422": InvalidRequest,
}
RATE_LIMITED_SQLSTATE = "AP429"
"""Its DETAIL carries the whole seconds for Retry-After."""
UNSTORABLE_TEXT_SQLSTATES = frozenset({"22021", "22P05"})
"""NUL and lone surrogates, where a route let them through."""
UNAVAILABLE_SQLSTATES = frozenset({"25006", "28000", "28P01", "3D000", "57014", "57P01", "57P02", "57P03", "57P05"})
"""Read-only after a failover, refused logins, a missing database, cancelled by timeout, shutting or starting up."""
UNAVAILABLE_CLASSES = frozenset({"08", "53", "58"})
"""Connection failures, insufficient resources (too many connections), system errors."""


def app_error_from_database(error: BaseException) -> AppError | None:
    """What a failure that came out of a database call means to a client; None: a fault of ours."""
    if isinstance(error, asyncpg.PostgresError):
        return _app_error_from_sqlstate(error)
    if isinstance(error, asyncpg.DataError):
        return InvalidRequest() if isinstance(error.__cause__, UnicodeError) else None
    if isinstance(error, asyncpg.InterfaceError) and not isinstance(error, asyncpg.InternalClientError):
        # "connection is closed", "pool is closing", "connection was closed in the middle of operation".
        return DatabaseUnavailable() if "clos" in str(error) else None
    # asyncpg raises the socket's own errors while connecting, TimeoutError for its command timeout.
    return DatabaseUnavailable() if isinstance(error, OSError | TimeoutError) else None


def _app_error_from_sqlstate(error: asyncpg.PostgresError) -> AppError | None:
    # asyncpg knows no custom SQLSTATEs: those arrive as UnknownPostgresError and carry the code in `sqlstate`.
    sqlstate = error.sqlstate or ""
    if sqlstate == RATE_LIMITED_SQLSTATE:
        detail: object = getattr(error, "detail", None)
        text = str(detail or "")
        return RateLimited(retry_after_seconds=int(text) if text.isdecimal() else 1)
    if refusal := REFUSALS_BY_SQLSTATE.get(sqlstate):
        return refusal()
    if sqlstate in UNSTORABLE_TEXT_SQLSTATES:
        return InvalidRequest("The text holds characters that cannot be stored.")
    if sqlstate in UNAVAILABLE_SQLSTATES or sqlstate[:2] in UNAVAILABLE_CLASSES:
        return DatabaseUnavailable()
    return None


def app_error_from_validation(errors: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """The first fault of a body, path or query by its place, without echoing what was sent."""
    fault = errors[0]
    if fault["type"] == "json_invalid":
        return InvalidRequest("The body is not valid JSON.", field="body")
    place = [str(part) for part in fault["loc"]]
    if len(place) > 1 and place[0] in ("body", "query", "path", "header"):
        place = place[1:]
    field = ".".join(place)[:200]
    # These messages repeat the value they refuse.
    echoes = fault["type"] in ("union_tag_invalid", "custom_error", "assertion_error")
    reason = "not valid" if echoes else str(fault["msg"]).removeprefix("Value error, ")
    return InvalidRequest(f"{field}: {reason}", field=field)


def app_error_from_http_exception(error: HTTPException) -> AppError:
    """What the framework refuses by itself, in our shape."""
    by_status: dict[int, type[AppError]] = {
        401: Unauthorized,
        403: Unauthorized,
        404: NotFound,
        405: MethodNotAllowed,
        408: RequestTimedOut,
        413: MessageTooLarge,
    }
    if refusal := by_status.get(error.status_code):
        return refusal()
    if 400 <= error.status_code < 500:
        return InvalidRequest("The body could not be read.", field="body")
    return InternalError()


def error_body(error: AppError, *, request_id: str) -> dict[str, Any]:
    """The JSON of a refusal."""
    body = {"code": error.code, "message": error.message, "request_id": request_id}
    if error.field is not None:
        body["field"] = error.field
    return {"error": body}


def error_response(error: AppError, *, request_id: str) -> Response:
    """The reply of a refusal."""
    # ASCII only: the name of a field may hold a lone surrogate, which UTF-8 cannot carry.
    content = json.dumps(error_body(error, request_id=request_id), ensure_ascii=True).encode("ascii")
    return Response(content, status_code=error.status_code, headers=error.headers(), media_type="application/json")


def app_error_from_exception(error: BaseException) -> AppError:
    """Any failure as one a client may see. What nobody expected is logged here, once."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, RequestValidationError):
        return app_error_from_validation(error.errors())
    if isinstance(error, HTTPException):
        return app_error_from_http_exception(error)
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError) and (known := app_error_from_database(error)):
        if isinstance(known, DatabaseUnavailable):
            log.warning("database_unavailable", exc_info=error)
        return known
    log.error("unexpected_error", exc_info=error)
    return InternalError()


def request_id_of(request: Request) -> str:
    """The id under which this request is found in the logs."""
    return str(request.scope.get("state", {}).get("request_id", ""))


async def _handle(request: Request, error: Exception) -> Response:
    return error_response(app_error_from_exception(error), request_id=request_id_of(request))


def install_error_handlers(app: FastAPI) -> None:
    """Everything a route raises is answered in one shape. What lies outside the router, ErrorBoundary answers."""
    for kind in (AppError, RequestValidationError, HTTPException, asyncpg.PostgresError, asyncpg.InterfaceError):
        app.add_exception_handler(kind, _handle)
