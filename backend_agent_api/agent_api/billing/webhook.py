"""From the bytes of a delivery to an event that Stripe has signed."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

import stripe
from fastapi import Request
from pydantic import ValidationError

from agent_api.billing.errors import InvalidEvent, InvalidSignature
from agent_api.billing.objects import Event
from agent_api.errors import MessageTooLarge
from agent_api.text import clean_json

SIGNATURE_CHARACTERS_MAX = 4096


async def read_body(request: Request, *, bytes_max: int) -> bytes:
    """The raw body: a signature covers bytes, not what they parse to. Raises MessageTooLarge."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > bytes_max:
        raise MessageTooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise MessageTooLarge
    return bytes(body)


def read_event(
    body: bytes, signature: str, *, secrets: Sequence[str], tolerance_seconds: int
) -> tuple[Event, dict[str, Any]]:
    """The event and all of its JSON. Raises InvalidSignature or InvalidEvent."""
    if not _is_signed(body, signature, secrets, tolerance_seconds):
        raise InvalidSignature
    try:
        payload: Any = json.loads(body, parse_constant=_refuse_constant)
        event = Event.model_validate(payload)
    except (ValueError, RecursionError, ValidationError) as error:
        raise InvalidEvent from error
    # Postgres stores neither NUL nor half a surrogate; what a cardholder typed must not keep a payment from counting.
    return event, clean_json(payload) if b"\\u" in body else payload


def _is_signed(body: bytes, signature: str, secrets: Sequence[str], tolerance_seconds: int) -> bool:
    if len(signature) > SIGNATURE_CHARACTERS_MAX:
        return False
    try:
        text = body.decode()
        signature.encode("ascii")
    except UnicodeError:
        return False
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(  # pyright: ignore[reportUnknownMemberType] - untyped there
                text, signature, secret, tolerance_seconds
            )
        except stripe.SignatureVerificationError:
            continue
        return True
    return False


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
