"""Payments as Stripe knows them against payments as our books hold them."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from agent_api.billing import flag_queries, reconcile_queries
from agent_api.billing.client import NoSuchObject, StripeGateway, read_object
from agent_api.billing.facts import paid_at_of
from agent_api.billing.flag_queries import Flag
from agent_api.billing.marks import Marks, metadata_in, uuid_in
from agent_api.billing.objects import Charge, PaymentIntent
from agent_api.billing.observation import observe
from agent_api.billing.reconcile_queries import KnownPurchase
from agent_api.billing.repairs import Repairs
from agent_api.billing.report import Difference, Report
from agent_api.billing.sides import PaymentSide, differences, is_credited, our_side, stripe_side
from agent_api.billing.troubles import told_in
from agent_api.database import Database


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

    async def run(
        self, *, since: datetime | None, at_least_since: datetime, first_purchase_at: datetime | None
    ) -> None:
        """From Stripe's list to ours, then what only we know. Raises StripeFailure."""
        # Our first purchase may be a later one than Stripe's: a database can be lost.
        begin = since or min(first_purchase_at or at_least_since, at_least_since)
        async for page in self._gateway.pages_of_payment_intents(since=begin):
            await self._keep_lease()
            # Whose it is comes first: what others make in the account need not be readable here.
            await self._compare_page(self._read([body for body in page if self._marks.are_on(metadata_in(body))]))
        await self._compare_unseen(since)

    def _read(self, bodies: list[dict[str, Any]]) -> list[PaymentIntent]:
        found: list[PaymentIntent] = []
        for body in bodies:
            payment_intent_id, named = str(body.get("id")), uuid_in(metadata_in(body), "purchase_id")
            self._seen.add(payment_intent_id)
            with told_in(self._report, payment_intent_id=payment_intent_id, purchase_id=named):
                found.append(read_object(PaymentIntent, body))
        return [intent for intent in found if self._is_compared(intent)]

    def _is_compared(self, intent: PaymentIntent) -> bool:
        return intent.status == "succeeded" and paid_at_of(intent) <= self._report.compared_until

    async def _compare_page(self, intents: list[PaymentIntent]) -> None:
        ids = [intent.id for intent in intents]
        async with self._database.statement() as connection:
            known = await reconcile_queries.find_known(
                connection,
                payment_intent_ids=ids,
                purchase_ids=[found for intent in intents if (found := uuid_in(intent.metadata, "purchase_id"))],
            )
        async with self._database.statement() as connection:
            flags = await flag_queries.find_flags(connection, payment_intent_ids=ids)
        by_payment = {purchase.payment_intent_id: purchase for purchase in known}
        by_id = {purchase.id: purchase for purchase in known}
        for intent in intents:
            named = uuid_in(intent.metadata, "purchase_id")
            purchase = by_payment.get(intent.id) or (by_id.get(named) if named else None)
            with told_in(self._report, payment_intent_id=intent.id, purchase_id=purchase.id if purchase else named):
                await self._compare(intent, purchase, flags.get(intent.id))

    async def _compare(self, intent: PaymentIntent, purchase: KnownPurchase | None, flag: Flag | None) -> None:
        charge = intent.latest_charge
        if flag is not None and (purchase is None or not is_credited(purchase, intent.id)):
            is_returned = isinstance(charge, Charge) and charge.amount_refunded >= intent.amount_received
            # Its purchase was lost with a database and is there again: what was paid can be credited now.
            is_found = purchase is not None and flag.reason == "unknown_purchase"
            if flag.state == "acknowledged" or ((flag.state == "closed") == is_returned and not is_found):
                if flag.state == "open":
                    self._count_flagged(intent.amount_received)
                return
        elif purchase is not None and isinstance(charge, Charge) and not charge.disputed:
            listed = PaymentSide(intent.amount_received, charge.amount_refunded, "none")
            if not differences(intent.id, purchase, listed):
                await self._count(purchase, listed)
                return
        await self._look_closer(intent.id, purchase)

    async def _look_closer(self, payment_intent_id: str, purchase: KnownPurchase | None) -> None:
        await self._keep_lease()
        seen = await observe(self._database, self._gateway, payment_intent_id)
        if seen.facts is None:
            return
        observed = stripe_side(seen.facts)
        if purchase is None or differences(payment_intent_id, purchase, observed):
            purchase = await self._repairs.record(seen.facts, purchase)
        if purchase is None:
            if observed.refunded_minor < observed.paid_minor:
                self._count_flagged(observed.paid_minor)
            return
        for difference in differences(payment_intent_id, purchase, observed):
            self._report.add_difference(difference)
        await self._count(purchase, observed)

    async def _compare_unseen(self, since: datetime | None) -> None:
        after: tuple[datetime, UUID] | None = None
        while True:
            async with self._database.statement() as connection:
                rows = await reconcile_queries.list_paid(
                    connection,
                    livemode=self._gateway.livemode,
                    since=since,
                    until=self._report.compared_until,
                    after=after,
                )
            for row in rows:
                values = dict(row)
                after = (values.pop("paid_at"), values["id"])
                purchase = KnownPurchase(**values)
                payment_intent_id = purchase.payment_intent_id
                if payment_intent_id is not None and payment_intent_id not in self._seen:
                    with told_in(self._report, payment_intent_id=payment_intent_id, purchase_id=purchase.id):
                        await self._compare_known(purchase, payment_intent_id)
            if not rows:
                return

    async def _compare_known(self, purchase: KnownPurchase, payment_intent_id: str) -> None:
        try:
            await self._look_closer(payment_intent_id, purchase)
        except NoSuchObject:
            if await self._flag_unknown(purchase, payment_intent_id, is_unknown=True):
                self._report.unknown.add(paid_minor=purchase.paid_minor or 0, tokens=purchase.tokens_settled)
                return
            difference = Difference(
                payment_intent_id=payment_intent_id,
                purchase_id=purchase.id,
                field="payment",
                ours="paid",
                stripe="unknown",
            )
            self._report.add_difference(difference)
            our_side(purchase).add_to(self._report.ours, tokens=purchase.tokens_settled)

    async def _flag_unknown(self, purchase: KnownPurchase, payment_intent_id: str, *, is_unknown: bool) -> bool:
        async with self._database.transaction() as connection:
            return await flag_queries.flag_unknown(
                connection, purchase_id=purchase.id, payment_intent_id=payment_intent_id, is_unknown=is_unknown
            )

    async def _count(self, purchase: KnownPurchase, stripe: PaymentSide) -> None:
        if purchase.flagged_reason is not None and purchase.payment_intent_id is not None:
            # Asked with another account's key Stripe knew none of them.
            await self._flag_unknown(purchase, purchase.payment_intent_id, is_unknown=False)
        our_side(purchase).add_to(self._report.ours, tokens=purchase.tokens_settled)
        stripe.add_to(self._report.stripe, tokens=stripe.tokens(purchase.pack_tokens))

    def _count_flagged(self, paid_minor: int) -> None:
        self._report.flagged.payments += 1
        self._report.flagged.paid_minor += paid_minor
