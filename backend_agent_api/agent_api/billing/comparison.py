"""Payments as Stripe knows them against payments as our books hold them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from uuid import UUID

from agent_api.billing import reconcile_queries
from agent_api.billing.client import NoSuchObject, StripeGateway
from agent_api.billing.facts import PaymentFacts, paid_at_of
from agent_api.billing.marks import Marks, uuid_in
from agent_api.billing.objects import Charge, PaymentIntent
from agent_api.billing.observation import observe
from agent_api.billing.reconcile_queries import KnownPurchase
from agent_api.billing.repairs import Repairs
from agent_api.billing.report import Difference, Report, Side
from agent_api.database import Database

TAKEN_BACK = ("open", "lost")


@dataclass(frozen=True)
class StripeSide:
    """One payment as Stripe knows it."""

    paid_minor: int
    refunded_minor: int
    dispute: str

    def tokens(self, pack_tokens: int) -> int:
        """The rule of private.tokens_due, written a second time on purpose: both must come to the same."""
        if self.dispute in TAKEN_BACK or self.paid_minor <= 0:
            return 0
        return ceil(pack_tokens * (self.paid_minor - self.refunded_minor) / self.paid_minor)


class Comparison:
    """Compares and repairs, filling a report."""

    def __init__(
        self,
        database: Database,
        gateway: StripeGateway,
        marks: Marks,
        report: Report,
        *,
        repairs: Repairs,
        keep_lease: Callable[[], Awaitable[None]],
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._marks = marks
        self._report = report
        self._repairs = repairs
        self._keep_lease = keep_lease
        self._seen: set[str] = set()

    async def run(self, *, since: datetime | None, first_purchase_at: datetime | None) -> None:
        """From Stripe's list to ours, then what only we know. Raises StripeFailure."""
        begin = since or first_purchase_at
        if begin is None:
            return  # Nothing was ever sold.
        async for page in self._gateway.pages_of_payment_intents(since=begin):
            await self._keep_lease()
            await self._compare_page([intent for intent in page if self._is_compared(intent)])
        await self._compare_unseen(since)

    def _is_compared(self, intent: PaymentIntent) -> bool:
        return (
            intent.status == "succeeded"
            and self._marks.are_on(intent.metadata)
            and paid_at_of(intent) <= self._report.compared_until
        )

    async def _compare_page(self, intents: list[PaymentIntent]) -> None:
        async with self._database.statement() as connection:
            known = await reconcile_queries.find_known(
                connection,
                payment_intent_ids=[intent.id for intent in intents],
                purchase_ids=[found for intent in intents if (found := uuid_in(intent.metadata, "purchase_id"))],
            )
        by_payment = {purchase.payment_intent_id: purchase for purchase in known}
        by_id = {purchase.id: purchase for purchase in known}
        for intent in intents:
            self._seen.add(intent.id)
            named = uuid_in(intent.metadata, "purchase_id")
            purchase = by_payment.get(intent.id) or (by_id.get(named) if named else None)
            await self._compare(intent, purchase)

    async def _compare(self, intent: PaymentIntent, purchase: KnownPurchase | None) -> None:
        charge = intent.latest_charge
        if purchase is not None and purchase.flagged_reason is not None and not _is_credited(purchase, intent.id):
            if not isinstance(charge, Charge) or charge.amount_refunded < intent.amount_received:
                self._count_flagged(intent.amount_received)
            return
        if purchase is not None and isinstance(charge, Charge) and not charge.disputed:
            listed = StripeSide(intent.amount_received, charge.amount_refunded, "none")
            if not _differences(intent.id, purchase, listed):
                self._count(purchase.pack_tokens, purchase, listed)
                return
        await self._look_closer(intent.id, purchase)

    async def _look_closer(self, payment_intent_id: str, purchase: KnownPurchase | None) -> None:
        await self._keep_lease()
        seen = await observe(self._database, self._gateway, payment_intent_id)
        if seen.facts is None:
            return
        observed = _stripe_side(seen.facts)
        if purchase is None or _differences(payment_intent_id, purchase, observed):
            purchase = await self._repairs.record(seen.facts, purchase)
        if purchase is None:
            self._count_flagged(seen.facts.amount_minor)
            return
        for difference in _differences(payment_intent_id, purchase, observed):
            self._report.add_difference(difference)
        self._count(purchase.pack_tokens, purchase, observed)

    async def _compare_unseen(self, since: datetime | None) -> None:
        after: tuple[datetime, UUID] | None = None
        while True:
            async with self._database.statement() as connection:
                rows = await reconcile_queries.list_paid(
                    connection, since=since, until=self._report.compared_until, after=after
                )
            for row in rows:
                values = dict(row)
                after = (values.pop("paid_at"), values["id"])
                purchase = KnownPurchase(**values)
                if purchase.payment_intent_id is not None and purchase.payment_intent_id not in self._seen:
                    await self._compare_known(purchase, purchase.payment_intent_id)
            if not rows:
                return

    async def _compare_known(self, purchase: KnownPurchase, payment_intent_id: str) -> None:
        try:
            await self._look_closer(payment_intent_id, purchase)
        except NoSuchObject:
            difference = Difference(
                payment_intent_id=payment_intent_id,
                purchase_id=purchase.id,
                field="payment",
                ours="paid",
                stripe="unknown",
            )
            self._report.add_difference(difference)
            _add(self._report.ours, purchase.tokens_settled, _our_side(purchase))

    def _count(self, pack_tokens: int, purchase: KnownPurchase, stripe: StripeSide) -> None:
        _add(self._report.ours, purchase.tokens_settled, _our_side(purchase))
        _add(self._report.stripe, stripe.tokens(pack_tokens), stripe)

    def _count_flagged(self, paid_minor: int) -> None:
        self._report.flagged.payments += 1
        self._report.flagged.paid_minor += paid_minor


def _is_credited(purchase: KnownPurchase, payment_intent_id: str) -> bool:
    return purchase.status == "paid" and purchase.payment_intent_id == payment_intent_id


def _stripe_side(facts: PaymentFacts) -> StripeSide:
    return StripeSide(facts.amount_minor, facts.refunded_minor or 0, facts.dispute or "none")


def _our_side(purchase: KnownPurchase) -> StripeSide:
    return StripeSide(purchase.paid_minor or 0, purchase.refunded_minor, purchase.dispute)


def _add(side: Side, tokens: int, facts: StripeSide) -> None:
    side.purchases += 1
    side.paid_minor += facts.paid_minor
    side.refunded_minor += facts.refunded_minor
    side.disputed += facts.dispute in TAKEN_BACK
    side.tokens += tokens


def _differences(payment_intent_id: str, purchase: KnownPurchase, stripe: StripeSide) -> list[Difference]:
    ours = _our_side(purchase)
    # Won and never disputed amount to the same, and Stripe's list does not tell them apart.
    pairs: list[tuple[str, object, object]] = [
        ("payment", "paid" if _is_credited(purchase, payment_intent_id) else purchase.status, "paid"),
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
