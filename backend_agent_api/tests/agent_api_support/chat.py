"""People who chat, and what their turns leave in the database."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from agent_api_support.auth_server import AuthServer
from agent_api_support.ui_stream import UiStream, read_stream
from local_stack.postgres.testing import Database

ASK = "/api/pydantic-agent"
WAIT_SECONDS_MAX = 60.0
LOOK_EVERY_SECONDS = 0.02


def user_message(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "text", "text": text}], **more}


@dataclass
class LiveStream:
    """A stream that is being read."""

    response: httpx.Response
    seen: UiStream
    _bytes: AsyncIterator[bytes]

    async def until(self, condition: Callable[[UiStream], bool]) -> UiStream:
        """Read on until the events so far fulfil a condition."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not condition(self.seen):
                self.seen.feed(await anext(self._bytes))
        return self.seen

    async def until_text(self, text: str) -> UiStream:
        """Read on until the answer holds a text."""
        return await self.until(lambda seen: text in seen.text)

    async def rest(self) -> UiStream:
        """Read to the end."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            async for data in self._bytes:
                self.seen.feed(data)
        return self.seen


@dataclass
class Person:
    """Somebody signed in, at one process of the API."""

    user_id: UUID
    client: httpx.AsyncClient
    headers: dict[str, str]

    def at(self, client: httpx.AsyncClient) -> "Person":
        """The same person at another process."""
        return Person(self.user_id, client, self.headers)

    def body(
        self, text: str = "Hello", *, session_id: str = "", request_id: UUID | None = None, **more: Any
    ) -> dict[str, Any]:
        """A body as `DefaultChatTransport` sends it."""
        body = {"id": session_id, "messages": [user_message(text)], "trigger": "submit-message", **more}
        return body if request_id is None else {**body, "request_id": str(request_id)}

    async def post(self, content: Any, path: str = ASK, **more: Any) -> httpx.Response:
        """Send whatever it is: bytes as they are, anything else as JSON."""
        form = {"content": content} if isinstance(content, bytes) else {"json": content}
        headers = {**self.headers, "Content-Type": "application/json"}
        return await self.client.post(path, headers=headers, **form, **more)

    async def ask(self, text: str = "Hello", **more: Any) -> UiStream:
        """Ask and read the whole stream."""
        response = await self.post(self.body(text, **more))
        assert response.status_code == 200, response.text
        assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
        stream = read_stream(response.content)
        assert stream.is_done
        return stream

    async def refused(self, text: str = "Hello", **more: Any) -> httpx.Response:
        """Ask, to be refused."""
        response = await self.post(self.body(text, **more))
        assert response.status_code >= 400, response.text
        return response

    @asynccontextmanager
    async def asking(self, text: str = "Hello", **more: Any) -> AsyncGenerator[LiveStream]:
        """Ask and read as it comes; leaving the block leaves the stream."""
        async with self._streaming("POST", ASK, after=0, json=self.body(text, **more)) as live:
            yield live

    @asynccontextmanager
    async def attached(self, session_id: str, *, after: int = 0) -> AsyncGenerator[LiveStream]:
        """Attach to what runs."""
        path = f"{ASK}/{session_id}/stream"
        async with self._streaming("GET", path, after=after, params={"after": after}) as live:
            yield live

    @asynccontextmanager
    async def _streaming(self, method: str, path: str, *, after: int, **more: Any) -> AsyncGenerator[LiveStream]:
        async with self.client.stream(method, path, headers=self.headers, **more) as response:
            if response.status_code != 200:
                raise AssertionError((response.status_code, await response.aread()))
            yield LiveStream(response, UiStream(last_id=after), response.aiter_bytes())

    async def stop(self, session_id: str) -> str:
        response = await self.client.post(f"{ASK}/{session_id}/stop", headers=self.headers)
        assert response.status_code == 202, response.text
        return response.json()["status"]

    async def messages(self, session_id: str, **params: Any) -> list[dict[str, Any]]:
        response = await self.client.get(
            f"/api/conversations/{session_id}/messages", headers=self.headers, params=params
        )
        assert response.status_code == 200, response.text
        return response.json()["items"]

    async def conversation(self, session_id: str) -> dict[str, Any]:
        response = await self.client.get(f"/api/conversations/{session_id}", headers=self.headers)
        return response.json()

    async def balance(self) -> int:
        return (await self.client.get("/api/balance", headers=self.headers)).json()["tokens"]


@dataclass
class Books:
    """What stands in the database."""

    database: Database
    auth: AuthServer = field(default_factory=AuthServer)

    async def person(self, client: httpx.AsyncClient, *, tokens: int = 5) -> Person:
        """Somebody new with so many tokens."""
        user_id = await self.database.add_user(tokens=tokens)
        return Person(user_id, client, {"Authorization": f"Bearer {self.auth.sign_with_secret(user_id)}"})

    async def counts(self) -> dict[str, int]:
        """How many rows there are of all that a turn writes, and the tokens everybody has together."""
        async with self.database.connect() as connection:
            row = await connection.fetchrow(
                """
                select
                    (select count(*) from public.conversations) as conversations,
                    (select count(*) from public.messages) as messages,
                    (select count(*) from public.requests) as requests,
                    (select count(*) from public.transactions) as transactions,
                    (select coalesce(sum(p.tokens), 0) from public.user_profiles as p)::int as tokens
                """
            )
        assert row is not None
        return dict(row)

    async def request(self, request_id: UUID | str) -> asyncpg.Record:
        """One turn."""
        rows = await self.rows("select * from public.requests where id = $1", UUID(str(request_id)))
        assert len(rows) == 1
        return rows[0]

    async def rows(self, query: str, *values: Any) -> list[asyncpg.Record]:
        async with self.database.connect() as connection:
            return await connection.fetch(query, *values)

    async def until(self, query: str, *values: Any) -> asyncpg.Record:
        """The first row of a query, once there is one."""
        async with asyncio.timeout(WAIT_SECONDS_MAX), self.database.connect() as connection:
            while True:
                if rows := await connection.fetch(query, *values):
                    return rows[0]
                await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def settled(self, request_id: UUID | str) -> asyncpg.Record:
        """One turn, once it has ended."""
        return await self.until(
            "select * from public.requests where id = $1 and status <> 'running'", UUID(str(request_id))
        )

    async def assert_sound(self) -> None:
        """The books are right."""
        assert await self.rows("select * from public.audit_ledger()") == []


def new_id() -> str:
    """A conversation nobody knows."""
    return str(uuid4())
