"""The official client library behind an asynchronous face: threads, deadlines, further attempts."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import httplib2
import stamina
from google_auth_httplib2 import AuthorizedHttp  # pyright: ignore[reportMissingTypeStubs] - the library has none
from googleapiclient.discovery import build  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType] - dito

from rag_pipeline.sources.google_drive.credentials import Identity
from rag_pipeline.sources.google_drive.refusals import UnreadableAnswer, meaning_of, retry_delay
from rag_pipeline.sources.source import SourceUnavailable

Result = TypeVar("Result")
Json = dict[str, Any]

_WAIT_JITTER_SHARE = 0.5
# Its warnings repeat what we count and log ourselves, with whole addresses.
logging.getLogger("googleapiclient.http").setLevel(logging.ERROR)


@dataclass(frozen=True)
class ClientOptions:
    """Limits of talking to Google."""

    api_endpoint: str = ""
    """`scheme://host[:port]`. Empty: Google's."""
    timeout_seconds: float = 60
    """The longest silence of one request."""
    deadline_seconds: float = 300
    """One request, further attempts included."""
    wait_initial_seconds: float = 1
    wait_max_seconds: float = 32
    threads: int = 4


class _Connection:
    """One thread's client: httplib2 connections and credentials must not be shared between threads."""

    def __init__(self, identity: Identity, options: ClientOptions) -> None:
        self._http = httplib2.Http(timeout=options.timeout_seconds)
        self.service: Any = build(
            "drive",
            "v3",
            http=AuthorizedHttp(identity.make(), http=self._http),
            # The description of the API comes with the library; nothing is fetched.
            static_discovery=True,
            cache_discovery=False,
            client_options={"api_endpoint": f"{options.api_endpoint.rstrip('/')}/drive/v3/"}
            if options.api_endpoint
            else None,
        )

    def abort(self) -> None:
        """End what the thread waits for, from another thread."""
        connections: dict[str, Any] = self._http.connections
        for connection in tuple(connections.values()):
            sock: Any = connection.sock
            if sock is not None:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._http.close()


class DriveClient:
    """Requests to Drive, each in a thread with a client of its own."""

    def __init__(self, identity: Identity, options: ClientOptions) -> None:
        self._identity = identity
        self._options = options
        self._pool = ThreadPoolExecutor(options.threads, thread_name_prefix="google-drive")
        self._of_thread = threading.local()
        self._connections: list[_Connection] = []

    async def call(self, request: Callable[[Any], Any]) -> Json:
        """The JSON answer to what `request` builds on the service."""

        def ask(service: Any) -> Json:
            # num_retries of the library knows neither a deadline nor Retry-After, waits in the thread, and misses
            # answers that break off.
            answer: Any = request(service).execute(num_retries=0)
            if not isinstance(answer, dict):
                # The library hands on as text what it cannot parse.
                raise UnreadableAnswer
            return cast(Json, answer)

        return await self.run(ask)

    async def run(self, work: Callable[[Any], Result]) -> Result:
        """Do `work` with a thread's service, again where a failure passes, within the deadline.

        Raises AuthenticationError, DriveRefusal, SourceUnavailable, and whatever `work` raises itself.
        """
        options = self._options
        attempts = stamina.retry_context(
            on=partial(retry_delay, wait_max_seconds=options.wait_max_seconds),
            attempts=None,
            timeout=options.deadline_seconds,
            wait_initial=options.wait_initial_seconds,
            wait_max=options.wait_max_seconds,
            wait_jitter=options.wait_initial_seconds * _WAIT_JITTER_SHARE,
        )
        last: Exception | None = None
        try:
            async with asyncio.timeout(options.deadline_seconds):
                async for attempt in attempts:
                    with attempt:
                        try:
                            return await self._in_thread(work)
                        except Exception as error:
                            last = error
                            raise
        except Exception as error:
            # At the deadline the reason is what kept us from an answer until then.
            reason = last if isinstance(error, TimeoutError) else error
            if reason is None:
                seconds = options.deadline_seconds
                raise SourceUnavailable(f"Google Drive did not answer within {seconds:g} seconds") from None
            if (meaning := meaning_of(reason)) is error:
                raise
            raise meaning from None
        raise AssertionError("stamina returns, raises or tries again")

    async def close(self) -> None:
        """End the threads; what they wait for is broken off."""
        for connection in self._connections:
            connection.abort()
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)
        for connection in self._connections:
            connection.close()

    async def _in_thread(self, work: Callable[[Any], Result]) -> Result:
        used: list[_Connection] = []

        def do() -> Result:
            used.append(self._connection())
            return work(used[0].service)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, do)
        except asyncio.CancelledError:
            # The thread goes on by itself. Should it already be at another request, that one is tried again.
            for connection in used:
                connection.abort()
            raise

    def _connection(self) -> _Connection:
        connection: _Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = _Connection(self._identity, self._options)
            self._of_thread.connection = connection
            self._connections.append(connection)
        return connection
