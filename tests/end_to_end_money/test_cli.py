"""The official Stripe CLI: what it triggers is not ours, and is answered as documented."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from agent_api_support.billing import STRIPE_AND_HTTPX

from local_stack.paths import REPOSITORY
from local_stack.stripe_sandbox.tests.running import SECRET_KEY
from tests.end_to_end_money.market import Market

CLI = REPOSITORY / "local_stack" / "stripe_sandbox" / "node_modules" / ".bin" / "stripe"
pytestmark = STRIPE_AND_HTTPX


@pytest.fixture(autouse=True)
def installed() -> None:
    """`deploy.py --type test` installs it. Its launcher runs on Node."""
    assert CLI.exists(), "the Stripe CLI is not installed: npm ci in local_stack/stripe_sandbox"
    assert shutil.which("node") is not None, "the Stripe CLI needs Node on PATH"


@pytest.mark.parametrize("trigger", ["payment_intent.succeeded", "charge.refunded"])
async def test_what_the_cli_triggers_is_answered_200_and_ignored(market: Market, tmp_path: Path, trigger: str) -> None:
    async with market.process() as (shop, _):
        await market.deliver_to(shop)
        process = await asyncio.create_subprocess_exec(
            str(CLI),
            *("trigger", trigger, "--api-base", market.sandbox.url, "--api-key", SECRET_KEY),
            # Its own settings and update checks stay out of the home folder of whoever runs this.
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "XDG_CONFIG_HOME": str(tmp_path),
                "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        await market.sandbox.settle()
        response = await market.sandbox.http.get("/sandbox/deliveries")
        deliveries = response.json()["data"]
        assert trigger in {delivery["event_type"] for delivery in deliveries}
        assert {(delivery["answered_status"], delivery["attempts"]) for delivery in deliveries} == {(200, 1)}
        async with market.database.connect() as connection:
            rows = await connection.fetch("select type, status from public.stripe_events")
        assert {row["status"] for row in rows} == {"ignored"}
        assert trigger in {row["type"] for row in rows}
        report = await market.assert_books_agree()
        assert report["stripe"]["purchases"] == 0
