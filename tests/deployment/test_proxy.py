"""The repository's Caddyfile under the real Caddy: what passes, what does not, and what is written down."""

import asyncio
import json
import ssl
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from agent_api_support.chat import ASK, new_id
from agent_api_support.waiting import until

from local_stack.paths import REPOSITORY
from local_stack.processes import free_ports
from tests.deployment.proxy import AGENT_HOST, SITE_HOST, Proxy, run_caddy

REQUEST_LIMIT, WEBHOOK_LIMIT = 2 * 1024 * 1024, 256 * 1024
READ_SECONDS_MAX = 20.0


async def test_each_event_of_an_answer_arrives_before_the_next_one_exists(proxy: Proxy) -> None:
    steps = [asyncio.Event() for _ in range(3)]
    proxy.fleet.model.say("unbuffered", ["First ", steps[0], "second ", steps[1], "third ", steps[2], "fourth"])
    async with proxy.client() as client:
        user = await proxy.fleet.books.person(client)
        async with user.asking("unbuffered") as live:
            assert "content-encoding" not in live.response.headers
            assert live.response.headers["content-type"].startswith("text/event-stream")
            for step, text in zip(steps, ("First", "second", "third"), strict=True):
                # The model says no further word before this one was read.
                await live.until_text(text)
                step.set()
            assert (await live.rest()).text == "First second third fourth"


async def test_the_live_balance_is_not_held_back(proxy: Proxy) -> None:
    async with proxy.client() as client:
        user = await proxy.fleet.books.person(client, tokens=7)
        async with client.stream("GET", "/api/balance/stream", headers=user.headers) as stream:
            async with asyncio.timeout(READ_SECONDS_MAX):
                lines = stream.aiter_lines()
                while '"tokens": 7' not in (line := await anext(lines)) and '"tokens":7' not in line:
                    pass


async def test_an_id_that_is_a_path_passes_as_it_was_sent(proxy: Proxy) -> None:
    """Documents of earlier versions have such ids."""
    document_id = f"/app/rag-documents/{uuid4()}.md"
    async with proxy.fleet.books.database.connect() as connection:
        await connection.execute("insert into public.document_metadata (id) values ($1)", document_id)
    async with proxy.client() as client, proxy.client(SITE_HOST) as site:
        user = await proxy.fleet.books.person(client)
        for route in ("", "/content"):
            reply = await client.get(f"/api/documents/{quote(document_id, safe='')}{route}", headers=user.headers)
            assert document_id in reply.text
        page = await site.get(f"/documents/{quote(document_id, safe='')}")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


async def test_text_is_compressed(proxy: Proxy) -> None:
    async with proxy.client() as client, proxy.client(SITE_HOST) as site:
        user = await proxy.fleet.books.person(client)
        reply = await client.get("/openapi.json", headers={**user.headers, "Accept-Encoding": "gzip"})
        assert reply.headers["content-encoding"] == "gzip"
        assert reply.json()["paths"]
        page = (await site.get("/")).text
        script = page.split('src="/assets/')[1].split('"')[0]
        reply = await site.get(f"/assets/{script}", headers={"Accept-Encoding": "gzip"})
        assert reply.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("path", "limit"), [(ASK, REQUEST_LIMIT), ("/api/webhook/stripe", WEBHOOK_LIMIT), ("/api/checkout", REQUEST_LIMIT)]
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_apis_limit_is_refused(proxy: Proxy, path: str, limit: int, chunked: bool) -> None:
    async def pieces():
        for _ in range(limit // 65536 + 1):
            yield b" " * 65536

    async with proxy.client() as client:
        user = await proxy.fleet.books.person(client)
        headers = {**user.headers, "Content-Type": "application/json"}
        if chunked:
            # Cut off, perhaps, while it is still sending.
            with suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
                assert (await client.post(path, content=pieces(), headers=headers)).status_code == 413
        else:
            assert (await proxy.announce(path, limit + 1, headers)).status_code == 413
        small = await client.post(path, content=b" " * 100, headers=headers)
        assert small.status_code not in (413, 502)


async def test_headers_that_protect_stand_on_every_reply_once(proxy: Proxy) -> None:
    async with proxy.client() as client, proxy.client(SITE_HOST) as site:
        for reply in (await client.get("/health"), await client.get("/api/balance"), await site.get("/login")):
            headers = reply.headers
            assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
            assert headers.get_list("x-content-type-options") == ["nosniff"]
            assert headers.get_list("x-frame-options") == ["DENY"]
            assert headers.get_list("referrer-policy") == ["no-referrer"]
            assert len(headers.get_list("permissions-policy")) == 1
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert len(headers.get_list("content-security-policy")) == 1
            assert "server" not in headers or "caddy" not in headers["server"].lower()
        policy = (await site.get("/")).headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert f"connect-src 'self' https://{AGENT_HOST}:{proxy.https_port} https://{SITE_HOST}:" in policy


async def test_plain_http_leads_to_https(proxy: Proxy) -> None:
    async with httpx.AsyncClient() as client:
        reply = await client.get(f"http://127.0.0.1:{proxy.http_port}/login?x=1", headers={"Host": SITE_HOST})
    assert reply.status_code in (301, 308)
    assert reply.headers["location"].startswith(f"https://{SITE_HOST}")


async def test_the_names_are_certified_and_nothing_else_is(proxy: Proxy) -> None:
    async with proxy.client("other.example.com") as client:
        with pytest.raises((httpx.ConnectError, ssl.SSLError)):
            await client.get("/health")


async def test_the_site_is_served_with_its_settings_and_lasting_assets(proxy: Proxy) -> None:
    async with proxy.client(SITE_HOST) as site:
        settings = await site.get("/config.js")
        assert settings.headers["cache-control"] == "no-store"
        served = json.loads(settings.text.removeprefix("globalThis.__SITE_CONFIG__ = "))
        assert served["VITE_AGENT_ENDPOINT"] == f"https://{AGENT_HOST}:{proxy.https_port}{ASK}"
        page = await site.get("/payment-success?purchase_id=1")
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
        script = page.text.split('src="/assets/')[1].split('"')[0]
        asset = await site.get(f"/assets/{script}")
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await site.get("/assets/of-another-build.js")).status_code == 404
        assert (await site.get("/health")).json() == {"status": "ok"}


async def test_the_log_tells_what_happened_without_its_secrets(proxy: Proxy) -> None:
    marker = uuid4().hex
    async with proxy.client() as client, proxy.client(SITE_HOST) as site:
        user = await proxy.fleet.books.person(client)
        await client.get(f"/api/conversations/{marker}?after={marker}-secret", headers=user.headers)
        await site.get(f"/auth/callback/{marker}?code={marker}-secret#x", headers={"Cookie": f"jwt={marker}-secret"})
        # A reply is complete before its line is written.
        await until(lambda: proxy.log.read_text().count(marker) == 2)
    written = proxy.log.read_text()
    assert f"{marker}-secret" not in written
    assert user.headers["Authorization"].removeprefix("Bearer ") not in written
    assert "Bearer" not in written
    lines = [json.loads(line) for line in written.splitlines() if marker in line]
    assert {(line["request"]["method"], line["status"]) for line in lines} == {("GET", 404), ("GET", 200)}


async def test_places_without_a_replica_do_not_fill_the_log(tmp_path: Path) -> None:
    checks = 0

    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal checks
        checks += 1
        writer.close()

    http_port, https_port, health_port = free_ports(3)
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as nobody:
        port = nobody.sockets[0].getsockname()[1]
        environment = {
            "AGENT_API_HOSTNAME": AGENT_HOST,
            "FRONTEND_HOSTNAME": SITE_HOST,
            "LETSENCRYPT_EMAIL": "operator@example.com",
            "CADDY_GLOBAL_OPTIONS": f"local_certs\nskip_install_trust\nhttp_port {http_port}\nhttps_port {https_port}",
            "CADDY_HEALTH_PORT": str(health_port),
            "AGENT_API_UPSTREAMS": f"127.0.0.1:{port}",
        }
        health = f"http://127.0.0.1:{health_port}/health"
        async with run_caddy(REPOSITORY / "Caddyfile", environment, home=tmp_path, health_url=health) as log:
            # When it asks again, it has written down what it had to say the time before.
            await until(lambda: checks >= 2)
            assert "health_checker" not in log.read_text()


async def test_both_replicas_are_asked_and_one_that_is_unknown_is_not(proxy: Proxy) -> None:
    never = asyncio.Event()
    proxy.fleet.model.say("who are you", ["I ", never])
    async with proxy.client() as client:
        ids = [uuid4() for _ in range(4)]
        for request_id in ids:
            user = await proxy.fleet.books.person(client)
            async with user.asking("who are you", request_id=request_id, session_id=new_id()) as live:
                await live.until_text("I")
        holders = await proxy.fleet.books.rows(
            "select distinct lease_holder from public.requests where id = any($1)", ids
        )
        assert len(holders) == len(proxy.replicas)
    never.set()
    for request_id in ids:
        await proxy.fleet.books.settled(request_id)
