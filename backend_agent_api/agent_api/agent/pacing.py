"""Connections to a model that are read at a pace, instead of at every chunk.

A read costs the same whether it brings one chunk or ten (about 0.1 ms: wake-up, httpcore, h11). While a connection
rests, chunks gather in the kernel, and the next read brings all of them. The one who reads the answer sets the pace.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

import httpcore2
import httpx2
import structlog

log = structlog.stdlib.get_logger(__name__)

WAITED_SECONDS = 0.001
"""A read that took longer had to wait for the network: nothing is left to be read."""
STARTS_AT_ONCE = 8
START_SECONDS_MAX = 0.1
"""At least STARTS_AT_ONCE questions go out in this time, however slow the model is."""


class Pace:
    """One connection's. `rest(until)` is called between two reads."""

    def __init__(self) -> None:
        self._until = 0.0
        self._is_drained = True

    def rest(self, until: float) -> None:
        """Do not read from the network before this moment of the loop's clock; 0 ends the rest."""
        self._until = until

    async def wait(self) -> None:
        """Return when it is time to read."""
        if self._is_drained:
            wait_seconds = self._until - asyncio.get_running_loop().time()
            if wait_seconds > 0:
                await asyncio.sleep(wait_seconds)

    def note_read(self, *, is_drained: bool) -> None:
        """What was read left more behind, or did not: only a drained connection rests."""
        self._is_drained = is_drained


def pace_of(response: httpx2.Response) -> Pace | None:
    """The pace of the connection that a response comes over; None where it has none."""
    stream: Any = response.extensions.get("network_stream")
    pace: object = stream.get_extra_info("pace") if stream is not None else None
    return pace if isinstance(pace, Pace) else None


class _PacedStream(httpcore2.AsyncNetworkStream):
    def __init__(self, inner: httpcore2.AsyncNetworkStream, pace: Pace, *, is_encrypted: bool) -> None:
        self._inner = inner
        self._pace = pace
        self._is_encrypted = is_encrypted

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's name
        await self._pace.wait()
        clock = asyncio.get_running_loop().time
        began = clock()
        data = await self._inner.read(max_bytes, timeout)
        # TLS gives one record at a time, however many have arrived.
        is_drained = clock() - began > WAITED_SECONDS if self._is_encrypted else len(data) < max_bytes
        self._pace.note_read(is_drained=is_drained)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's name
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's name
    ) -> httpcore2.AsyncNetworkStream:
        inner = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        return _PacedStream(inner, self._pace, is_encrypted=True)

    def get_extra_info(self, info: str) -> Any:
        return self._pace if info == "pace" else self._inner.get_extra_info(info)


class _PacedBackend(httpcore2.AsyncNetworkBackend):
    def __init__(self) -> None:
        self._inner = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's name
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        stream = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return _PacedStream(stream, Pace(), is_encrypted=False)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class Turnstile:
    """Lets a few questions out at once, in the order of their coming.

    Without it, hundreds that arrive together share the processor until every one of them runs into its connect
    timeout. Who waits for a slow model gives the place up, so that a slow model slows nobody down.
    """

    def __init__(self, at_once: int) -> None:
        self._places = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def passing(self) -> AsyncGenerator[None]:
        """Hold a place while the block runs, but for START_SECONDS_MAX at most."""
        await self._places.acquire()
        holds = True

        def give_up() -> None:
            nonlocal holds
            if holds:
                holds = False
                self._places.release()

        timer = asyncio.get_running_loop().call_later(START_SECONDS_MAX, give_up)
        try:
            yield
        finally:
            timer.cancel()
            give_up()


class PacedTransport(httpx2.AsyncHTTPTransport):
    """httpx's own transport over connections that have a pace."""

    def __init__(self, *, connections_max: int, keep_alive_max: int, keep_alive_seconds: float) -> None:
        super().__init__()
        self._starts = Turnstile(STARTS_AT_ONCE)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=httpx2.create_ssl_context(),
            max_connections=connections_max,
            max_keepalive_connections=keep_alive_max,
            keepalive_expiry=keep_alive_seconds,
            network_backend=_PacedBackend(),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        async with self._starts.passing():
            return await self._ask(request)

    async def _ask(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await super().handle_async_request(request)
        except (httpx2.ReadError, httpx2.RemoteProtocolError) as error:
            # The server closed a kept connection just as the question was sent over it: nothing was answered.
            log.info("model_connection_was_closed", exc_info=error)
            return await super().handle_async_request(request)
