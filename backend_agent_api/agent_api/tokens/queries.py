"""SQL of balances and transactions."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from agent_api.database import Connection


async def current_balance(connection: Connection, *, user_id: UUID) -> int:
    """Spendable tokens after expiry of due lots. Refused with AccountNotFound."""
    balance: int = await connection.fetchval("select public.current_balance($1)", user_id)
    return balance


async def read_balances(connection: Connection, *, user_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Spendable tokens of many, without a lock: due lots are left out of the sum rather than expired."""
    rows = await connection.fetch(
        """
        select
            p.id,
            p.tokens - coalesce((
                select sum(g.remaining) from public.token_grants as g
                where g.user_id = p.id and g.expires_at <= clock_timestamp() and g.remaining > 0
            ), 0)::integer as tokens
        from public.user_profiles as p
        where p.id = any($1::uuid[])
        """,
        list(user_ids),
    )
    return {row["id"]: row["tokens"] for row in rows}


async def list_transactions(
    connection: Connection,
    *,
    user_id: UUID,
    limit: int,
    before_seq: int | None,
    transaction_type: str | None,
    since: datetime | None,
    until: datetime | None,
) -> list[asyncpg.Record]:
    """Up to `limit` movements older than `before_seq`, from `since` to before `until`, newest first.

    Earlier versions wrote what was spent without a sign; such rows are as they were, and the sign is given here.
    """
    return await connection.fetch(
        """
        select
            t.seq, t.id, t.transaction_type as type,
            case
                when t.balance_after is null and t.transaction_type = 'consumption' then -abs(t.tokens) else t.tokens
            end as tokens,
            t.balance_after, t.created_at, t.request_id, r.session_id,
            p.id as purchase_id, p.price_minor, p.currency
        from public.transactions as t
        left join public.requests as r on r.id = t.request_id and r.user_id = t.user_id
        left join public.purchases as p on p.id = t.purchase_id and p.user_id = t.user_id
        where t.user_id = $1
            and ($2::bigint is null or t.seq < $2)
            and ($3::text is null or t.transaction_type = $3)
            and ($4::timestamptz is null or t.created_at >= $4)
            and ($5::timestamptz is null or t.created_at < $5)
        order by t.seq desc
        limit $6
        """,
        user_id,
        before_seq,
        transaction_type,
        since,
        until,
        limit,
    )


async def notify_balance_changed(connection: Connection, *, payload: str) -> None:
    """Tell every listening process; `payload` is a JSON array of user ids."""
    await connection.execute("select pg_notify('balance_changed', $1)", payload)
