"""What a broken run means to the person who asked: a stable code and a sentence, never an exception's text."""

import asyncio
from typing import Literal

import httpx2
import openai
from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    ModelHTTPError,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
)

FailureCode = Literal[
    "model_unavailable",
    "model_timeout",
    "model_refused",
    "answer_interrupted",
    "answer_too_long",
    "empty_answer",
    "shutdown",
    "process_lost",
    "internal_error",
]

MESSAGES: dict[str, str] = {
    "model_unavailable": "The model cannot be reached right now. Please try again.",
    "model_timeout": "The model took too long to answer. Please try again.",
    "model_refused": "The model did not accept this request.",
    "answer_interrupted": "The answer was interrupted.",
    "answer_too_long": "The answer reached its limit.",
    "empty_answer": "The model gave no answer. Please try again.",
    "shutdown": "The service restarted before the answer was complete. Please try again.",
    "process_lost": "The service was interrupted before the answer was complete. Please try again.",
    "internal_error": "Something went wrong. Please try again.",
}


def failure_message(code: str) -> str:
    """The sentence for a code; a general one for codes of other versions."""
    return MESSAGES.get(code, MESSAGES["internal_error"])


def failure_code(error: BaseException, *, has_output: bool) -> FailureCode:
    """Judge an exception that ended a run by its type, its causes included."""
    causes: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(causes) < 10:
        causes.append(current)
        current = current.__cause__ or current.__context__
    if any(isinstance(cause, openai.APITimeoutError | httpx2.TimeoutException | TimeoutError) for cause in causes):
        return "model_timeout"
    if isinstance(error, ContentFilterError):
        return "model_refused"
    if isinstance(error, ModelHTTPError) and error.status_code < 500 and error.status_code not in (408, 409, 429):
        return "model_refused"
    if any(isinstance(cause, ModelAPIError | openai.APIConnectionError | httpx2.TransportError) for cause in causes):
        return "answer_interrupted" if has_output else "model_unavailable"
    if isinstance(error, UsageLimitExceeded):
        return "answer_too_long"
    if isinstance(error, UnexpectedModelBehavior):
        return "answer_interrupted" if has_output else "empty_answer"
    if isinstance(error, asyncio.CancelledError):
        return "shutdown"
    return "internal_error"
