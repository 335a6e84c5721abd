"""Keyset pages: a cursor names the last row that was seen, so that rows written meanwhile shift nothing."""

import base64
import json
from typing import Annotated, Any, cast

from fastapi import Query

from agent_api.errors import InvalidRequest

CURSOR_MAX_CHARACTERS = 600
PAGE_MAX = 100

Cursor = Annotated[
    str | None, Query(max_length=CURSOR_MAX_CHARACTERS, description="next_cursor of the page before; empty: the first.")
]


def encode_cursor(*key: str | int) -> str:
    """A page's last sort key as text to hand out."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The sort key in a cursor, with values of exactly these types. Raises InvalidRequest."""
    try:
        key: object = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        key = None
    if not isinstance(key, list) or [type(value) for value in cast("list[Any]", key)] != list(kinds):
        raise InvalidRequest("cursor: not one that this service gave out", field="cursor")
    return cast("list[Any]", key)
