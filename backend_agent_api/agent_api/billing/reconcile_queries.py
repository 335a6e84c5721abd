"""SQL of reconciliation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from agent_api.billing.queries import PURCHASE_STATUS
from agent_api.database import Connection

BATCH = 200


@dataclass(frozen=True)
class KnownPurchase:
    """A purchase as our books hold it."""

    id: UUID
    user_id: UUID
    tier: str
    status: str
    payment_intent_id: str | None
    pack_tokens: int
    paid_minor: int | None
    refunded_minor: int
    dispute: str
    tokens_settled: int
    flagged_reason: str | None


KNOWN_COLUMNS = """
    p.id, p.user_id, p.tier, p.status, p.payment_intent_id, p.pack_tokens, p.paid_minor, p.refunded_minor, p.dispute,
    p.tokens_settled, p.flagged_reason
"""


@dataclass(frozen=True)
class LastRun:
    """When things were last done."""

    started_at: datetime | None
    full_started_at: datetime | None
    events_until: datetime | None
    first_purchase_at: datetime | None
    now: datetime


async def read_last_run(connection: Connection, *, livemode: bool) -> LastRun:
    """The newest run that finished, the first sale in this mode, and the clock."""
    row = await connection.fetchrow(
        """
        select
            max(r.started_at) as started_at,
            max(r.started_at) filter (where r.is_full) as full_started_at,
            max(r.events_until) as events_until,
            (select min(p.created_at) from public.purchases as p where p.livemode = $1) as first_purchase_at,
            clock_timestamp() as now
        from public.reconciliation_runs as r
        where r.finished_at is not null and r.error is null
        """,
        livemode,
    )
    assert row is not None, "an aggregate is one row"
    return LastRun(**dict(row))


async def acquire_lease(connection: Connection, *, name: str, holder: UUID, seconds: int) -> bool:
    """Take or renew the lease of a periodic job."""
    held: bool = await connection.fetchval("select public.acquire_job_lease($1, $2, $3)", name, holder, seconds)
    return held


async def release_lease(connection: Connection, *, name: str, holder: UUID) -> None:
    """Let others take it at once."""
    await connection.execute("delete from public.job_leases where name = $1 and holder = $2", name, holder)


async def is_lease_held(connection: Connection, *, name: str) -> bool:
    """Whether some replica is at this job."""
    held: bool = await connection.fetchval(
        "select exists (select from public.job_leases as l where l.name = $1 and l.expires_at > clock_timestamp())",
        name,
    )
    return held


async def start_run(connection: Connection, *, is_full: bool) -> int:
    """A new run's id. Runs and ignored events of long ago are dropped on the way."""
    run_id: int = await connection.fetchval(
        """
        with gone as (delete from public.reconciliation_runs where started_at < now() - interval '90 days')
        insert into public.reconciliation_runs (is_full) values ($1) returning id
        """,
        is_full,
    )
    return run_id


async def purge_ignored_events(connection: Connection, *, keep_days: int) -> None:
    """Others' events are not kept for ever."""
    await connection.execute(
        "delete from public.stripe_events where status = 'ignored' and received_at < now() - $1::interval",
        timedelta(days=keep_days),
    )


async def finish_run(
    connection: Connection,
    *,
    run_id: int,
    report: dict[str, Any] | None,
    events_until: datetime | None,
    error: str | None,
) -> None:
    """The end of a run; only one without an error moves the place from which events are read."""
    await connection.execute(
        """
        update public.reconciliation_runs set
            finished_at = clock_timestamp(), report = $2, events_until = $3, error = $4
        where id = $1
        """,
        run_id,
        report,
        events_until,
        error,
    )


async def list_failed_events(
    connection: Connection, *, livemode: bool, before: datetime, after: tuple[datetime, str] | None
) -> list[asyncpg.Record]:
    """A batch of events whose effect failed and was last tried before `before`, in the order of those attempts."""
    attempted_at, event_id = after or (None, None)
    return await connection.fetch(
        """
        select e.id, e.attempted_at, e.payload from public.stripe_events as e
        where e.status in ('received', 'failed') and e.livemode = $1 and e.attempted_at <= $2
            and ($3::timestamptz is null or (e.attempted_at, e.id) > ($3, $4::text))
        order by e.attempted_at, e.id
        limit $5
        """,
        livemode,
        before,
        attempted_at,
        event_id,
        BATCH,
    )


async def list_unpaid(
    connection: Connection, *, livemode: bool, created_before: datetime, checked_before: datetime
) -> list[asyncpg.Record]:
    """Purchases that wait for a payment and were not asked about lately."""
    return await connection.fetch(
        """
        select p.id, p.checkout_session_id, p.created_at
        from public.purchases as p
        where p.status in ('created', 'open') and p.livemode = $1 and p.created_at <= $2
            and (p.checked_at is null or p.checked_at <= $3)
        order by p.checked_at nulls first, p.created_at
        limit $4
        """,
        livemode,
        created_before,
        checked_before,
        BATCH,
    )


async def mark_checked(connection: Connection, *, purchase_id: UUID) -> None:
    """Stripe was asked about this purchase."""
    await connection.execute("update public.purchases set checked_at = clock_timestamp() where id = $1", purchase_id)


async def close_purchase(connection: Connection, *, purchase_id: UUID, session_id: str | None) -> None:
    """Nobody can pay this any more."""
    await connection.execute("select public.close_purchase($1, $2, 'expired')", purchase_id, session_id)


async def find_known(
    connection: Connection, *, payment_intent_ids: Sequence[str], purchase_ids: Sequence[UUID]
) -> list[KnownPurchase]:
    """Purchases by their payment or by their own id."""
    rows = await connection.fetch(
        f"""
        select {KNOWN_COLUMNS} from public.purchases as p
        where p.payment_intent_id = any($1::text[]) or p.id = any($2::uuid[])
        """,  # noqa: S608 - constants of ours
        list(payment_intent_ids),
        list(purchase_ids),
    )
    return [KnownPurchase(**dict(row)) for row in rows]


async def list_paid(
    connection: Connection,
    *,
    livemode: bool,
    since: datetime | None,
    until: datetime,
    after: tuple[datetime, UUID] | None,
) -> list[asyncpg.Record]:
    """A batch of paid purchases in the order of payment."""
    paid_at, purchase_id = after or (None, None)
    return await connection.fetch(
        f"""
        select {KNOWN_COLUMNS}, p.paid_at from public.purchases as p
        where p.status = 'paid' and ($1::timestamptz is null or p.paid_at >= $1) and p.paid_at <= $2
            and ($3::timestamptz is null or (p.paid_at, p.id) > ($3, $4::uuid)) and p.livemode = $5
        order by p.paid_at, p.id
        limit 1000
        """,  # noqa: S608 - constants of ours
        since,
        until,
        paid_at,
        purchase_id,
        livemode,
    )


async def audit_ledger(connection: Connection, *, timeout_seconds: float) -> list[str]:
    """Every fault in the ledger, in words. In a transaction, where this limit stands for the server's own."""
    limit = f"{max(1, round(timeout_seconds * 1_000))}ms"
    await connection.execute("select set_config('statement_timeout', $1, true)", limit)
    rows = await connection.fetch("select fault, detail from public.audit_ledger()", timeout=timeout_seconds)
    return [f"{row['fault']}: {row['detail']}" for row in rows]


async def sum_undelivered(connection: Connection) -> tuple[int, int]:
    """Purchases and tokens that deleted accounts have paid for."""
    row = await connection.fetchrow(
        """
        select count(*), coalesce(sum(p.tokens_undelivered), 0) from public.purchases as p
        where p.tokens_undelivered > 0
        """
    )
    assert row is not None, "an aggregate is one row"
    return row[0], row[1]


async def read_runs(connection: Connection) -> list[asyncpg.Record]:
    """The newest finished run, the newest full one and the newest that failed."""
    return await connection.fetch(
        """
        (select 'last' as kind, r.started_at, r.finished_at, r.report, r.error from public.reconciliation_runs as r
            where r.finished_at is not null and r.error is null order by r.id desc limit 1)
        union all
        (select 'full', r.started_at, r.finished_at, r.report, r.error from public.reconciliation_runs as r
            where r.finished_at is not null and r.error is null and r.is_full order by r.id desc limit 1)
        union all
        (select 'failed', r.started_at, r.finished_at, r.report, r.error from public.reconciliation_runs as r
            where r.error is not null order by r.id desc limit 1)
        """
    )


async def count_by_status(connection: Connection) -> tuple[dict[str, int], dict[str, int]]:
    """Events and purchases."""
    rows = await connection.fetch(
        f"""
        select 'events' as what, e.status, count(*) as number from public.stripe_events as e group by e.status
        union all
        select 'purchases', {PURCHASE_STATUS}, count(*) from public.purchases as p group by 2
        """  # noqa: S608 - constants of ours
    )
    found: dict[str, dict[str, int]] = {"events": {}, "purchases": {}}
    for row in rows:
        found[row["what"]][row["status"]] = row["number"]
    return found["events"], found["purchases"]
