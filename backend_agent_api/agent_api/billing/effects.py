"""What an event means for the books: one action of `apply_stripe_event` and the facts it needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import ValidationError

from agent_api.billing import inbox_queries
from agent_api.billing.client import NoSuchObject, StripeFailure, StripeGateway
from agent_api.billing.facts import facts_of_payment
from agent_api.billing.marks import Marks, uuid_in
from agent_api.billing.objects import CheckoutSession, Event, PaymentIntent
from agent_api.billing.observation import observe
from agent_api.database import Database

PAYMENT = "payment_intent.succeeded"
PAYMENT_FAILED = "payment_intent.payment_failed"
SESSION_ENDS: Mapping[str, str] = {
    "checkout.session.expired": "expired",
    "checkout.session.async_payment_failed": "failed",
}
OBSERVED = frozenset(
    {
        "charge.refunded",
        "charge.refund.updated",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
    }
)
"""Their objects are snapshots that arrive in any order: what they announce is fetched instead."""
WATCHED = (PAYMENT, PAYMENT_FAILED, *SESSION_ENDS, *sorted(OBSERVED))
"""What a webhook endpoint should send. Stripe lists events of at most 20 types at once."""

Action = Literal["payment", "failure", "close", "none", "ignore", "flag", "fail"]


@dataclass(frozen=True)
class Effect:
    """An action and its facts."""

    action: Action
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


IGNORE = Effect("ignore")


class Effects:
    """Finds out what an event means."""

    def __init__(self, database: Database, gateway: StripeGateway, marks: Marks) -> None:
        self._database = database
        self._gateway = gateway
        self._marks = marks

    async def of(self, event: Event) -> Effect:
        """Fetches where the event only announces something. A failure is an effect too: the event is kept as failed."""
        if event.type not in WATCHED or event.account is not None:
            return IGNORE
        if event.type in OBSERVED:
            return await self._observed(event)
        metadata: object = event.data.object.get("metadata")
        if not isinstance(metadata, dict) or not self._marks.are_on(metadata):  # pyright: ignore[reportUnknownArgumentType]
            return IGNORE
        try:
            return _effect_of_snapshot(event)
        except ValidationError:
            # Ours, and not what the documented version holds: no retry will change that.
            return Effect("flag", {"error": "unexpected_shape"})

    async def _observed(self, event: Event) -> Effect:
        payment_intent_id: object = event.data.object.get("payment_intent")
        if not isinstance(payment_intent_id, str) or not payment_intent_id:
            return IGNORE
        async with self._database.statement() as connection:
            purchase_id = await inbox_queries.find_purchase_of_payment(connection, payment_intent_id=payment_intent_id)
        try:
            seen = await observe(self._database, self._gateway, payment_intent_id)
        except NoSuchObject:
            # Of another account or mode; a payment that we know of and Stripe does not is a fault.
            return IGNORE if purchase_id is None else Effect("flag", {"error": "payment_unknown_to_stripe"})
        except StripeFailure as error:
            return Effect("fail", {"error": f"Stripe: {error}"})
        if purchase_id is None and not self._marks.are_on(seen.intent.metadata):
            return IGNORE
        if seen.facts is None:
            return Effect("none")
        # A payment that is known stays known, whatever somebody does to its metadata.
        facts = seen.facts if purchase_id is None else replace(seen.facts, purchase_id=purchase_id)
        return Effect("payment", facts.as_json())


def _effect_of_snapshot(event: Event) -> Effect:
    if event.type in SESSION_ENDS:
        session = CheckoutSession.model_validate(event.data.object)
        purchase_id = uuid_in(session.metadata, "purchase_id")
        status = SESSION_ENDS[event.type]
        facts = {"purchase_id": _text(purchase_id), "checkout_session_id": session.id, "status": status}
        return Effect("close", facts)
    intent = PaymentIntent.model_validate(event.data.object)
    if event.type == PAYMENT_FAILED:
        error = intent.last_payment_error
        code = (error.decline_code or error.code) if error else None
        facts = {"purchase_id": _text(uuid_in(intent.metadata, "purchase_id")), "code": code or "payment_failed"}
        return Effect("failure", facts)
    return Effect("payment", facts_of_payment(intent, paid_at=datetime.fromtimestamp(event.created, UTC)).as_json())


def _text(value: object) -> str | None:
    return None if value is None else str(value)
