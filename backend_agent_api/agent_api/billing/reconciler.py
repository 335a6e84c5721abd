"""Repairs what a lost webhook left, and says whether the books agree with Stripe.

One replica at a time (a row in job_leases). A run reads Stripe's events since the last one, tries events again that had
failed, asks about purchases that wait for a payment, and compares payments on both sides. Everything enters the books
the way a webhook's event does, so it does not matter which of both comes first.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from agent_api.billing import reconcile_queries
from agent_api.billing.catching_up import CatchingUp
from agent_api.billing.client import StripeFailure, StripeGateway
from agent_api.billing.comparison import Comparison
from agent_api.billing.inbox import Inbox
from agent_api.billing.lease import RECONCILIATION, HeldLease, LeaseLost, job_lease
from agent_api.billing.marks import Marks
from agent_api.billing.packages import CURRENCY
from agent_api.billing.reconcile_queries import LastRun
from agent_api.billing.repairs import Repairs
from agent_api.billing.report import Report, Undelivered
from agent_api.database import Database
from agent_api.errors import AppError
from agent_api.settings import Settings

log = structlog.stdlib.get_logger(__name__)

FULL_EVERY = timedelta(hours=24)
FIRST_AFTER, NEXT_AFTER = (0.01, 0.03), (0.9, 1.1)
"""Of the interval: when a process looks whether a run is due."""


class Reconciler:
    """One per process."""

    def __init__(
        self,
        database: Database,
        gateway: StripeGateway,
        inbox: Inbox,
        marks: Marks,
        settings: Settings,
        balance_changed: Callable[[UUID], None],
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._inbox = inbox
        self._marks = marks
        self._settings = settings
        self._balance_changed = balance_changed
        self._tasks: set[asyncio.Task[None]] = set()
        # A process that ran for less than an interval would never come to it, were the first as late as the others.
        self._next_after = FIRST_AFTER

    async def keep_reconciling(self) -> None:
        """Run whenever one is due, until cancelled."""
        while True:
            # Replicas must not ask for the lease in step.
            share = random.uniform(*self._next_after)  # noqa: S311 - no secret hangs on this number
            self._next_after = NEXT_AFTER
            await asyncio.sleep(self._settings.reconcile_interval_seconds * share)
            try:
                await self.reconcile_if_due()
            except LeaseLost:
                pass  # Another replica is at it.
            except (StripeFailure, AppError, asyncpg.PostgresError) as error:
                log.warning("reconciliation_failed", exc_info=error)

    async def reconcile_if_due(self) -> Report | None:
        """One run, unless one has just been. Raises LeaseLost, StripeFailure and database failures."""
        settings = self._settings
        async with job_lease(self._database, name=RECONCILIATION, seconds=settings.reconcile_lease_seconds) as lease:
            last = await self._last_run()
            pause = timedelta(seconds=settings.reconcile_interval_seconds * 0.8)
            if last.started_at is not None and last.now - last.started_at < pause:
                return None
            is_full = last.full_started_at is None or last.now - last.full_started_at >= FULL_EVERY
            hours = settings.reconcile_full_days * 24 if is_full else settings.reconcile_window_hours
            since = last.now - timedelta(hours=hours)
            return await self._run(lease, last, is_full=is_full, has_audit=is_full, since=since)

    async def start(self, *, days: int | None) -> None:
        """Begin such a run and return; its report is read later. Raises LeaseLost where another goes on."""
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._run_by_itself(days, begun))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await begun

    async def _run_by_itself(self, days: int | None, begun: asyncio.Future[None]) -> None:
        try:
            await self.reconcile_now(days=days, wait_seconds=0, begun=begun)
        except Exception as error:
            if not begun.done():
                begun.set_exception(error)
                return
            # Whoever asked has gone; the report says it too.
            log.warning("reconciliation_failed", exc_info=error)

    async def stop(self) -> None:
        """End what was started; the lease is given back."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def reconcile_now(
        self, *, days: int | None, wait_seconds: float, begun: asyncio.Future[None] | None = None
    ) -> Report:
        """A run over so many days (None: from the first purchase on), and an audit.

        Over fewer days than the daily one it does not stand for it. Raises LeaseLost where another goes on.
        """
        seconds = self._settings.reconcile_lease_seconds
        lease_of_job = job_lease(self._database, name=RECONCILIATION, seconds=seconds, wait_seconds=wait_seconds)
        async with lease_of_job as lease:
            if begun is not None and not begun.done():  # Done already where whoever asked went away.
                begun.set_result(None)
            last = await self._last_run()
            since = None if days is None else last.now - timedelta(days=days)
            is_full = days is None or days >= self._settings.reconcile_full_days
            return await self._run(lease, last, is_full=is_full, has_audit=True, since=since)

    async def _last_run(self) -> LastRun:
        async with self._database.statement() as connection:
            return await reconcile_queries.read_last_run(connection, livemode=self._gateway.livemode)

    async def _run(
        self, lease: HeldLease, last: LastRun, *, is_full: bool, has_audit: bool, since: datetime | None
    ) -> Report:
        async with self._database.transaction() as connection:
            run_id = await reconcile_queries.start_run(connection, is_full=is_full)
            await reconcile_queries.purge_ignored_events(
                connection, keep_days=self._settings.stripe_ignored_events_keep_days
            )
        grace = timedelta(seconds=self._settings.reconcile_grace_seconds)
        report = Report(is_full=is_full, compared_since=since, compared_until=last.now - grace, currency=CURRENCY)
        try:
            await self._fill(report, lease, last)
            if has_audit:
                await self._audit(report, lease)
        except Exception as error:
            await self._finish(run_id, last, report=None, error=type(error).__name__)
            raise
        await self._finish(run_id, last, report=report, error=None)
        write = log.info if report.is_clean else log.error
        write(
            "reconciled",
            is_full=is_full,
            purchases=report.stripe.purchases,
            drift=report.drift,
            repairs=report.repairs_made,
            flagged=report.flagged.payments,
            unknown=report.unknown.payments,
            undelivered_tokens=report.undelivered.tokens,
            audit_faults=report.audit_faults,
            audit_finished=report.audit_finished,
        )
        return report

    async def _fill(self, report: Report, lease: HeldLease, last: LastRun) -> None:
        repairs = Repairs(self._database, report, self._balance_changed)
        catching_up = CatchingUp(
            self._database,
            self._gateway,
            self._inbox,
            self._settings,
            report,
            repairs=repairs,
            keep_lease=lease.keep,
        )
        await catching_up.with_events(last)
        await catching_up.with_failed_events()
        await catching_up.with_unpaid_purchases(last.now)
        comparison = Comparison(
            self._database,
            self._gateway,
            self._marks,
            report,
            repairs=repairs,
            keep_lease=lease.keep,
        )
        await comparison.run(
            since=report.compared_since,
            at_least_since=last.now - timedelta(days=self._settings.reconcile_full_days),
            first_purchase_at=last.first_purchase_at,
        )
        async with self._database.statement() as connection:
            purchases, tokens = await reconcile_queries.sum_undelivered(connection)
        report.undelivered = Undelivered(purchases=purchases, tokens=tokens)

    async def _audit(self, report: Report, lease: HeldLease) -> None:
        seconds = self._settings.reconcile_audit_timeout_seconds
        await lease.keep(step_seconds=seconds)
        async with self._database.transaction() as connection:
            try:
                faults = await reconcile_queries.audit_ledger(connection, timeout_seconds=seconds)
            except (TimeoutError, asyncpg.QueryCanceledError):
                # Not a failure of the run: every later one would have to do it all again, and fail again.
                faults, report.audit_finished = [], False
        report.audit_faults = len(faults)
        report.audit_examples = faults[:20]

    async def _finish(self, run_id: int, last: LastRun, *, report: Report | None, error: str | None) -> None:
        async with self._database.statement() as connection:
            await reconcile_queries.finish_run(
                connection,
                run_id=run_id,
                report=None if report is None else report.model_dump(mode="json"),
                events_until=last.now if error is None else None,
                error=error,
            )
