"""One payment as each of both sides knows it, and what they say differently."""

from dataclasses import dataclass
from math import ceil

from agent_api.billing.facts import PaymentFacts
from agent_api.billing.reconcile_queries import KnownPurchase
from agent_api.billing.report import Difference, Side

TAKEN_BACK = ("open", "lost")


@dataclass(frozen=True)
class PaymentSide:
    """What was paid and what became of it."""

    paid_minor: int
    refunded_minor: int
    dispute: str

    def tokens(self, pack_tokens: int) -> int:
        """The rule of private.tokens_due, written a second time on purpose: both must come to the same."""
        if self.dispute in TAKEN_BACK or self.paid_minor <= 0:
            return 0
        return ceil(pack_tokens * (self.paid_minor - self.refunded_minor) / self.paid_minor)

    def add_to(self, side: Side, *, tokens: int) -> None:
        side.purchases += 1
        side.paid_minor += self.paid_minor
        side.refunded_minor += self.refunded_minor
        side.disputed += self.dispute in TAKEN_BACK
        side.tokens += tokens


def stripe_side(facts: PaymentFacts) -> PaymentSide:
    return PaymentSide(facts.amount_minor, facts.refunded_minor or 0, facts.dispute or "none")


def our_side(purchase: KnownPurchase) -> PaymentSide:
    return PaymentSide(purchase.paid_minor or 0, purchase.refunded_minor, purchase.dispute)


def is_credited(purchase: KnownPurchase, payment_intent_id: str) -> bool:
    """Whether this very payment is what the purchase was paid with."""
    return purchase.status == "paid" and purchase.payment_intent_id == payment_intent_id


def differences(payment_intent_id: str, purchase: KnownPurchase, stripe: PaymentSide) -> list[Difference]:
    """Field by field. A second payment of a purchase differs in its identity, however equal its amounts are."""
    ours = our_side(purchase)
    # Won and never disputed amount to the same, and Stripe's list does not tell them apart.
    payment = "paid" if is_credited(purchase, payment_intent_id) else f"not this one ({purchase.status})"
    pairs: list[tuple[str, object, object]] = [
        ("payment", payment, "paid"),
        ("paid_minor", ours.paid_minor, stripe.paid_minor),
        ("refunded_minor", ours.refunded_minor, stripe.refunded_minor),
        ("disputed", _taken(ours.dispute), _taken(stripe.dispute)),
        ("tokens", purchase.tokens_settled, stripe.tokens(purchase.pack_tokens)),
    ]
    return [
        Difference(
            payment_intent_id=payment_intent_id,
            purchase_id=purchase.id,
            field=name,
            ours=str(mine),
            stripe=str(theirs),
        )
        for name, mine, theirs in pairs
        if mine != theirs
    ]


def _taken(dispute: str) -> str:
    return dispute if dispute in TAKEN_BACK else "none"
