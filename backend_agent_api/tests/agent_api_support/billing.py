"""Buying over real HTTP: an API with billing, a Stripe sandbox as its own process, and deliveries by hand.

Deliveries are made by the tests, so that order, repetition and loss are theirs to choose.
"""

import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import stripe

from agent_api.billing.report import Report
from agent_api_support.api import CLOSED_PORT_URL, Api, make_settings, run_api
from local_stack.postgres.testing import Database
from local_stack.stripe_sandbox.tests.running import SECRET_KEY, RunningSandbox

WEBHOOK_SECRET = "whsec_of_these_tests"
GOOD_CARD = "4242 4242 4242 4242"
DECLINED_CARD = "4000 0000 0000 0002"
NO_FUNDS_CARD = "4000 0000 0000 9995"
SITE = "http://site.example.com"
# stripe 16.1 hands httpx its form in a way that httpx announces to drop.
STRIPE_AND_HTTPX = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning:httpx")


def billing_settings(database_url: str, *, api_base: str = CLOSED_PORT_URL, **changes: Any) -> Any:
    """Settings with which tokens are sold."""
    values: dict[str, Any] = {
        "stripe_secret_key": SECRET_KEY,
        "stripe_webhook_secret": WEBHOOK_SECRET,
        "stripe_api_base": api_base,
        "reconcile_grace_seconds": 0,
        "reconcile_recheck_seconds": 0,
        # Runs are made by the tests. The first that comes by itself does so after a hundredth of this, which is days: a
        # shop may serve the tests of a session, whose payments and faults are not for it.
        "reconcile_interval_seconds": 100_000_000,
        **changes,
    }
    return make_settings(database_url, **values)


@asynccontextmanager
async def run_sandbox(directory: Path) -> AsyncGenerator[RunningSandbox]:
    """A sandbox that delivers nothing by itself."""
    sandbox = RunningSandbox(
        directory / "state.sqlite", webhook_url=f"{CLOSED_PORT_URL}/none", webhook_secret=WEBHOOK_SECRET
    )
    async with sandbox:
        await sandbox.control("POST", "/sandbox/deliveries/settings", {"paused": True})
        yield sandbox


def signed(body: str, *, secret: str = WEBHOOK_SECRET, timestamp: int | None = None) -> dict[str, str]:
    """The headers of a delivery."""
    moment = int(time.time()) if timestamp is None else timestamp
    header = stripe.WebhookSignature.generate_signature_header(body, secret, moment)  # pyright: ignore[reportUnknownMemberType] - untyped there
    return {"Stripe-Signature": header, "Content-Type": "application/json; charset=utf-8"}


async def deliver(api: Api, event: dict[str, Any], **signature: Any) -> httpx.Response:
    """One delivery of an event."""
    body = json.dumps(event)
    return await api.client.post("/api/webhook/stripe", content=body, headers=signed(body, **signature))


def event_about(type: str, body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An event as Stripe shapes it."""
    return {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "livemode": False,
        "pending_webhooks": 1,
        "type": type,
        "data": {"object": body},
        **changes,
    }


def marks(purchase_id: UUID, user_id: UUID, tier: str = "tier_1", **changes: str) -> dict[str, str]:
    """The metadata of what this installation makes."""
    return {
        "app": "agent-api",
        "env": "development",
        "kind": "token_pack",
        "purchase_id": str(purchase_id),
        "user_id": str(user_id),
        "tier": tier,
        **changes,
    }


def payment_intent(metadata: dict[str, str], **changes: Any) -> dict[str, Any]:
    """A payment intent that has succeeded."""
    return {
        "id": f"pi_{uuid4().hex}",
        "object": "payment_intent",
        "created": int(time.time()),
        "amount": 500,
        "amount_received": 500,
        "currency": "usd",
        "livemode": False,
        "status": "succeeded",
        "latest_charge": f"ch_{uuid4().hex}",
        "last_payment_error": None,
        "metadata": metadata,
        **changes,
    }


@dataclass
class Shop:
    """An API that sells, its database and the sandbox behind it."""

    api: Api
    database: Database
    sandbox: RunningSandbox
    delivered: set[str] = field(default_factory=set[str])

    async def checkout(self, user_id: UUID, purchase_id: UUID, tier: str = "tier_1", **extra: Any) -> httpx.Response:
        body = {"tier": tier, "purchase_id": str(purchase_id), **extra}
        return await self.api.client.post("/api/checkout", json=body, headers=self.api.headers(user_id))

    async def begin(self, user_id: UUID, tier: str = "tier_1") -> tuple[UUID, str]:
        """A new purchase and the address of its page."""
        purchase_id = uuid4()
        response = await self.checkout(user_id, purchase_id, tier)
        assert response.status_code == 200, response.text
        return purchase_id, response.json()["url"]

    async def submit(self, url: str, number: str = GOOD_CARD) -> httpx.Response:
        """Pay on the hosted page."""
        values = {"email": "person@example.com", "number": number, "expiry": "12/40", "cvc": "123", "name": "Sample"}
        return await self.sandbox.http.post(httpx.URL(url).path, data=values)

    async def buy(self, user_id: UUID, tier: str = "tier_1") -> UUID:
        """A purchase that is paid, and whose events have arrived."""
        purchase_id, url = await self.begin(user_id, tier)
        assert (await self.submit(url)).status_code == 303
        assert set(await self.deliver_news(purchase_id)) <= {200}
        return purchase_id

    async def stripe_get(self, path: str, **query: Any) -> dict[str, Any]:
        """An object of the sandbox, as Stripe's API shows it."""
        response = await self.sandbox.http.get(path, params=query, headers={"Authorization": f"Bearer {SECRET_KEY}"})
        assert response.status_code == 200, response.text
        return response.json()

    async def sessions_of(self, purchase_id: UUID) -> list[dict[str, Any]]:
        listed = await self.stripe_get("/v1/checkout/sessions", limit=100)
        return [each for each in listed["data"] if each["client_reference_id"] == str(purchase_id)]

    async def events_of(self, purchase_id: UUID) -> list[dict[str, Any]]:
        """Everything that has happened to a purchase, oldest first."""
        [session] = await self.sessions_of(purchase_id)
        known = {session["id"], session["payment_intent"]} - {None}

        def is_meant(body: dict[str, Any]) -> bool:
            return bool(known & {body["id"], body.get("payment_intent")})

        listed = await self.stripe_get("/v1/events", limit=100)
        assert not listed["has_more"] or len(listed["data"]) == 100
        return [event for event in reversed(listed["data"]) if is_meant(event["data"]["object"])]

    async def deliver_news(self, purchase_id: UUID, *, types: Sequence[str] = ()) -> list[int]:
        """Deliver what was not delivered before (of these types); the answers."""
        answers: list[int] = []
        for event in await self.events_of(purchase_id):
            if event["id"] not in self.delivered and (not types or event["type"] in types):
                self.delivered.add(event["id"])
                answers.append((await deliver(self.api, event)).status_code)
        return answers

    async def charge_of(self, purchase_id: UUID) -> str:
        [session] = await self.sessions_of(purchase_id)
        intent = await self.stripe_get(f"/v1/payment_intents/{session['payment_intent']}")
        return intent["latest_charge"]

    async def refund(self, purchase_id: UUID, amount: int | None = None) -> str:
        values = {} if amount is None else {"amount": amount}
        charge_id = await self.charge_of(purchase_id)
        return (await self.sandbox.control("POST", f"/sandbox/charges/{charge_id}/refund", values))["id"]

    async def dispute(self, purchase_id: UUID, **values: Any) -> str:
        charge_id = await self.charge_of(purchase_id)
        return (await self.sandbox.control("POST", f"/sandbox/charges/{charge_id}/dispute", values))["id"]

    async def purchase(self, user_id: UUID, purchase_id: UUID) -> dict[str, Any]:
        response = await self.api.client.get(f"/api/purchases/{purchase_id}", headers=self.api.headers(user_id))
        assert response.status_code == 200, response.text
        return response.json()

    async def balance(self, user_id: UUID) -> int:
        response = await self.api.client.get("/api/balance", headers=self.api.headers(user_id))
        return response.json()["tokens"]

    async def ledger(self, user_id: UUID) -> list[tuple[str, int]]:
        """Types and tokens of a person's movements, oldest first."""
        async with self.database.connect() as connection:
            rows = await connection.fetch(
                "select transaction_type, tokens from public.transactions where user_id = $1 order by seq", user_id
            )
        return [(row[0], row[1]) for row in rows]

    async def audit(self) -> list[tuple[Any, ...]]:
        """Faults in the books."""
        async with self.database.connect() as connection:
            return [tuple(row) for row in await connection.fetch("select * from public.audit_ledger()")]

    async def event_row(self, event_id: str) -> dict[str, Any]:
        """An event in the inbox."""
        async with self.database.connect() as connection:
            row = await connection.fetchrow("select * from public.stripe_events where id = $1", event_id)
        assert row is not None, "the event is not kept"
        return dict(row)


@asynccontextmanager
async def run_shop(database: Database, sandbox: RunningSandbox, **changes: Any) -> AsyncGenerator[Shop]:
    """An API of its own over this sandbox."""
    async with run_api(billing_settings(database.dsn(), api_base=sandbox.url, **changes)) as api:
        yield Shop(api, database, sandbox)


async def reconcile(shop: Shop) -> Report:
    """Compare everything, now."""
    return await shop.api.app.state.billing.reconciler.reconcile_now(days=None, wait_seconds=0)
