"""Bringing what Stripe says about a payment into the books, where no event did."""

from collections.abc import Callable
from uuid import UUID

import structlog

from agent_api.billing import inbox_queries, reconcile_queries
from agent_api.billing.facts import PaymentFacts
from agent_api.billing.reconcile_queries import KnownPurchase
from agent_api.billing.report import Repair, Report
from agent_api.database import Database

log = structlog.stdlib.get_logger(__name__)


class Repairs:
    """Those of one run, noted in its report."""

    def __init__(self, database: Database, report: Report, balance_changed: Callable[[UUID], None]) -> None:
        self._database = database
        self._report = report
        self._balance_changed = balance_changed

    async def record(self, facts: PaymentFacts, before: KnownPurchase | None) -> KnownPurchase | None:
        """The purchase as it is then, or None where the payment was refused and flagged."""
        async with self._database.transaction() as connection:
            recorded = await inbox_queries.record_payment(connection, facts=facts)
            known = await reconcile_queries.find_known(
                connection, payment_intent_ids=[facts.payment_intent_id], purchase_ids=[]
            )
        if recorded.refusal is not None or not known:
            log.error("payment_flagged", payment_intent_id=facts.payment_intent_id, reason=recorded.refusal)
            return None
        if recorded.user_id is not None and recorded.tokens_moved:
            self._balance_changed(recorded.user_id)
        if known[0] != before:
            is_new = before is None or before.status != "paid"
            self._report.add_repair(
                Repair(
                    what="payment_recorded" if is_new else "facts_updated",
                    id=str(known[0].id),
                    tokens_moved=recorded.tokens_moved,
                )
            )
        return known[0]
