"""A shop whose API runs in processes, and a person who buys there."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from agent_api_support.api import Api
from agent_api_support.auth_server import AuthServer
from agent_api_support.billing import Shop, billing_settings
from fastapi import FastAPI

from agent_api.billing.reconcile import reconcile
from local_stack.postgres.testing import Database
from local_stack.stripe_sandbox.tests.running import SECRET_KEY, RunningSandbox
from tests.end_to_end.fleet import ApiProcess, Fleet


@dataclass(frozen=True)
class Market:
    """What the processes share."""

    fleet: Fleet
    database: Database
    sandbox: RunningSandbox
    webhook_secret: str

    @asynccontextmanager
    async def process(self, **changes: Any) -> AsyncGenerator[tuple[Shop, ApiProcess]]:
        """A process that sells."""
        settings: dict[str, Any] = {
            "stripe_secret_key": SECRET_KEY,
            "stripe_webhook_secret": self.webhook_secret,
            "stripe_api_base": self.sandbox.url,
            "reconcile_grace_seconds": 0,
            "reconcile_recheck_seconds": 0,
            "reconcile_interval_seconds": 86_400,
            **changes,
        }
        async with self.fleet.api(**settings) as running:
            yield self.shop_at(running), running

    def shop_at(self, running: ApiProcess) -> Shop:
        api = Api(app=FastAPI(), base_url=str(running.client.base_url), client=running.client, auth=AuthServer())
        return Shop(api, self.database, self.sandbox)

    async def deliver_to(self, shop: Shop, **controls: Any) -> None:
        """Let Stripe deliver by itself from now on."""
        url = f"{shop.api.base_url.rstrip('/')}/api/webhook/stripe"
        # An answer that comes late is not asked for again.
        values = {"paused": False, "webhook_url": url, "timeout_seconds": 60, **controls}
        await self.sandbox.control("POST", "/sandbox/deliveries/settings", values)

    async def reconcile(self) -> dict[str, Any]:
        """The report of `python -m agent_api.billing.reconcile --json`, run beside the processes."""
        report = await reconcile(billing_settings(self.database.dsn(), api_base=self.sandbox.url), days=None)
        return json.loads(report.model_dump_json())

    async def assert_books_agree(self) -> dict[str, Any]:
        """Nothing differs: not within the ledger, not between the ledger and Stripe."""
        report = await self.reconcile()
        assert report["audit_faults"] == 0, report["audit_examples"]
        assert report["drift"] == 0, report["differences"]
        assert report["stripe"] == report["ours"]
        return report
