"""What the webhook missed: events nobody delivered, events that failed, purchases that nobody ended."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from pydantic import ValidationError

from agent_api.billing import inbox_queries, reconcile_queries
from agent_api.billing.client import NoSuchObject, StripeGateway
from agent_api.billing.effects import PAYMENT, WATCHED
from agent_api.billing.inbox import Inbox
from agent_api.billing.inbox_queries import AppliedEvent
from agent_api.billing.objects import Event
from agent_api.billing.observation import observe
from agent_api.billing.reconcile_queries import LastRun
from agent_api.billing.repairs import Repairs
from agent_api.billing.report import Repair, Report
from agent_api.billing.troubles import told_in
from agent_api.database import Database
from agent_api.settings import Settings
from agent_api.text import clean_json

log = structlog.stdlib.get_logger(__name__)

EVENTS_OVERLAP = timedelta(minutes=10)
"""Events may become visible a little later than their time says."""
EVENTS_KEPT = timedelta(days=29)
"""Stripe lists events of 30 days."""
FAILED_BATCHES_MAX = 10
NO_PAGE_AFTER = timedelta(hours=25)
"""A hosted page lives for 24 hours at most, also one whose address never arrived here."""


class CatchingUp:
    """The steps of a run that come before the comparison; they fill its report."""

    def __init__(
        self,
        database: Database,
        gateway: StripeGateway,
        inbox: Inbox,
        settings: Settings,
        report: Report,
        *,
        repairs: Repairs,
        keep_lease: Callable[[], Awaitable[None]],
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._inbox = inbox
        self._settings = settings
        self._report = report
        self._repairs = repairs
        self._keep_lease = keep_lease

    async def with_events(self, last: LastRun) -> None:
        """Events that Stripe lists and the inbox does not hold. Raises StripeFailure."""
        since = last.now - EVENTS_KEPT
        # The first run reads all: what was sold may have been lost with a database.
        if last.events_until is not None:
            overlap = EVENTS_OVERLAP + timedelta(seconds=self._settings.reconcile_grace_seconds)
            since = max(since, last.events_until - overlap)
        # Where nothing was ever sold, the refunds and disputes of a shared account are somebody else's.
        is_unused = last.events_until is None and last.first_purchase_at is None
        async for page in self._gateway.pages_of_events(types=(PAYMENT,) if is_unused else WATCHED, since=since):
            await self._keep_lease()
            self._report.events.listed += len(page)
            # As in a delivery: Postgres stores neither NUL nor half a surrogate.
            cleaned = [clean_json(payload) for payload in page]
            events = [(event, payload) for payload in cleaned if (event := _event(payload)) is not None]
            async with self._database.statement() as connection:
                settled = await inbox_queries.settled_event_ids(connection, event_ids=[event.id for event, _ in events])
            # Oldest first, so that the ledger reads in the order in which things happened.
            for event, payload in reversed(events):
                if event.id not in settled and self._is_due(event):
                    await self._apply(event, payload)

    def _is_due(self, event: Event) -> bool:
        return datetime.fromtimestamp(event.created, UTC) <= self._report.compared_until

    async def with_failed_events(self) -> None:
        """Events that were kept without their effect: Stripe stops sending them after three days."""
        after: tuple[datetime, str] | None = None
        for _ in range(FAILED_BATCHES_MAX):
            async with self._database.statement() as connection:
                rows = await reconcile_queries.list_failed_events(
                    connection, livemode=self._gateway.livemode, before=self._report.compared_until, after=after
                )
            if not rows:
                return
            for row in rows:
                after = (row["attempted_at"], row["id"])
                if (event := _event(row["payload"])) is not None:
                    await self._apply(event, row["payload"], is_kept=True)

    async def _apply(self, event: Event, payload: dict[str, Any], *, is_kept: bool = False) -> None:
        await self._keep_lease()
        about: object = event.data.object.get("payment_intent") or event.data.object.get("id")
        with told_in(self._report, payment_intent_id=str(about), purchase_id=None):
            # What is kept must end as ignored where it is not ours, or it would be tried again for ever.
            bring = self._inbox.receive if is_kept else self._inbox.catch_up
            applied = await bring(event, payload)
            if applied is not None:
                self._note(event, applied)

    def _note(self, event: Event, applied: AppliedEvent) -> None:
        if applied.status == "failed":
            self._report.events.failed += 1
        elif not applied.is_repeat and applied.status != "ignored":
            self._report.events.applied += 1
            if applied.status == "applied":
                self._report.add_repair(Repair(what="event_applied", id=event.id, tokens_moved=applied.tokens_moved))

    async def with_unpaid_purchases(self, now: datetime) -> None:
        """Ends what nobody can pay any more, and records what was paid after all. Raises StripeFailure."""
        async with self._database.statement() as connection:
            rows = await reconcile_queries.list_unpaid(
                connection,
                livemode=self._gateway.livemode,
                created_before=self._report.compared_until,
                checked_before=now - timedelta(seconds=self._settings.reconcile_recheck_seconds),
            )
        for row in rows:
            await self._keep_lease()
            self._report.unpaid.checked += 1
            is_over = False
            with told_in(self._report, payment_intent_id="", purchase_id=row["id"]):
                is_over = await self._is_over(row["checkout_session_id"], age=now - row["created_at"])
            async with self._database.statement() as connection:
                if is_over:
                    await reconcile_queries.close_purchase(
                        connection, purchase_id=row["id"], session_id=row["checkout_session_id"]
                    )
                else:
                    await reconcile_queries.mark_checked(connection, purchase_id=row["id"])
            if is_over:
                self._report.unpaid.closed += 1
                self._report.add_repair(Repair(what="purchase_closed", id=str(row["id"])))

    async def _is_over(self, session_id: str | None, *, age: timedelta) -> bool:
        if session_id is None:
            return age > NO_PAGE_AFTER
        try:
            session = await self._gateway.retrieve_checkout_session(session_id)
        except NoSuchObject:
            return age > NO_PAGE_AFTER
        if session.status == "complete" and session.payment_intent is not None:
            seen = await observe(self._database, self._gateway, session.payment_intent)
            if seen.facts is not None:
                await self._repairs.record(seen.facts, None)
        return session.status == "expired"


def _event(payload: dict[str, Any]) -> Event | None:
    try:
        return Event.model_validate(payload)
    except ValidationError as error:
        log.error("stripe_event_unreadable", exc_info=error)
        return None
