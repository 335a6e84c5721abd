"""The books: the ledger in itself, the events of Stripe, and the last comparison with Stripe."""

import json
from typing import Any

import asyncpg

from agent_api.doctor.findings import Finding, Findings, fail, ok, warn
from agent_api.settings import Settings

RECENT_DAYS = 7
STOPPED_SECONDS = 3600
RECONCILE = "`python -m agent_api.billing.reconcile` in backend_agent_api"


async def examine_ledger(connection: asyncpg.Connection) -> Findings:
    """Every balance is the sum of its lots and of its entries."""
    faults = await connection.fetch("select distinct fault from public.audit_ledger() order by 1")
    if faults:
        names = ", ".join(row["fault"] for row in faults)
        cure = "select * from public.audit_ledger() names people and sums; correct by grant_tokens, never by hand"
        return [fail("ledger", f"audit_ledger() finds {names}", cure)]
    return [ok("ledger", "audit_ledger() finds nothing")]


async def examine_events(connection: asyncpg.Connection) -> Findings:
    """Deliveries of the last days that could not be applied, and payments that wait for an operator."""
    row = await connection.fetchrow(
        """
        select
            count(*) filter (where e.status in ('failed', 'received')) as failed,
            count(*) filter (
                -- A payment that has a flag of its own is counted by it: open, or dealt with.
                where e.status = 'flagged' and e.received_at > d.since and not exists (
                    select from public.payment_flags as f
                    where f.payment_intent_id in (
                        e.payload #>> '{data,object,payment_intent}', e.payload #>> '{data,object,id}'
                    )
                )
            ) as flagged,
            count(*) filter (where e.status = 'applied' and e.received_at > d.since) as applied,
            (select count(*) from public.payment_flags as f where f.closed_at is null) as payments
        from (select now() - make_interval(days => $1) as since) as d
        left join public.stripe_events as e on e.status = 'failed' or e.received_at > d.since
            or e.status = 'received'
        """,
        RECENT_DAYS,
    )
    assert row is not None, "an aggregate is one row"
    findings: Findings = []
    if row["failed"]:
        cure = f"the log line of each says why; they are tried again with every reconciliation, or now: {RECONCILE}"
        findings.append(warn("stripe events", f"{row['failed']} wait to be applied", cure))
    if row["flagged"] or row["payments"]:
        detail = f"{row['payments']} payments and {row['flagged']} other events of {RECENT_DAYS} days are flagged"
        cure = "decide on each in the operator's list and acknowledge it, docs/stripe-setup.md, section 7"
        findings.append(warn("stripe events", detail, cure))
    return findings or [ok("stripe events", f"{row['applied']} applied in {RECENT_DAYS} days, none failed or flagged")]


async def examine_earlier_payments(connection: asyncpg.Connection) -> Findings:
    """Payments of an earlier version's shop whose news came after the upgrade: ignored, for an operator to credit.

    Only what looks like one and names a person of this installation: others may sell in the same Stripe account.
    """
    count: int = await connection.fetchval(
        """
        select count(distinct e.payload #>> '{data,object,id}')
        from public.stripe_events as e
        cross join lateral (select e.payload #> '{data,object,metadata}' as metadata) as m
        join public.user_profiles as p on p.id::text = lower(m.metadata ->> 'user_id')
        where e.type = 'payment_intent.succeeded' and e.status = 'ignored'
            and m.metadata ?& array['tier', 'tokens'] and not m.metadata ? 'app'
            and not exists (
                select from public.transactions as t where t.stripe_payment_intent_id = e.payload #>> '{data,object,id}'
            )
        """
    )
    if not count:
        return []
    cure = 'list and credit them: docs/stripe-setup.md, section 6, "Payments under way during the upgrade"'
    return [warn("earlier payments", f"{count} made in the version before the upgrade credited nobody", cure)]


async def examine_reconciliation(connection: asyncpg.Connection, settings: Settings) -> Findings:
    """The newest comparison that ended, whether it failed, and whether others follow it."""
    rows = await connection.fetch(
        """
        select r.finished_at, r.report::text as report, r.error is not null as has_failed,
            extract(epoch from now() - r.finished_at)::float8 as age_seconds
        from public.reconciliation_runs as r where r.finished_at is not null order by r.id desc limit 1
        """
    )
    if not rows:
        return [ok("reconciliation", "has not run yet")]
    run = rows[0]
    found = _judge(run["report"], run["has_failed"], run["age_seconds"])
    is_selling = settings.stripe_secret_key is not None and settings.stripe_webhook_secret is not None
    seconds_max = max(STOPPED_SECONDS, 4 * settings.reconcile_interval_seconds)
    if found.level == "ok" and is_selling and run["age_seconds"] > seconds_max:
        detail = f"the last run was {run['age_seconds'] / 60:.0f} minutes ago: no other follows"
        cure = "look whether the API runs, and for reconciliation_failed in its log; then restart it"
        return [warn("reconciliation", detail, cure)]
    return [found]


def _judge(text: str | None, has_failed: bool, age_seconds: float) -> Finding:
    name, minutes = "reconciliation", f"{age_seconds / 60:.0f} minutes ago"
    if has_failed or text is None:
        cure = f"as for the Stripe key; the table reconciliation_runs says why. Then {RECONCILE}"
        return warn(name, f"the last run, {minutes}, could not finish", cure)
    report: dict[str, Any] = json.loads(text)
    drift, audit = report.get("drift", 0), report.get("audit_faults") or 0
    if drift or audit:
        cure = f"{RECONCILE} lists each difference with its payment; docs/stripe-setup.md says how to settle it"
        return fail(name, f"the last run, {minutes}, found drift {drift} and {audit} faults in the ledger", cure)
    if not report.get("audit_finished", True):
        cure = "select * from public.audit_ledger() by hand, or raise RECONCILE_AUDIT_TIMEOUT_SECONDS"
        return warn(name, f"drift 0, {minutes}, and the audit of the ledger did not finish", cure)
    return ok(name, f"drift 0, {minutes}")
