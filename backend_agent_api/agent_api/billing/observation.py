"""What Stripe says now about one payment: fetched outside any transaction, with the time at which that began."""

import asyncio
from dataclasses import dataclass, replace

from agent_api.billing import inbox_queries
from agent_api.billing.client import StripeGateway
from agent_api.billing.facts import PaymentFacts, dispute_state, facts_of_payment, paid_at_of, refunded_minor
from agent_api.billing.objects import PaymentIntent
from agent_api.database import Database


@dataclass(frozen=True)
class Observation:
    """A payment intent, and its facts where it has succeeded."""

    intent: PaymentIntent
    facts: PaymentFacts | None


async def observe(database: Database, gateway: StripeGateway, payment_intent_id: str) -> Observation:
    """Fetch a payment with its refunds and disputes. Raises StripeFailure.

    The time is the database's, read before the first request: of two observations the one that began later knows at
    least what the earlier one knew when a change was announced, whichever process made it.
    """
    async with database.statement() as connection:
        observed_at = await inbox_queries.now(connection)
    intent, refunds, disputes = await asyncio.gather(
        gateway.retrieve_payment_intent(payment_intent_id),
        gateway.list_refunds(payment_intent_id),
        gateway.list_disputes(payment_intent_id),
    )
    if intent.status != "succeeded":
        return Observation(intent, None)
    facts = replace(
        facts_of_payment(intent, paid_at=paid_at_of(intent)),
        refunded_minor=refunded_minor(refunds),
        dispute=dispute_state(disputes),
        observed_at=observed_at,
    )
    return Observation(intent, facts)
