"""What all parts share: settings, state, and the worker that delivers events."""

import asyncio
from dataclasses import dataclass, field

from local_stack.stripe_sandbox.endpoints import Context
from local_stack.stripe_sandbox.settings import Settings
from local_stack.stripe_sandbox.store import Store
from local_stack.stripe_sandbox.webhooks.queue import DeliveryControls, controls


@dataclass
class Sandbox:
    """One running server."""

    settings: Settings
    store: Store
    # Set after every change, so that new deliveries need not wait for a poll.
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def context(
        self, base_url: str = "", *, request_id: str | None = None, idempotency_key: str | None = None
    ) -> Context:
        return Context(
            store=self.store,
            base_url=base_url,
            has_webhook=self.delivery_controls().webhook_url is not None,
            request_id=request_id,
            idempotency_key=idempotency_key,
        )

    def delivery_controls(self) -> DeliveryControls:
        defaults = DeliveryControls(retry_seconds=self.settings.retry_seconds, webhook_url=self.settings.webhook_url)
        return controls(self.store, defaults)

    def wake(self) -> None:
        self.changed.set()
