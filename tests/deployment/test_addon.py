"""caddy-addon.conf under the real Caddy, with the edits that its two marked lines ask for: as safe as the Caddyfile."""

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest_asyncio
from agent_api_support.chat import ASK

from local_stack.paths import REPOSITORY
from local_stack.processes import free_ports
from tests.deployment.proxy import AGENT_HOST, SITE_HOST, Proxy, run_caddy, run_site, trust

ADDON = REPOSITORY / "caddy-addon.conf"
# What the Caddy of somebody else has beside the two sites, and a place to ask whether it runs.
ITS_OWN = """{{
	admin off
	local_certs
	skip_install_trust
	http_port {http}
	https_port {https}
}}
http://127.0.0.1:{health} {{
	respond 200
}}
"""
LIMIT = 2 * 1024 * 1024
SECURITY = {
    *("strict-transport-security", "content-security-policy", "x-content-type-options", "x-frame-options"),
    *("referrer-policy", "permissions-policy"),
}


@pytest_asyncio.fixture
async def joined(proxy: Proxy, built_site: Path, tmp_path: Path) -> AsyncGenerator[Proxy]:
    """The replicas and the site behind a Caddy that imports the addon."""
    http, https, health = free_ports(3)
    home, config = tmp_path / "caddy", tmp_path / "Caddyfile"
    async with run_site(
        built_site, tmp_path / "site", agent=f"https://{AGENT_HOST}", auth=f"https://{SITE_HOST}"
    ) as site_port:
        text = ADDON.read_text()
        for line, edited in {
            "agent.yourdomain.com": AGENT_HOST,
            "chat.yourdomain.com": SITE_HOST,
            "dynamous-agent-agent-api-1:8001": " ".join(
                f"127.0.0.1:{replica.client.base_url.port}" for replica in proxy.replicas
            ),
            "dynamous-agent-frontend-1:8082": f"127.0.0.1:{site_port}",
        }.items():
            assert re.search(rf"(?m)^\s*[^#\s].*?{re.escape(line)}|^{re.escape(line)}", text), line
            text = re.sub(rf"(?m)^([^#\n]*?){re.escape(line)}", rf"\g<1>{edited}", text)
        config.write_text(ITS_OWN.format(http=http, https=https, health=health) + text)
        async with run_caddy(config, {}, home=home, health_url=f"http://127.0.0.1:{health}/") as log:
            context = await trust(home, https)
            yield Proxy(proxy.fleet, proxy.replicas, http, https, log, context)


def security_headers(reply: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name in SECURITY}


async def test_it_says_to_browsers_what_the_caddyfile_says(joined: Proxy, proxy: Proxy) -> None:
    for host, path in ((AGENT_HOST, "/health"), (AGENT_HOST, "/docs"), (SITE_HOST, "/login")):
        async with joined.client(host) as here, proxy.client(host) as there:
            ours, theirs = security_headers(await here.get(path)), security_headers(await there.get(path))
            if host == SITE_HOST:
                # The site names the port of its API there.
                policies = [each.pop("content-security-policy") for each in (ours, theirs)]
                assert all(policy.startswith("default-src 'none'; script-src 'self';") for policy in policies)
            assert ours == theirs
            assert ours["strict-transport-security"] == "max-age=31536000; includeSubDomains"


async def test_an_answer_streams_and_too_large_a_question_does_not_arrive(joined: Proxy) -> None:
    go_on = asyncio.Event()
    joined.fleet.model.say("through another Caddy", ["First ", go_on, "second"])
    async with joined.client() as client:
        user = await joined.fleet.books.person(client)
        async with user.asking("through another Caddy") as live:
            await live.until_text("First")
            go_on.set()
            assert (await live.rest()).text == "First second"
        refused = await joined.announce(ASK, LIMIT + 1, {**user.headers, "Content-Type": "application/json"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "message_too_large")
        assert refused.headers["access-control-allow-origin"] == "*"
