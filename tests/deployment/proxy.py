"""The real Caddy with the repository's Caddyfile, in front of real API processes and the built site."""

import asyncio
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from local_stack.paths import REPOSITORY
from local_stack.processes import free_ports
from tests.end_to_end.fleet import ApiProcess, Fleet

AGENT_HOST, SITE_HOST = "agent.example.com", "chat.example.com"
REPLICAS = 2
START_SECONDS_MAX = 60.0
# The first Caddy that carries a body elsewhere when a connection is refused (caddyserver/caddy#7547). What compose runs
# is a later one; Debian's and Ubuntu's may be earlier.
CARRIES_BODIES_ELSEWHERE = (2, 11, 2)


def caddy_program() -> str:
    """Raises AssertionError where there is none."""
    program = shutil.which("caddy")
    assert program is not None, "Caddy is missing: install it (Debian: apt-get install caddy), or put it on the PATH"
    return program


def caddy_version() -> tuple[int, ...]:
    """Its own says `v2.11.4 h1:...`, Debian's `2.6.2`."""
    said = subprocess.check_output([caddy_program(), "version"], text=True)
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", said)
    assert found is not None, said
    return tuple(map(int, found.groups()))


class PublicTransport(httpx.AsyncHTTPTransport):
    """Connects to this machine whatever the name, as the proxy's public address would resolve."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, limits=httpx.Limits(max_connections=None))
        self._port = port

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": request.url.host}
        request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        return await super().handle_async_request(request)


@dataclass
class Proxy:
    """What is reached through Caddy, and what stands behind it."""

    fleet: Fleet
    replicas: list[ApiProcess]
    http_port: int
    https_port: int
    log: Path
    context: ssl.SSLContext

    @asynccontextmanager
    async def client(self, host: str = AGENT_HOST) -> AsyncGenerator[httpx.AsyncClient]:
        """A client of its own, with connections of its own."""
        transport = PublicTransport(self.https_port, self.context)
        async with httpx.AsyncClient(base_url=f"https://{host}", transport=transport, timeout=60) as client:
            yield client

    async def announce(self, path: str, size: int, headers: Mapping[str, str]) -> httpx.Response:
        """The answer to a body of which nothing but its length is said: nobody is cut off while sending it."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.https_port, ssl=self.context, server_hostname=AGENT_HOST
        )
        said = {**headers, "Host": AGENT_HOST, "Content-Length": str(size)}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items()), "", ""]
        writer.write("\r\n".join(lines).encode())
        async with asyncio.timeout(START_SECONDS_MAX):
            first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().strip().splitlines()
            answered = httpx.Headers(dict(line.split(": ", 1) for line in rest))
            content = await reader.readexactly(int(answered["content-length"]))
        writer.transport.abort()
        return httpx.Response(int(first.split()[1]), headers=answered, content=content)


@asynccontextmanager
async def run_caddy(
    config: Path, environment: Mapping[str, str], *, home: Path, health_url: str
) -> AsyncGenerator[Path]:
    """Caddy while the block runs; gives its log."""
    log = _home(home) / "caddy.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(caddy_program(), "run", "--config", str(config), "--adapter", "caddyfile"),
            env={"PATH": os.environ["PATH"], "HOME": str(home), "XDG_DATA_HOME": str(home), **environment},
            stdout=output,
            stderr=output,
        )
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            # It says so when it listens on all of its ports; the port for health checks alone may answer before.
            while "serving initial configuration" not in log.read_text():
                assert process.returncode is None
                await asyncio.sleep(0.05)
        async with httpx.AsyncClient(timeout=START_SECONDS_MAX) as client:
            assert (await client.get(health_url)).is_success
        yield log
    finally:
        if process.returncode is not None:
            raise AssertionError(f"Caddy ended by itself: {log.read_text()[-5000:]}")
        process.terminate()
        await process.wait()


@asynccontextmanager
async def run_site(built: Path, home: Path, *, agent: str, auth: str) -> AsyncGenerator[int]:
    """The built site under the configuration of its image; gives the port."""
    (port,) = free_ports(1)
    settings = _home(home / "settings")
    shutil.copyfile(REPOSITORY / "frontend" / "config.js.template", settings / "config.js")
    environment = {
        "SITE_PORT": str(port),
        "SITE_ROOT": str(built),
        "SITE_CONFIG_ROOT": str(settings),
        "VITE_AGENT_ENDPOINT": f"{agent}/api/pydantic-agent",
        "VITE_SUPABASE_URL": auth,
        "VITE_SUPABASE_ANON_KEY": "public",
    }
    config, health = REPOSITORY / "frontend" / "Caddyfile", f"http://127.0.0.1:{port}/health"
    async with run_caddy(config, environment, home=home, health_url=health):
        yield port


@asynccontextmanager
async def run_proxy(
    fleet: Fleet, built_site: Path, home: Path, *, auth_port: int = 9, **settings: Any
) -> AsyncGenerator[Proxy]:
    """Everything, with two replicas and a place for a third that never runs."""
    http_port, https_port, health_port, nobody, *api_ports = free_ports(4 + REPLICAS)
    site = f"https://{SITE_HOST}:{https_port}"
    async with AsyncExitStack() as stack:
        replicas = [
            await stack.enter_async_context(fleet.api(port, frontend_url=site, **settings)) for port in api_ports
        ]
        site_port = await stack.enter_async_context(
            run_site(built_site, home / "site", agent=f"https://{AGENT_HOST}:{https_port}", auth=site)
        )
        environment = {
            "AGENT_API_HOSTNAME": AGENT_HOST,
            "FRONTEND_HOSTNAME": SITE_HOST,
            "LETSENCRYPT_EMAIL": "operator@example.com",
            "CADDY_GLOBAL_OPTIONS": f"local_certs\nskip_install_trust\nhttp_port {http_port}\nhttps_port {https_port}",
            "CADDY_HEALTH_PORT": str(health_port),
            "AGENT_API_UPSTREAMS": " ".join(f"127.0.0.1:{port}" for port in (nobody, *api_ports)),
            "FRONTEND_UPSTREAM": f"127.0.0.1:{site_port}",
            "AUTH_ADDRESS": f"127.0.0.1:{auth_port}",
        }
        health = f"http://127.0.0.1:{health_port}/health"
        log = await stack.enter_async_context(
            run_caddy(REPOSITORY / "Caddyfile", environment, home=home / "proxy", health_url=health)
        )
        context = await trust(home / "proxy", https_port)
        yield Proxy(fleet, replicas, http_port, https_port, log, context)


def _home(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


async def trust(home: Path, https_port: int) -> ssl.SSLContext:
    """Nothing but Caddy's own authority, once it vouches for both names: it serves before it has certificates."""
    authority = home / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            try:
                context = ssl.create_default_context(cafile=str(authority))
                for host in (AGENT_HOST, SITE_HOST):
                    await _shake_hands(https_port, context, host)
                return context
            except (FileNotFoundError, ssl.SSLError, ConnectionError):
                await asyncio.sleep(0.05)


async def _shake_hands(port: int, context: ssl.SSLContext, host: str) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    writer.close()
    await writer.wait_closed()
