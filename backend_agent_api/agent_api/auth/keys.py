"""The public keys of the authentication service: cached, refreshed in the background, fetched again sparingly."""

import asyncio
import contextlib
import time
from typing import Any

import httpx
import jwt
import structlog
from pydantic import BaseModel

from agent_api.errors import AuthUnavailable

log = structlog.stdlib.get_logger(__name__)

ASYMMETRIC_ALGORITHMS = frozenset({"ES256", "RS256", "EdDSA"})
KEYS_MAX = 50
RETRY_SECONDS = 5.0
"""Pause of the background refresh after a failure."""


class _Document(BaseModel):
    keys: list[dict[str, Any]]


def parse_key_set(content: bytes) -> dict[str, jwt.PyJWK]:
    """The usable keys by id. Keys for another use, of another kind or not readable are left out.

    Raises ValueError where the document is no key set at all.
    """
    keys: dict[str, jwt.PyJWK] = {}
    for entry in _Document.model_validate_json(content).keys[:KEYS_MAX]:
        key_id = entry.get("kid")
        if not isinstance(key_id, str) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK.from_dict(entry)
        except jwt.PyJWTError:
            continue
        # A symmetric key in a public document would be a key that everybody has.
        if key.algorithm_name in ASYMMETRIC_ALGORITHMS:
            keys[key_id] = key
    return keys


class KeySet:
    """Keys by id. However many unknown ids arrive, the set is fetched once per interval."""

    def __init__(
        self, client: httpx.AsyncClient, *, url: str, refresh_seconds: float, refetch_interval_seconds: float
    ) -> None:
        self._client = client
        self._url = url
        self._refresh_seconds = refresh_seconds
        self._refetch_interval_seconds = refetch_interval_seconds
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetch: asyncio.Task[None] | None = None
        self._fetch_started_at = -float("inf")
        self.reachable = False
        """Whether the last fetch succeeded."""

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """The key, or None where the current set does not hold it.

        Raises AuthUnavailable where the key is not known and the set cannot be fetched.
        """
        if key := self._keys.get(key_id):
            return key
        running = self._fetch is not None and not self._fetch.done()
        if running or time.monotonic() - self._fetch_started_at >= self._refetch_interval_seconds:
            await self.refresh()
        if key := self._keys.get(key_id):
            return key
        if not self.reachable:
            raise AuthUnavailable
        return None

    async def refresh(self) -> None:
        """Fetch the set; callers that come meanwhile share the fetch. A failure keeps the keys there are."""
        if self._fetch is None or self._fetch.done():
            self._fetch_started_at = time.monotonic()
            self._fetch = asyncio.create_task(self._fetch_keys())
        # Shielded: the first caller may leave while others wait for the same answer.
        await asyncio.shield(self._fetch)

    async def _fetch_keys(self) -> None:
        try:
            response = await self._client.get(self._url)
            response.raise_for_status()
            self._keys = parse_key_set(response.content)
            self.reachable = True
        except (httpx.HTTPError, ValueError) as error:
            self.reachable = False
            log.warning("key_set_unreachable", exc_info=error)

    async def keep_fresh(self) -> None:
        """Refresh for as long as the process runs, so that a key in use never waits for a fetch."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._refresh_seconds if self.reachable else min(RETRY_SECONDS, self._refresh_seconds))

    async def close(self) -> None:
        """End a fetch under way."""
        if self._fetch is not None:
            self._fetch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._fetch
