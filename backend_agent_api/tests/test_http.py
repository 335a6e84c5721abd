"""What every route has in common: refusals, limits, CORS, ids, logs."""

import asyncio
import re
from collections.abc import AsyncGenerator
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from agent_api_support.api import Api, make_settings, refusal, run_api
from agent_api_support.auth_server import AuthServer
from fastapi import FastAPI
from pydantic import BaseModel

from agent_api.database import Transaction
from agent_api.errors import InvalidRequest, RateLimited
from agent_api.text import StorableText
from local_stack.postgres.testing import Database

ORIGIN = {"Origin": "http://site.example.com"}
BAD_JWT = {"Authorization": "Bearer x"}
SECRET_TEXT = "the-text-of-an-exception"


class Inner(BaseModel):
    amount: int
    text: StorableText = ""


class Outer(BaseModel):
    items: list[Inner]


@pytest_asyncio.fixture(scope="module")
async def odd_api(shared_database: Database) -> AsyncGenerator[Api]:
    """The API with a small body limit and routes that fail in every way."""
    settings = make_settings(shared_database.dsn(), request_body_max_bytes=1000)
    async with run_api(settings) as running:
        app = running.app

        @app.get("/odd/crash")
        async def crash() -> None:
            raise RuntimeError(SECRET_TEXT)

        @app.get("/odd/sql")
        async def sql(sqlstate: str, detail: str = "") -> None:
            async with app.state.database.transaction() as connection:
                raised = f"raise exception '{SECRET_TEXT}' using errcode = '{sqlstate}', detail = '{detail}';"
                await connection.execute(f"do $$ begin {raised} end $$")

        @app.get("/odd/raw-sql")
        async def raw_sql(statement: str) -> None:
            async with app.state.pool.acquire() as connection:
                await connection.execute(statement)

        @app.get("/odd/limited")
        async def limited() -> None:
            raise RateLimited(retry_after_seconds=17)

        @app.post("/odd/body")
        async def body(content: Outer) -> int:
            return len(content.items)

        @app.get("/odd/field")
        async def field() -> None:
            raise InvalidRequest("not valid: \ud800", field="name-\udfff")

        @app.post("/odd/names")
        async def names(content: dict[str, int]) -> int:
            return len(content)

        yield running


def _api_routes(app: FastAPI) -> list[tuple[str, str]]:
    """(method, path) of every documented route that needs a jwt; webhooks are signed instead."""
    return [
        (method.upper(), re.sub(r"{.*?}", "x", path))
        for path, operations in app.openapi()["paths"].items()
        if path.startswith("/api/") and not path.startswith("/api/webhook/")
        for method in operations
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000], ids=lambda content: str(content)[:10])
async def test_without_a_jwt_every_api_route_refuses_whatever_the_body(api: Api, content: bytes) -> None:
    routes = _api_routes(api.app)
    assert len(routes) > 15
    for method, path in routes:
        for credentials in ({}, {"Authorization": "Bearer"}, {"Authorization": "Basic YTpi"}, BAD_JWT):
            headers = {"Content-Type": "application/json", **ORIGIN, **credentials}
            reply = await api.client.request(method, path, headers=headers, content=content)
            assert refusal(reply) == (401, "unauthorized"), (method, path)
            assert reply.headers["www-authenticate"] == "Bearer"
            assert reply.headers["access-control-allow-origin"] == "http://site.example.com"


async def test_without_a_jwt_a_body_is_not_waited_for(api: Api) -> None:
    address = httpx.URL(api.base_url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = "POST /api/pydantic-agent HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: 1000000\r\n\r\n".encode())
    async with asyncio.timeout(60):
        assert (await reader.readline()).startswith(b"HTTP/1.1 401")
    writer.close()
    await writer.wait_closed()


async def test_an_account_that_is_gone_is_told_so(api: Api) -> None:
    for path in ("/api/balance", "/api/profile", "/api/balance/stream"):
        assert refusal(await api.client.get(path, headers=api.headers(uuid4()))) == (401, "account_not_found")


async def test_an_auth_service_that_is_away_is_503(shared_database: Database, auth_server: AuthServer) -> None:
    auth_server.status = 500
    settings = make_settings(shared_database.dsn(), supabase_url=auth_server.base_url, supabase_jwt_secret=None)
    async with run_api(settings, auth_server) as api:
        reply = await api.client.get("/api/balance", headers=api.headers(uuid4()))
    assert refusal(reply) == (503, "auth_unavailable")
    assert reply.headers["retry-after"] == "1"


async def test_unknown_addresses_and_methods_have_the_same_shape(api: Api) -> None:
    assert refusal(await api.client.get("/nothing/here")) == (404, "not_found")
    signed_in = api.headers(uuid4())
    for headers, unknown, other_method in (
        (signed_in, (404, "not_found"), (405, "method_not_allowed")),
        # Who is nobody does not learn which addresses there are.
        ({}, (401, "unauthorized"), (401, "unauthorized")),
    ):
        assert refusal(await api.client.get("/api/nothing", headers=headers)) == unknown
        assert refusal(await api.client.get("/api/balance/", headers=headers)) == unknown
        assert refusal(await api.client.post("/api/balance", headers=headers)) == other_method


async def test_an_unexpected_failure_says_nothing_about_itself(odd_api: Api) -> None:
    for path in ("/odd/crash", "/odd/sql?sqlstate=XX000", "/odd/raw-sql?statement=select 1/0"):
        reply = await odd_api.client.get(path, headers=ORIGIN)
        assert refusal(reply) == (500, "internal_error")
        assert SECRET_TEXT not in reply.text
        # A browser may read the refusal only with this.
        assert reply.headers["access-control-allow-origin"] == "http://site.example.com"


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("AP401", (401, "account_not_found")),
        ("AP402", (402, "insufficient_tokens")),
        ("AP404", (404, "conversation_not_found")),
        ("AP40M", (404, "message_not_found")),
        ("AP409", (409, "run_in_progress")),
        ("AP40R", (409, "request_id_conflict")),
        ("AP422", (422, "invalid_request")),
        ("57P01", (503, "database_unavailable")),
        ("53300", (503, "database_unavailable")),
        ("08006", (503, "database_unavailable")),
        ("25006", (503, "database_unavailable")),
        ("23505", (500, "internal_error")),
    ],
)
async def test_each_sqlstate_has_one_meaning(odd_api: Api, sqlstate: str, expected: tuple[int, str]) -> None:
    reply = await odd_api.client.get("/odd/sql", params={"sqlstate": sqlstate})
    assert refusal(reply) == expected
    assert SECRET_TEXT not in reply.text


async def test_a_rate_limit_carries_the_seconds_that_sql_computed(odd_api: Api) -> None:
    reply = await odd_api.client.get("/odd/sql", params={"sqlstate": "AP429", "detail": "42"})
    assert refusal(reply) == (429, "rate_limited")
    assert reply.headers["retry-after"] == "42"
    assert (await odd_api.client.get("/odd/limited")).headers["retry-after"] == "17"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"{", "body"),
        (b"", "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 900, "body"),
        (b"[]", "body"),
        (b"{}", "items"),
        (b'{"items": 1}', "items"),
        (b'{"items": [{"amount": 1}, {"amount": "secret-value"}]}', "items.1.amount"),
        (b'{"items": [{"amount": 1, "text": "a\\u0000b"}]}', "items.0.text"),
        (b'{"items": [{"amount": 1, "text": "\\ud800"}]}', "items.0.text"),
        (b'{"items": [{"amount": "\\udfff"}]}', "items.0.amount"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_malformed_body_is_422_and_names_the_field(odd_api: Api, content: bytes, field: str) -> None:
    reply = await odd_api.client.post("/odd/body", content=content, headers={"Content-Type": "application/json"})
    assert refusal(reply) == (422, "invalid_request")
    assert reply.json()["error"]["field"] == field
    assert "secret-value" not in reply.text


async def test_names_that_cannot_be_written_as_utf8_do_not_break_the_reply(odd_api: Api) -> None:
    content = b'{"\\ud800": "not a number"}'
    reply = await odd_api.client.post("/odd/names", content=content, headers={"Content-Type": "application/json"})
    assert refusal(reply) == (422, "invalid_request")
    assert refusal(await odd_api.client.get("/odd/field")) == (422, "invalid_request")


async def test_the_first_wrong_query_parameter_is_named(api: Api) -> None:
    user = api.headers(uuid4())
    for path, field in (
        ("/api/transactions?limit=0", "limit"),
        ("/api/transactions?limit=101", "limit"),
        ("/api/transactions?type=theft", "type"),
        ("/api/transactions?cursor=%00", "cursor"),
        ("/api/transactions?cursor=WzFd.", "cursor"),
        ("/api/transactions?cursor=WyJ4Il0", "cursor"),
        ("/api/conversations?cursor=WzFd", "cursor"),
        ("/api/conversations?cursor=WyJ4IiwieSJd", "cursor"),
        ("/api/conversations/a%00b", "session_id"),
        ("/api/conversations/x/messages?before=9223372036854775808", "before"),
        ("/api/conversations/x/messages?branch=one", "branch"),
    ):
        reply = await api.client.get(path, headers=user)
        assert refusal(reply) == (422, "invalid_request"), path
        assert reply.json()["error"]["field"] == field


async def test_a_body_over_the_limit_is_413_declared_or_not(odd_api: Api) -> None:
    async def in_pieces() -> AsyncGenerator[bytes]:
        for _ in range(20):
            yield b" " * 100

    headers = {"Content-Type": "application/json", **ORIGIN}
    for content in (b" " * 1001, in_pieces()):
        reply = await odd_api.client.post("/odd/body", content=content, headers=headers)
        assert refusal(reply) == (413, "message_too_large")
        assert reply.headers["access-control-allow-origin"] == "http://site.example.com"
    fits = b'{"items": []}'.ljust(1000)
    assert (await odd_api.client.post("/odd/body", content=fits, headers=headers)).json() == 0


async def test_a_body_declared_too_large_is_refused_before_it_is_sent(odd_api: Api) -> None:
    address = httpx.URL(odd_api.base_url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"POST /odd/body HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 1001\r\n\r\n")
    async with asyncio.timeout(60):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_never_ends_is_408(shared_database: Database) -> None:
    async with run_api(make_settings(shared_database.dsn(), request_body_timeout_seconds=1)) as api:
        address = httpx.URL(api.base_url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        head = "PATCH /api/profile HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: application/json\r\n"
        signed = f"{head}Authorization: {api.headers(uuid4())['Authorization']}\r\n"
        writer.write(f"{signed}Content-Length: 1000\r\n\r\n{{".encode())
        async with asyncio.timeout(60):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()
        await writer.wait_closed()


async def test_only_listed_origins_may_read(api: Api) -> None:
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,content-type"}
    allowed = await api.client.options("/api/profile", headers=ORIGIN | asked)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "http://site.example.com"
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    refused = await api.client.options("/api/profile", headers={"Origin": "http://evil.example.com"} | asked)
    assert "access-control-allow-origin" not in refused.headers
    read = await api.client.get("/health", headers=ORIGIN)
    exposed = read.headers["access-control-expose-headers"].lower()
    assert {"x-request-id", "retry-after", "x-vercel-ai-ui-message-stream"} <= set(exposed.split(", "))


async def test_a_sane_request_id_is_kept_and_any_other_replaced(api: Api) -> None:
    kept = await api.client.get("/health", headers={"X-Request-ID": "trace-0123456789"})
    assert kept.headers["x-request-id"] == "trace-0123456789"
    for odd in ("", "short", "a b c d e f g h", "x" * 65, '{"json": "injection"}'):
        made = await api.client.get("/health", headers={"X-Request-ID": odd})
        assert made.headers["x-request-id"] != odd
        assert len(made.headers["x-request-id"]) == 32


async def test_a_failing_commit_is_no_success(odd_api: Api, shared_database: Database) -> None:
    """A deferred constraint fails at commit, when a reply sent before it would already say 200."""

    @odd_api.app.get("/odd/commit")
    async def commit(connection: Transaction) -> str:
        await connection.execute("insert into public.deferred_check (parent) values (1)")
        return "done"

    async with shared_database.connect() as connection:
        await connection.execute(
            "create table public.deferred_check (id int primary key default 2, parent int references"
            " public.deferred_check (id) deferrable initially deferred)"
        )
    try:
        assert refusal(await odd_api.client.get("/odd/commit")) == (500, "internal_error")
    finally:
        async with shared_database.connect() as connection:
            await connection.execute("drop table public.deferred_check")
