"""What an event means for the books: one action of `apply_stripe_event` and the facts it needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import ValidationError

from agent_api.billing import inbox_queries
from agent_api.billing.client import API_VERSION, NoSuchObject, StripeFailure, StripeGateway, Unreadable
from agent_api.billing.facts import facts_of_payment
from agent_api.billing.marks import Marks, metadata_in, uuid_in
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
        try:
            return await self._effect(event)
        except (ValidationError, Unreadable):
            # Ours, and not what the documented version holds: no retry will change that.
            return Effect("flag", {"error": "unexpected_shape"})
        except NoSuchObject:
            # Ours, and Stripe does not know it: a fault that no retry changes either.
            return Effect("flag", {"error": "payment_unknown_to_stripe"})
        except StripeFailure as error:
            return Effect("fail", {"error": f"Stripe: {error}"})

    async def _effect(self, event: Event) -> Effect:
        if event.livemode != self._gateway.livemode:
            return await self._of_other_mode(event)
        if event.type in OBSERVED:
            return await self._observed(event)
        if not self._marks.are_on(metadata_in(event.data.object)):
            return IGNORE
        return _effect_of_snapshot(event) if event.api_version == API_VERSION else await self._fetched(event)

    async def _of_other_mode(self, event: Event) -> Effect:
        """Another environment's, unless it claims to have paid a purchase of this one: then it is for SQL to refuse."""
        metadata = metadata_in(event.data.object)
        if event.type != PAYMENT or not self._marks.are_on(metadata):
            return IGNORE
        async with self._database.statement() as connection:
            is_ours = await inbox_queries.is_purchase_of_mode(
                connection, purchase_id=uuid_in(metadata, "purchase_id"), livemode=self._gateway.livemode
            )
        return _payment(event, livemode=event.livemode) if is_ours else IGNORE

    async def _fetched(self, event: Event) -> Effect:
        """A payload of another version is not read: what it is about is fetched in the version that is."""
        object_id = str(event.data.object.get("id"))
        if event.type in SESSION_ENDS:
            session = await self._gateway.retrieve_checkout_session(object_id)
            return _close(event, session) if self._marks.are_on(session.metadata) else IGNORE
        seen = await observe(self._database, self._gateway, object_id)
        if not self._marks.are_on(seen.intent.metadata):
            return IGNORE
        if seen.facts is not None:
            return Effect("payment", seen.facts.as_json())
        return _failure(seen.intent) if event.type == PAYMENT_FAILED else Effect("none")

    async def _observed(self, event: Event) -> Effect:
        payment_intent_id: object = event.data.object.get("payment_intent")
        if not isinstance(payment_intent_id, str) or not payment_intent_id:
            return IGNORE
        async with self._database.statement() as connection:
            purchase_id = await inbox_queries.find_purchase_of_payment(connection, payment_intent_id=payment_intent_id)
        # A payment that is known stays ours, whatever somebody does to its metadata.
        if purchase_id is None and not await self._is_ours(payment_intent_id):
            return IGNORE
        seen = await observe(self._database, self._gateway, payment_intent_id)
        return Effect("none") if seen.facts is None else Effect("payment", seen.facts.as_json())

    async def _is_ours(self, payment_intent_id: str) -> bool:
        try:
            return self._marks.are_on(await self._gateway.metadata_of_payment_intent(payment_intent_id))
        except NoSuchObject:
            return False  # Of another account.


def _effect_of_snapshot(event: Event) -> Effect:
    if event.type in SESSION_ENDS:
        return _close(event, CheckoutSession.model_validate(event.data.object))
    if event.type == PAYMENT_FAILED:
        return _failure(PaymentIntent.model_validate(event.data.object))
    return _payment(event)


def _payment(event: Event, **changes: Any) -> Effect:
    intent = PaymentIntent.model_validate(event.data.object)
    facts = facts_of_payment(intent, paid_at=datetime.fromtimestamp(event.created, UTC))
    return Effect("payment", replace(facts, **changes).as_json())


def _failure(intent: PaymentIntent) -> Effect:
    error = intent.last_payment_error
    code = (error.decline_code or error.code) if error else None
    facts = {"purchase_id": _text(uuid_in(intent.metadata, "purchase_id")), "code": code or "payment_failed"}
    return Effect("failure", facts)


def _close(event: Event, session: CheckoutSession) -> Effect:
    facts = {
        "purchase_id": _text(uuid_in(session.metadata, "purchase_id")),
        "checkout_session_id": session.id,
        "status": SESSION_ENDS[event.type],
    }
    return Effect("close", facts)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
