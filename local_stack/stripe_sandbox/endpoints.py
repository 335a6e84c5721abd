"""What a resource is made of: endpoints, and the context in which they run."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from local_stack.stripe_sandbox.errors import JsonObject
from local_stack.stripe_sandbox.parameters import Field, Shape
from local_stack.stripe_sandbox.store import Store


@dataclass(frozen=True)
class Context:
    """One act inside one transaction. Without a request id the act is Stripe's own (an expiry, a bank's)."""

    store: Store
    base_url: str
    has_webhook: bool
    request_id: str | None = None
    idempotency_key: str | None = None
    now: int = field(default_factory=lambda: int(time.time()))


@dataclass(frozen=True)
class Reply:
    """An answer other than 200 whose changes are kept, such as a declined card."""

    status: int
    body: JsonObject


# Receives the checked parameters; `id` holds the id from the path.
Handler: TypeAlias = Callable[[Context, JsonObject, str], "JsonObject | Reply"]


@dataclass(frozen=True)
class Endpoint:
    """One address; `expand` is added to `shape` by the dispatcher."""

    method: str
    path: str
    handler: Handler
    shape: Shape = field(default_factory=dict[str, Field])
