"""The sandbox answers this machine and its own pages only."""

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from local_stack.stripe_sandbox.guard import LoopbackOnly
from local_stack.stripe_sandbox.tests.running import RunningSandbox, start_process

_START_SECONDS = 120


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0"], "--host must be a loopback address"),  # noqa: S104 - it must be refused
        (["--secret-key", "sk_live_1234567890"], "--secret-key"),
        (["--webhook-url", "https://example.com/hook"], "--webhook-url"),
        (["--webhook-secret", ""], "--webhook-secret (STRIPE_WEBHOOK_SECRET) is needed"),
    ],
)
async def test_it_does_not_start_with_a_setting_that_could_leave_the_machine(
    tmp_path: Path, options: list[str], words: str
) -> None:
    sound = ["--state", str(tmp_path / "s"), "--secret-key", "sk_test_12345678", "--port", "1"]
    hook = ["--webhook-url", "http://127.0.0.1:9/", "--webhook-secret", "whsec_1"]
    process = await start_process(*sound, *hook, *options, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(_START_SECONDS):
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 1 and words in errors.decode()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:54324", ""])
async def test_another_host_name_is_refused(sandbox: RunningSandbox, host: str) -> None:
    answer = await sandbox.http.get("/sandbox", headers={"host": host})
    assert answer.status_code in (400, 403)


async def test_a_form_of_another_site_is_refused(sandbox: RunningSandbox) -> None:
    for origin in ("https://evil.example", "http://127.0.0.1:1", "null"):
        answer = await sandbox.http.post("/sandbox/reset", json={}, headers={"origin": origin})
        assert answer.status_code == 403
    assert (await sandbox.http.post("/sandbox/reset", json={}, headers={"origin": sandbox.url})).status_code == 200


@pytest.mark.parametrize(("peer", "status"), [("10.0.0.5", 403), ("::1", 404), ("127.0.0.1", 404)])
async def test_another_machine_is_refused(peer: str, status: int) -> None:
    transport = httpx.ASGITransport(LoopbackOnly(Starlette()), client=(peer, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert (await client.get("/")).status_code == status
