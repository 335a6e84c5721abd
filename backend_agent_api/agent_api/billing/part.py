"""Billing as a part of the application: opened and closed with it, or absent where nothing is sold."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog

from agent_api.background import running_jobs
from agent_api.billing.checkout import Checkout
from agent_api.billing.client import open_gateway
from agent_api.billing.effects import Effects
from agent_api.billing.inbox import Inbox
from agent_api.billing.marks import Marks
from agent_api.billing.reconciler import Reconciler
from agent_api.database import Database
from agent_api.settings import Settings, split_secrets

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Billing:
    """What the lifespan puts on `app.state`."""

    checkout: Checkout
    inbox: Inbox
    reconciler: Reconciler
    webhook_secrets: tuple[str, ...]


@asynccontextmanager
async def open_billing(
    settings: Settings, database: Database, balance_changed: Callable[[UUID], None]
) -> AsyncGenerator[Billing | None]:
    """Everything behind the routes; None where STRIPE_SECRET_KEY or STRIPE_WEBHOOK_SECRET is not set."""
    if settings.stripe_secret_key is None or settings.stripe_webhook_secret is None:
        log.info("billing_is_not_set_up")
        yield None
        return
    async with open_gateway(settings) as gateway:
        marks = Marks.of_installation(settings)
        inbox = Inbox(database, Effects(database, gateway, marks), balance_changed)
        reconciler = Reconciler(database, gateway, inbox, marks, settings, balance_changed)
        try:
            yield Billing(
                checkout=Checkout(database, gateway, settings),
                inbox=inbox,
                reconciler=reconciler,
                webhook_secrets=tuple(split_secrets(settings.stripe_webhook_secret)),
            )
        finally:
            await reconciler.stop()


@asynccontextmanager
async def running_billing(
    settings: Settings, database: Database, balance_changed: Callable[[UUID], None]
) -> AsyncGenerator[Billing | None]:
    """The same, with reconciliation every RECONCILE_INTERVAL_SECONDS, and soon after the start where one is due."""
    async with open_billing(settings, database, balance_changed) as billing:
        if billing is None:
            yield None
            return
        async with running_jobs(reconciliation=billing.reconciler.keep_reconciling):
            yield billing
