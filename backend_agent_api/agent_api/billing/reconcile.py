"""`python -m agent_api.billing.reconcile [--days N] [--json]`: compare with Stripe now, repair, and print the report.

Reads the service's environment. Ends with 0 when nothing differs, 1 when something does, 2 when it could not be done.
"""

import argparse
import asyncio
import logging
import sys

import asyncpg

from agent_api.billing.client import StripeFailure
from agent_api.billing.lease import LeaseLost
from agent_api.billing.part import open_billing
from agent_api.billing.report import Report, Side
from agent_api.database import open_database
from agent_api.errors import AppError
from agent_api.logs import configure_logs
from agent_api.settings import Settings, SettingsError, load_settings
from agent_api.tokens.live import BalanceNotifier

WAIT_SECONDS = 60
DAYS_MAX = 3650


class NotSetUp(Exception):
    """Nothing is sold here."""


async def reconcile(settings: Settings, *, days: int | None) -> Report:
    """One run with an audit. Raises NotSetUp, LeaseLost, StripeFailure and database failures."""
    async with open_database(settings) as database:
        notifier = BalanceNotifier(database, interval_seconds=settings.balance_notify_interval_seconds)
        async with open_billing(settings, database, notifier.changed) as billing:
            if billing is None:
                raise NotSetUp
            report = await billing.reconciler.reconcile_now(days=days, wait_seconds=WAIT_SECONDS)
        await notifier.flush()
        return report


def render(report: Report) -> str:
    """The report for a person."""
    since = "the first purchase" if report.compared_since is None else f"{report.compared_since:%Y-%m-%d %H:%M} UTC"
    events, unpaid, undelivered, unknown = report.events, report.unpaid, report.undelivered, report.unknown
    lines = [
        f"Payments from {since} to {report.compared_until:%Y-%m-%d %H:%M} UTC, amounts in {report.currency.upper()}",
        "",
        f"{'':12}{'purchases':>10}{'paid':>14}{'refunded':>14}{'disputed':>10}{'tokens':>12}",
        _side("Stripe", report.stripe),
        _side("our books", report.ours),
        "",
        f"drift            {report.drift}",
        f"repairs made     {report.repairs_made}",
        f"flagged          {report.flagged.payments} payments, {_money(report.flagged.paid_minor)}",
        f"unknown          {unknown.payments} payments, {_money(unknown.paid_minor)}, {unknown.tokens} tokens",
        f"undelivered      {undelivered.tokens} tokens of {undelivered.purchases} purchases of deleted accounts",
        f"events           {events.listed} listed, {events.applied} applied, {events.failed} failed",
        f"unpaid purchases {unpaid.checked} asked about, {unpaid.closed} closed",
        f"audit_ledger()   {f'{report.audit_faults} faults' if report.audit_finished else 'did not finish'}",
    ]
    lines += [
        f"  differs: {d.payment_intent_id} {d.field}: ours {d.ours}, Stripe {d.stripe}" for d in report.differences
    ]
    lines += [f"  repaired: {r.what} {r.id} ({r.tokens_moved:+d} tokens)" for r in report.repairs]
    lines += [f"  audit: {example}" for example in report.audit_examples]
    return "\n".join(lines)


def _side(name: str, side: Side) -> str:
    money = f"{_money(side.paid_minor):>14}{_money(side.refunded_minor):>14}"
    return f"{name:12}{side.purchases:>10}{money}{side.disputed:>10}{side.tokens:>12}"


def _money(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= DAYS_MAX:
        raise argparse.ArgumentTypeError(f"from 1 to {DAYS_MAX}")
    return days


def main() -> int:
    """Run and print. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m agent_api.billing.reconcile")
    parser.add_argument("--days", type=_days, default=None, help="only payments of so many days (default: all)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    arguments = parser.parse_args()
    try:
        # No model is asked here, so its key may be missing: the embedded stack's `env` holds none.
        settings = load_settings(llm_api_key="unused")
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    # Standard output is the report's alone.
    configure_logs("CRITICAL")
    logging.disable(logging.CRITICAL)
    try:
        report = asyncio.run(reconcile(settings, days=arguments.days))
    except NotSetUp:
        print("STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET are not set: nothing is sold here.", file=sys.stderr)
    except LeaseLost:
        print(f"Another reconciliation is running and did not end within {WAIT_SECONDS} s.", file=sys.stderr)
    except StripeFailure as error:
        print(f"Stripe did not answer as it should ({error}). Nothing was left half done; try again.", file=sys.stderr)
    except (AppError, asyncpg.PostgresError, OSError) as error:
        print(f"The database is not available ({type(error).__name__}).", file=sys.stderr)
    else:
        print(report.model_dump_json(indent=2) if arguments.json else render(report))
        return 0 if report.is_clean else 1
    return 2


if __name__ == "__main__":
    sys.exit(main())
