"""SQL of flagged payments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import asyncpg

from agent_api.database import Connection

LISTED_MAX = 100

FlagState = Literal["open", "closed", "acknowledged"]


@dataclass(frozen=True)
class Flag:
    """Why a payment was flagged, and what became of it."""

    state: FlagState
    reason: str


async def find_flags(connection: Connection, *, payment_intent_ids: Sequence[str]) -> dict[str, Flag]:
    """Which of these payments were flagged, and what became of it."""
    rows = await connection.fetch(
        """
        select f.payment_intent_id, case
            when f.acknowledged_by is not null then 'acknowledged'
            when f.closed_at is not null then 'closed'
            else 'open'
        end as state, f.reason
        from public.payment_flags as f
        where f.payment_intent_id = any($1::text[])
        """,
        list(payment_intent_ids),
    )
    return {row["payment_intent_id"]: Flag(row["state"], row["reason"]) for row in rows}


async def flag_unknown(connection: Connection, *, purchase_id: UUID, payment_intent_id: str, is_unknown: bool) -> bool:
    """Raise the flag of a payment that Stripe does not know, or close it. Gives whether an operator acknowledged it."""
    is_acknowledged: bool = await connection.fetchval(
        "select public.flag_unknown_payment($1, $2, $3)", purchase_id, payment_intent_id, is_unknown
    )
    return is_acknowledged


async def list_flagged(connection: Connection) -> list[asyncpg.Record]:
    """Payments that wait for an operator, newest first."""
    return await connection.fetch(
        """
        select
            f.payment_intent_id, f.reason, f.raised_at, f.purchase_id, p.user_id, p.tier, p.status, p.tokens_undelivered
        from public.payment_flags as f
        left join public.purchases as p on p.id = f.purchase_id
        where f.closed_at is null
        order by f.raised_at desc, f.payment_intent_id
        limit $1
        """,
        LISTED_MAX,
    )


async def acknowledge_flag(
    connection: Connection, *, payment_intent_id: str, admin_id: UUID, note: str
) -> asyncpg.Record | None:
    """The flag of a payment as it is then, once and for good; None where there is none."""
    return await connection.fetchrow(
        "select * from public.acknowledge_payment_flag($1, $2, $3)", payment_intent_id, admin_id, note
    )
