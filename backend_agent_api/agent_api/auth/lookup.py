"""Verification by asking the authentication service, for projects whose secret this service was not given."""

import asyncio
import hashlib
import time
from collections import OrderedDict

import httpx
import structlog
from pydantic import BaseModel

from agent_api.errors import AuthUnavailable

log = structlog.stdlib.get_logger(__name__)

TRANSIENT_STATUSES = frozenset({408, 425, 429})


class _User(BaseModel):
    id: str


class UserLookup:
    """Answers of `/auth/v1/user`, kept for a short while under the jwt's hash, never beyond its expiry."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        url: str,
        service_key: str,
        cache_seconds: float,
        cache_max_entries: int,
        concurrent_max: int,
        waiting_max: int,
    ) -> None:
        self._client = client
        self._url = url
        self._service_key = service_key
        self._cache_seconds = cache_seconds
        self._cache_max_entries = cache_max_entries
        self._cache: OrderedDict[bytes, tuple[float, str | None]] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[str | None]] = {}
        self._running_max = concurrent_max + waiting_max
        self._slots = asyncio.Semaphore(concurrent_max)

    async def user_id(self, token: str, *, expires_at: float) -> str | None:
        """The id of the user this jwt belongs to; None where the authentication service refuses it.

        `expires_at` is the jwt's own, in seconds since 1970. Raises AuthUnavailable.
        """
        # The hash, so that a copy of this process's memory holds no usable jwt.
        digest = hashlib.sha256(token.encode()).digest()
        known = self._cache.get(digest)
        if known is not None and known[0] > time.time():
            return known[1]
        task = self._running.get(digest)
        if task is None:
            if len(self._running) >= self._running_max:
                # Made-up jwts cost nothing: whoever sends many must not let everybody else wait for all of them.
                log.warning("user_lookups_full")
                raise AuthUnavailable
            task = asyncio.create_task(self._ask(digest, token, expires_at=expires_at))
            self._running[digest] = task
            task.add_done_callback(lambda _done: self._running.pop(digest, None))
        return await asyncio.shield(task)

    async def _ask(self, digest: bytes, token: str, *, expires_at: float) -> str | None:
        try:
            async with self._slots:
                response = await self._client.get(
                    self._url, headers={"apikey": self._service_key, "Authorization": f"Bearer {token}"}
                )
            user_id = self._read(response)
        except (httpx.HTTPError, ValueError) as error:
            log.warning("user_lookup_failed", exc_info=error)
            raise AuthUnavailable from error
        self._cache.pop(digest, None)
        self._cache[digest] = (min(time.time() + self._cache_seconds, expires_at), user_id)
        while len(self._cache) > self._cache_max_entries:
            self._cache.popitem(last=False)
        return user_id

    def _read(self, response: httpx.Response) -> str | None:
        status = response.status_code
        if 400 <= status < 500 and status not in TRANSIENT_STATUSES:
            # Told apart in the log only: a wrong SUPABASE_SERVICE_KEY looks like this for everybody.
            log.info("user_lookup_refused", status=status)
            return None
        response.raise_for_status()
        return _User.model_validate_json(response.content).id

    async def close(self) -> None:
        """End the questions under way."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
