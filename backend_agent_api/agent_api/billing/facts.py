"""What Stripe's objects say about one payment, as plain facts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from agent_api.billing.marks import uuid_in
from agent_api.billing.objects import Charge, Dispute, PaymentIntent, Refund

DisputeState = Literal["none", "open", "won", "lost"]
REFUND_STATUSES_WITHOUT_MONEY = ("failed", "canceled")


def dispute_state(disputes: Iterable[Dispute]) -> DisputeState:
    """Of all disputes of one payment: an open one counts before a lost one, and that before a won one."""
    states = {_state_of(dispute) for dispute in disputes}
    ranked: tuple[DisputeState, ...] = ("open", "lost", "won", "none")
    return next(state for state in ranked if state in states or state == "none")


def _state_of(dispute: Dispute) -> DisputeState:
    match dispute.status:
        case "won":
            return "won"
        case "lost":
            return "lost"
        case "prevented":
            # It ended before it began, often at the price of the money: no refund tells of that.
            return "lost" if sum(line.amount for line in dispute.balance_transactions) < 0 else "none"
        case status if status.startswith("warning_"):
            return "none"  # An inquiry takes no money.
        case _:
            return "open"  # Also an appeal, and what Stripe may add: the money is gone until the dispute is won.


def refunded_minor(refunds: Iterable[Refund]) -> int:
    """Money given back or on its way; a refund that the bank returned counts no more."""
    return sum(refund.amount for refund in refunds if refund.status not in REFUND_STATUSES_WITHOUT_MONEY)


@dataclass(frozen=True)
class PaymentFacts:
    """One payment as `record_payment` takes it. Without `observed_at` nothing is said about refunds and disputes."""

    purchase_id: UUID | None
    user_id: UUID | None
    tier: str | None
    payment_intent_id: str
    amount_minor: int
    currency: str
    livemode: bool
    paid_at: datetime
    refunded_minor: int | None = None
    dispute: DisputeState | None = None
    observed_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """With times and ids as text, the way SQL casts them back."""
        return {field.name: _as_json(getattr(self, field.name)) for field in fields(self)}


def _as_json(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case _:
            return value


def facts_of_payment(intent: PaymentIntent, *, paid_at: datetime) -> PaymentFacts:
    """The facts in a payment intent that has succeeded."""
    metadata: Mapping[str, str] = intent.metadata
    return PaymentFacts(
        purchase_id=uuid_in(metadata, "purchase_id"),
        user_id=uuid_in(metadata, "user_id"),
        tier=metadata.get("tier"),
        payment_intent_id=intent.id,
        amount_minor=intent.amount_received,
        currency=intent.currency,
        livemode=intent.livemode,
        paid_at=paid_at,
    )


def paid_at_of(intent: PaymentIntent) -> datetime:
    """When the money was taken."""
    charge = intent.latest_charge
    return datetime.fromtimestamp(charge.created if isinstance(charge, Charge) else intent.created, UTC)
