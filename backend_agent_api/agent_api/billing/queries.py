"""SQL of buying: purchases, Stripe's customers, usage."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import asyncpg

from agent_api.billing.packages import CURRENCY, Package
from agent_api.database import Connection

CONVERSATIONS_MAX = 100
# Flagged without a reason: no payment that ties to it is left for an operator to decide about.
PURCHASE_STATUS = "case when p.status = 'flagged' and p.flagged_reason is null then 'closed' else p.status end"
PURCHASE_COLUMNS = f"""
    p.id, p.tier, p.pack_tokens as tokens, p.price_minor, p.currency, {PURCHASE_STATUS} as status,
    case when p.status = 'paid' then p.tokens_settled else 0 end as tokens_credited,
    p.refunded_minor, p.dispute, p.failure_code,
    case when p.status = 'open' and p.checkout_expires_at > clock_timestamp() then p.checkout_url end as checkout_url,
    p.created_at, p.paid_at
"""


@dataclass(frozen=True)
class BegunPurchase:
    """A purchase that can be paid, and whom Stripe knows the buyer as."""

    pack_tokens: int
    price_minor: int
    currency: str
    checkout_url: str | None
    checkout_attempt: int
    email: str | None
    customer_id: str | None
    customer_generation: int


async def begin_purchase(
    connection: Connection,
    *,
    user_id: UUID,
    purchase_id: UUID,
    package: Package,
    livemode: bool,
    limit: int,
    window_seconds: int,
) -> BegunPurchase:
    """Refused with AccountNotFound, PurchaseNotFound, PurchaseConflict, PurchaseClosed or RateLimited."""
    row = await connection.fetchrow(
        "select * from public.begin_purchase($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        user_id,
        purchase_id,
        package.tier,
        package.tokens,
        package.price_minor,
        CURRENCY,
        livemode,
        limit,
        window_seconds,
    )
    assert row is not None, "begin_purchase returns a row or refuses"
    return BegunPurchase(**dict(row))


async def record_checkout(
    connection: Connection, *, purchase_id: UUID, session_id: str, url: str, expires_at: datetime
) -> str | None:
    """Keep the first hosted page of a purchase; gives the one that is kept, or None where nothing can be paid."""
    await connection.execute(
        """
        update public.purchases set
            status = 'open', checkout_session_id = $2, checkout_url = $3, checkout_expires_at = $4, updated_at = now()
        where id = $1 and status = 'created' and checkout_session_id is null
        """,
        purchase_id,
        session_id,
        url,
        expires_at,
    )
    kept: str | None = await connection.fetchval(
        "select checkout_url from public.purchases where id = $1 and status = 'open'", purchase_id
    )
    return kept


async def use_next_checkout_key(connection: Connection, *, purchase_id: UUID, attempt: int) -> None:
    """Leave an idempotency key whose answer would stay a failure. Whoever comes second changes nothing."""
    await connection.execute(
        """
        update public.purchases set checkout_attempt = $2 + 1
        where id = $1 and checkout_attempt = $2 and status = 'created'
        """,
        purchase_id,
        attempt,
    )


async def keep_customer(
    connection: Connection, *, user_id: UUID, customer_id: str | None, generation: int, email: str | None = None
) -> None:
    """Remember a person's customer, unless a later one is known; None leaves that idempotency key behind."""
    await connection.execute(
        """
        insert into public.stripe_customers as c (user_id, customer_id, generation, email) values ($1, $2, $3, $4)
        on conflict (user_id) do update set
            customer_id = excluded.customer_id, generation = excluded.generation, email = excluded.email
        where c.generation < excluded.generation or (c.generation = excluded.generation and c.customer_id is null)
        """,
        user_id,
        customer_id,
        generation,
        email,
    )


async def has_address(connection: Connection, *, user_id: UUID, customer_id: str, email: str) -> bool:
    """Whether this is what Stripe was last told of this customer."""
    found: bool = await connection.fetchval(
        "select exists (select from public.stripe_customers where user_id = $1 and customer_id = $2 and email = $3)",
        user_id,
        customer_id,
        email,
    )
    return found


async def keep_address(connection: Connection, *, user_id: UUID, customer_id: str, email: str) -> None:
    """What Stripe was told of this customer."""
    await connection.execute(
        "update public.stripe_customers set email = $3 where user_id = $1 and customer_id = $2",
        user_id,
        customer_id,
        email,
    )


async def find_purchase(connection: Connection, *, user_id: UUID, purchase_id: UUID) -> asyncpg.Record | None:
    """One purchase of this person."""
    return await connection.fetchrow(
        f"select {PURCHASE_COLUMNS} from public.purchases as p where p.id = $1 and p.user_id = $2",  # noqa: S608 - constants of ours
        purchase_id,
        user_id,
    )


async def list_purchases(
    connection: Connection, *, user_id: UUID, limit: int, before: tuple[datetime, UUID] | None
) -> list[asyncpg.Record]:
    """Up to `limit` purchases older than `before`, newest first."""
    created_at, purchase_id = before or (None, None)
    return await connection.fetch(
        f"""
        select {PURCHASE_COLUMNS} from public.purchases as p
        where p.user_id = $1
            and ($2::timestamptz is null or (p.created_at, p.id) < ($2, $3::uuid))
        order by p.created_at desc, p.id desc
        limit $4
        """,  # noqa: S608 - constants of ours
        user_id,
        created_at,
        purchase_id,
        limit,
    )


async def usage_by_day(connection: Connection, *, user_id: UUID, since: date, until: date) -> list[asyncpg.Record]:
    """Sums of each day on which tokens moved, both ends included, UTC."""
    return await connection.fetch(
        """
        select
            (t.created_at at time zone 'UTC')::date as day,
            coalesce(sum(t.tokens) filter (where t.transaction_type = 'purchase'), 0) as bought,
            coalesce(sum(t.tokens) filter (
                where t.transaction_type in ('opening', 'signup_bonus', 'grant', 'adjustment')
            ), 0) as granted,
            coalesce(-sum(t.tokens) filter (where t.transaction_type = 'consumption'), 0) as spent,
            coalesce(sum(t.tokens) filter (where t.transaction_type = 'release'), 0) as released,
            coalesce(-sum(t.tokens) filter (
                where t.transaction_type in ('refund', 'dispute', 'reversal')
            ), 0) as taken_back,
            coalesce(-sum(t.tokens) filter (where t.transaction_type = 'expiry'), 0) as expired
        from public.transactions as t
        where t.user_id = $1 and t.balance_after is not null
            and t.created_at >= $2::date::timestamp at time zone 'UTC'
            and t.created_at < ($3::date + 1)::timestamp at time zone 'UTC'
        group by 1
        order by 1
        """,
        user_id,
        since,
        until,
    )


async def usage_by_conversation(
    connection: Connection, *, user_id: UUID, since: date, until: date
) -> list[asyncpg.Record]:
    """Turns and what they cost, by conversation, those with the most turns first."""
    return await connection.fetch(
        """
        with costs as (
            select t.request_id, -sum(t.tokens) as tokens from public.transactions as t
            where t.user_id = $1 and t.request_id is not null and t.created_at >= $2::date::timestamp at time zone 'UTC'
            group by t.request_id
        )
        select r.session_id, c.title, count(*) as turns, coalesce(sum(t.tokens), 0) as tokens
        from public.requests as r
        left join public.conversations as c on c.session_id = r.session_id
        left join costs as t on t.request_id = r.id
        where r.user_id = $1
            and r.timestamp >= $2::date::timestamp at time zone 'UTC'
            and r.timestamp < ($3::date + 1)::timestamp at time zone 'UTC'
        group by r.session_id, c.title
        order by turns desc, r.session_id
        limit $4
        """,
        user_id,
        since,
        until,
        CONVERSATIONS_MAX,
    )


async def is_admin(connection: Connection, *, user_id: UUID) -> bool:
    """Whether this person is an operator."""
    found: bool | None = await connection.fetchval(
        "select p.is_admin from public.user_profiles as p where p.id = $1", user_id
    )
    return bool(found)
