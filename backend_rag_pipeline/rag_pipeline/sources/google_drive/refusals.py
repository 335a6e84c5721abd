"""What Google's answers and a broken connection mean to us."""

import http.client
import json
from dataclasses import dataclass
from typing import Any, cast

import httplib2
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from googleapiclient.errors import HttpError  # pyright: ignore[reportMissingTypeStubs] - the library has none

from rag_pipeline.sources.source import AuthenticationError, SourceUnavailable

_RETRIED_STATUSES = {408, 429, 500, 502, 503, 504}
_RETRIED_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded"}
_NOT_VISIBLE_REASONS = {"insufficientFilePermissions", "appNotAuthorizedToFile", "notFound"}
_API_DISABLED_REASONS = {"accessNotConfigured", "SERVICE_DISABLED"}
_SCOPE_REASONS = {"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}


class UnreadableAnswer(Exception):
    """Success was announced, and what followed is no answer."""


_PASSING_ERRORS = (OSError, http.client.HTTPException, httplib2.HttpLib2Error, TransportError, UnreadableAnswer)


class DriveRefusal(SourceUnavailable):
    """Drive answered with an error. Who can tell what it means for one file catches it; to all others it is a source
    that could not be read."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"Google Drive refused a request: {status} {reason}")
        self.status = status
        self.reason = reason

    @property
    def is_not_visible(self) -> bool:
        """What was asked for does not exist, or this account may not see it. A rate limit is a 403 as well."""
        return self.status == 404 or (self.status == 403 and self.reason in _NOT_VISIBLE_REASONS)

    @property
    def is_rate_limit(self) -> bool:
        return self.status == 429 or self.reason in _RETRIED_REASONS


@dataclass(frozen=True)
class _Answer:
    status: int
    reason: str
    retry_after_seconds: float | None


def retry_delay(error: Exception, wait_max_seconds: float) -> bool | float:
    """Whether another attempt is worth it; a number is how long Google asks to wait, at most `wait_max_seconds`."""
    if isinstance(error, RefreshError):
        return _is_passing(error)
    if not isinstance(error, HttpError):
        return isinstance(error, _PASSING_ERRORS)
    answer = _answer_of(error)
    if answer.status not in _RETRIED_STATUSES and not (answer.status == 403 and answer.reason in _RETRIED_REASONS):
        return False
    if answer.retry_after_seconds is None:
        return True
    return min(answer.retry_after_seconds, wait_max_seconds)


def meaning_of(error: Exception) -> Exception:
    """The error of ours that stands for one of the library's; anything else is returned as it is."""
    if isinstance(error, RefreshError) and not _is_passing(error):
        return AuthenticationError(
            f"Google refuses the credentials ({_refresh_reason(error)}). A service account's key may have been deleted "
            "or the machine's clock may be wrong; an OAuth token may have expired or been withdrawn."
        )
    if isinstance(error, HttpError):
        return _meaning_of_answer(_answer_of(error))
    if isinstance(error, (*_PASSING_ERRORS, GoogleAuthError)):
        return SourceUnavailable(f"Google Drive could not be reached ({type(error).__name__})")
    return error


def _meaning_of_answer(answer: _Answer) -> Exception:
    if answer.status == 401:
        return AuthenticationError("Google Drive does not accept the credentials (401)")
    if answer.status == 403 and answer.reason in _API_DISABLED_REASONS:
        return AuthenticationError(
            "The Google Drive API is not enabled in the Google Cloud project of these credentials"
        )
    if answer.status == 403 and answer.reason in _SCOPE_REASONS:
        return AuthenticationError("The credentials were not given the right to read Drive (scope drive.readonly)")
    return DriveRefusal(answer.status, answer.reason)


def _answer_of(error: Any) -> _Answer:
    response: Any = error.resp
    return _Answer(
        status=int(response.status),
        reason=_reason_in(cast(bytes, error.content)),
        retry_after_seconds=_seconds(response.get("retry-after")),
    )


def _reason_in(content: bytes) -> str:
    """`error.errors[0].reason`, the newer `error.details[].reason`, or `error.status`: a word, never Google's text."""
    try:
        error: Any = json.loads(content)["error"]
        if isinstance(error, str):
            return _word(error)
        places: list[Any] = [*(error.get("details") or []), *(error.get("errors") or [])]
        reasons: list[Any] = [place["reason"] for place in places if place.get("reason")]
        return _word(reasons[0] if reasons else error.get("status"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "unknown"


def _is_passing(error: RefreshError) -> bool:
    untyped: Any = error
    return bool(untyped.retryable)


def _refresh_reason(error: RefreshError) -> str:
    response: Any = error.args[1] if len(error.args) > 1 else None
    try:
        return _word(response["error"])
    except (KeyError, TypeError):
        return "unknown"


def _word(value: object) -> str:
    text = str(value or "")
    return text if text.replace("_", "").isalnum() and len(text) <= 80 else "unknown"


def _seconds(value: object) -> float | None:
    text = str(value or "")
    return float(text) if text.isascii() and text.isdigit() else None
