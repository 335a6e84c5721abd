"""Connections to a model that rest between two reads, and that are asked again when they were being closed."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest

from agent_api.agent.joining import WIDENED_WINDOW_SECONDS_MAX, Crowd, JoiningTransport
from agent_api.agent.pacing import Pace, PacedTransport, Turnstile, pace_of

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(payload), payload)


def text(word: str) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % word.encode()


@asynccontextmanager
async def asking(serve: Serve) -> AsyncGenerator[tuple[str, PacedTransport]]:
    """A server that does what it is told with each connection, and a transport to ask it with."""

    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    listener = await asyncio.start_server(serve_and_close, "127.0.0.1", 0)
    transport = PacedTransport(connections_max=5, keep_alive_max=5, keep_alive_seconds=60)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/", transport
    finally:
        await transport.aclose()
        listener.close()


def test_the_window_widens_with_the_crowd_up_to_a_limit() -> None:
    crowd = Crowd()
    assert crowd.widened(0.04) == 0.04
    crowd.size = 32
    assert 0.04 < crowd.widened(0.04) < WIDENED_WINDOW_SECONDS_MAX
    crowd.size = 10_000
    assert crowd.widened(0.04) == WIDENED_WINDOW_SECONDS_MAX
    assert crowd.widened(0.5) == 0.5


async def test_a_resting_connection_brings_what_gathered_in_one_read() -> None:
    resting, sent = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + chunk(b"first"))
        await resting.wait()
        for number in range(20):
            writer.write(chunk(b"%d " % number))
            await writer.drain()
        sent.set()
        await reader.read()

    async with asking(serve) as (url, transport), asyncio.timeout(60):
        response = await transport.handle_async_request(httpx2.Request("POST", url))
        pace = pace_of(response)
        assert isinstance(pace, Pace)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        body = aiter(response.stream)
        assert await anext(body) == b"first"
        resting.set()
        await sent.wait()
        clock = asyncio.get_running_loop().time
        ends_at = clock() + 0.3
        pace.rest(ends_at)
        assert await anext(body) == b"0 "
        assert clock() >= ends_at, "nothing is read while it rests"
        await response.aclose()


async def test_joined_text_ends_its_rest_with_the_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for word in ("one", "two"):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD + chunk(text(word)) + END)
            await writer.drain()
        await reader.read()

    async with asking(serve) as (url, inner), asyncio.timeout(60):
        transport = JoiningTransport(inner, window_seconds=600)
        for word in ("one", "two"):
            response = await transport.handle_async_request(httpx2.Request("POST", url))
            assert word.encode() in await response.aread()
            await response.aclose()


@pytest.mark.parametrize("left_over", [b"", b"HTTP/1.1 "])
async def test_a_question_over_a_connection_that_is_being_closed_is_asked_again(left_over: bytes) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"question"))
        if len(asked) == 1:
            writer.write(left_over)
            return
        writer.write(HEAD + chunk(text("answer")) + END)
        await reader.read()

    async with asking(serve) as (url, transport), asyncio.timeout(60):
        response = await transport.handle_async_request(httpx2.Request("POST", url, content=b"question"))
        assert b"answer" in await response.aread()
        await response.aclose()
    assert len(asked) == 2


async def test_a_turnstile_lets_a_few_through_and_waits_for_nobody_forever() -> None:
    turnstile = Turnstile(2)
    passed: list[int] = []
    done = [asyncio.Event() for _ in range(4)]

    async def ask(number: int) -> None:
        async with turnstile.passing():
            passed.append(number)
            await done[number].wait()

    async with asyncio.timeout(60):
        tasks = [asyncio.create_task(ask(number)) for number in range(4)]
        await asyncio.sleep(0)
        assert passed == [0, 1]
        done[0].set()
        await tasks[0]
        await asyncio.sleep(0)
        # The next one in order; on a slow machine a second place may have been given up meanwhile.
        assert passed[:3] == [0, 1, 2]
        # 1 and 2 never end by themselves, and give their places up.
        done[3].set()
        await tasks[3]
        assert passed == [0, 1, 2, 3]
        done[1].set()
        done[2].set()
        await asyncio.gather(*tasks)
        # A place is given back once: two at a time, as before.
        async with turnstile.passing(), turnstile.passing():
            waiting = asyncio.ensure_future(anext(aiter(_passing(turnstile))))
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting


async def _passing(turnstile: Turnstile) -> AsyncGenerator[None]:
    async with turnstile.passing():
        yield
