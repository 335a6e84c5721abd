"""The official Stripe CLI against the sandbox."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
import stripe

from local_stack.stripe_sandbox.tests.receiver import Receiver
from local_stack.stripe_sandbox.tests.running import SECRET_KEY, RunningSandbox
from local_stack.stripe_sandbox.tests.shop import event_types

_CLI = Path(__file__).parents[1] / "node_modules" / ".bin" / "stripe"


@pytest.fixture(autouse=True)
def installed() -> None:
    """`deploy.py --type test` installs it. Its launcher runs on Node."""
    assert _CLI.exists(), "the Stripe CLI is not installed: npm ci in local_stack/stripe_sandbox"
    assert shutil.which("node") is not None, "the Stripe CLI needs Node on PATH"


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ("payment_intent.succeeded", ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]),
        (
            "charge.refunded",
            [
                "payment_intent.created",
                "charge.succeeded",
                "payment_intent.succeeded",
                "refund.created",
                "charge.refunded",
            ],
        ),
        (
            "charge.dispute.created",
            ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "charge.dispute.created"],
        ),
    ],
)
async def test_a_trigger_of_the_official_cli_reaches_the_webhook(
    client: stripe.StripeClient,
    sandbox: RunningSandbox,
    receiver: Receiver,
    tmp_path: Path,
    trigger: str,
    expected: list[str],
) -> None:
    process = await asyncio.create_subprocess_exec(
        str(_CLI),
        *("trigger", trigger, "--api-base", sandbox.url, "--api-key", SECRET_KEY),
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
    assert await event_types(client) == expected
    await receiver.wait_for(len(expected))
    assert sorted(receiver.types()) == sorted(expected)
    # Such a payment is not the shop's own: it carries none of its metadata.
    assert all(delivery.event()["data"]["object"]["metadata"] == {} for delivery in receiver.received)
