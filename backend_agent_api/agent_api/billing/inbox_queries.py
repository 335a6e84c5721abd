"""SQL of the inbox of Stripe's events and of the facts they bring."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from agent_api.billing.facts import PaymentFacts
from agent_api.billing.objects import Event
from agent_api.database import Connection

FINAL_STATUSES = ("applied", "ignored", "flagged")


@dataclass(frozen=True)
class AppliedEvent:
    """What became of an event; `user_id` and `tokens_moved` of this very delivery."""

    status: str
    error: str | None
    is_repeat: bool
    user_id: UUID | None
    tokens_moved: int


@dataclass(frozen=True)
class RecordedPayment:
    """`refusal`: why nothing was credited."""

    refusal: str | None
    user_id: UUID | None
    tokens_moved: int


async def now(connection: Connection) -> datetime:
    """The database's clock, the one that all processes share."""
    moment: datetime = await connection.fetchval("select clock_timestamp()")
    return moment


async def apply_event(
    connection: Connection, *, event: Event, payload: dict[str, Any], action: str, facts: dict[str, Any], again: bool
) -> AppliedEvent:
    """Store an event and its effect in one transaction; `again` also where that was done before."""
    row = await connection.fetchrow(
        "select * from public.apply_stripe_event($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        event.id,
        event.type,
        event.livemode,
        event.api_version,
        datetime.fromtimestamp(event.created, UTC),
        payload,
        action,
        facts,
        again,
    )
    assert row is not None, "apply_stripe_event always returns a row"
    return AppliedEvent(**dict(row))


async def record_payment(connection: Connection, *, facts: PaymentFacts) -> RecordedPayment:
    """Bring a payment's facts into the books, without an event."""
    row = await connection.fetchrow(
        "select * from public.record_payment($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        facts.purchase_id,
        facts.user_id,
        facts.tier,
        facts.payment_intent_id,
        facts.amount_minor,
        facts.currency,
        facts.livemode,
        facts.paid_at,
        facts.refunded_minor,
        facts.dispute,
        facts.observed_at,
    )
    assert row is not None, "record_payment always returns a row"
    return RecordedPayment(**dict(row))


async def find_purchase_of_payment(connection: Connection, *, payment_intent_id: str) -> UUID | None:
    """The purchase that this payment is known to belong to."""
    found: UUID | None = await connection.fetchval(
        "select p.id from public.purchases as p where p.payment_intent_id = $1", payment_intent_id
    )
    return found


async def is_purchase_of_mode(connection: Connection, *, purchase_id: UUID | None, livemode: bool) -> bool:
    """Whether this purchase is there and was begun in this mode."""
    found: bool = await connection.fetchval(
        "select exists (select from public.purchases as p where p.id = $1 and p.livemode = $2)", purchase_id, livemode
    )
    return found


async def settled_event_ids(connection: Connection, *, event_ids: Sequence[str]) -> set[str]:
    """Those of these events that need nothing more."""
    rows = await connection.fetch(
        "select e.id from public.stripe_events as e where e.id = any($1::text[]) and e.status = any($2::text[])",
        list(event_ids),
        list(FINAL_STATUSES),
    )
    return {row["id"] for row in rows}


async def read_event_payload(connection: Connection, *, event_id: str) -> dict[str, Any] | None:
    """An event as it came."""
    payload: dict[str, Any] | None = await connection.fetchval(
        "select e.payload from public.stripe_events as e where e.id = $1", event_id
    )
    return payload


async def list_events(
    connection: Connection, *, status: str | None, limit: int, before: tuple[datetime, str] | None
) -> list[asyncpg.Record]:
    """Up to `limit` events received before `before`, newest first, without their payload."""
    received_at, event_id = before or (None, None)
    return await connection.fetch(
        """
        select e.id, e.type, e.status, e.error, e.livemode, e.attempts, e.created_at, e.received_at, e.applied_at
        from public.stripe_events as e
        where ($1::text is null or e.status = $1)
            and ($2::timestamptz is null or (e.received_at, e.id) < ($2, $3::text))
        order by e.received_at desc, e.id desc
        limit $4
        """,
        status,
        received_at,
        event_id,
        limit,
    )
