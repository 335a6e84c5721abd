"""Reconciliation: what a lost webhook left is made good, and the report says so."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from agent_api_support.api import refusal
from agent_api_support.auth_server import SERVICE_KEY
from agent_api_support.billing import (
    DECLINED_CARD,
    STRIPE_AND_HTTPX,
    WEBHOOK_SECRET,
    Shop,
    deliver,
    event_about,
    marks,
    payment_intent,
    run_sandbox,
    run_shop,
)
from agent_api_support.waiting import until

from agent_api.billing import reconciler
from agent_api.billing.client import StripeFailure
from agent_api.billing.lease import LeaseLost, job_lease
from agent_api.billing.part import Billing
from agent_api.billing.reconcile import render
from agent_api.billing.report import Report
from local_stack.postgres.testing import Database
from local_stack.stripe_sandbox.tests.running import SECRET_KEY

pytestmark = STRIPE_AND_HTTPX
INTERVAL_SECONDS = 14_400
SERVICE = Path(__file__).resolve().parents[1]


@pytest.fixture
async def mine(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Shop]:
    """A shop whose database and Stripe are this test's alone; nothing runs there by itself, however slow a test is."""
    monkeypatch.setattr(reconciler, "FIRST_AFTER", (1_000, 1_000))
    async with (
        run_sandbox(tmp_path) as sandbox,
        run_shop(database, sandbox, reconcile_interval_seconds=INTERVAL_SECONDS) as shop,
    ):
        yield shop


def billing_of(shop: Shop) -> Billing:
    return shop.api.app.state.billing


async def reconcile(shop: Shop, days: int | None = None) -> Report:
    return await billing_of(shop).reconciler.reconcile_now(days=days, wait_seconds=0)


async def reconcile_when_due(shop: Shop) -> Report:
    """The run that the service makes by itself, once its interval has passed."""
    async with shop.database.connect() as connection:
        await connection.execute("update public.reconciliation_runs set started_at = started_at - interval '4 hours'")
    report = await billing_of(shop).reconciler.reconcile_if_due()
    assert report is not None
    return report


async def test_with_the_webhook_down_the_books_end_the_same(mine: Shop) -> None:
    user, stranger = await mine.database.add_user(), await mine.database.add_user()
    full, partly = await mine.buy(user), None
    _, url = await mine.begin(stranger)
    await mine.submit(url, DECLINED_CARD)
    await mine.submit(url)
    partly, url = await mine.begin(user, "tier_3")
    await mine.submit(url)
    await mine.refund(partly, 500)
    won, url = await mine.begin(user, "tier_2")
    await mine.submit(url)
    dispute_id = await mine.dispute(won)
    await mine.sandbox.control("POST", f"/sandbox/disputes/{dispute_id}/win")
    await mine.dispute(full)
    # None of that was delivered.
    assert (await mine.balance(user), await mine.balance(stranger)) == (100, 0)
    report = await reconcile(mine)
    assert (await mine.balance(user), await mine.balance(stranger)) == (450 + 250, 100)
    assert (report.drift, report.audit_faults, report.flagged.payments) == (0, 0, 0)
    assert report.stripe == report.ours
    assert report.ours.model_dump() == {
        "purchases": 4,
        "paid_minor": 500 + 500 + 2000 + 1000,
        "refunded_minor": 500,
        "disputed": 1,
        "tokens": 450 + 250 + 100,
    }
    assert report.repairs_made > 0
    again = await reconcile(mine)
    assert (again.repairs_made, again.drift, again.ours) == (0, 0, report.ours)
    # Deliveries that come after all change nothing.
    for purchase_id in (full, partly, won):
        assert set(await mine.deliver_news(purchase_id)) <= {200}
    assert await mine.balance(user) == 700
    assert await mine.audit() == []


async def test_payments_are_found_where_not_even_their_events_are_left(mine: Shop) -> None:
    """Stripe lists events of 30 days; the payments themselves stay."""
    user_id = await mine.database.add_user()
    purchase_id, url = await mine.begin(user_id)
    await mine.submit(url)
    refunded = await mine.buy(user_id)
    await mine.refund(refunded, 250)
    async with mine.database.connect() as connection:
        await connection.execute(
            "insert into public.reconciliation_runs (is_full, finished_at, events_until)"
            " values (false, now(), now() + interval '1 day')"
        )
        # So that the comparison alone finds it.
        await connection.execute("update public.purchases set status = 'failed' where id = $1", purchase_id)
    report = await reconcile(mine)
    assert report.events.listed == 0
    assert sorted(repair.what for repair in report.repairs) == ["facts_updated", "payment_recorded"]
    assert await mine.balance(user_id) == 150
    assert (report.drift, report.ours.purchases) == (0, 2)


async def test_an_open_purchase_is_asked_about(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    expired, _ = await mine.begin(user_id)
    waiting, _ = await mine.begin(user_id)
    paid, url = await mine.begin(user_id)
    await mine.submit(url)
    [session] = await mine.sessions_of(expired)
    await mine.sandbox.control("POST", f"/sandbox/checkout_sessions/{session['id']}/elapse")
    abandoned = uuid4()
    async with mine.database.connect() as connection:
        # So that no event tells.
        await connection.execute(
            "insert into public.reconciliation_runs (is_full, finished_at, events_until)"
            " values (false, now(), now() + interval '1 day')"
        )
        await connection.execute(
            "insert into public.purchases (id, user_id, tier, pack_tokens, price_minor, currency, created_at)"
            " values ($1, $2, 'tier_1', 100, 500, 'usd', now() - interval '26 hours')",
            *(abandoned, user_id),
        )
    report = await reconcile(mine)
    assert (report.unpaid.checked, report.unpaid.closed) == (4, 2)
    states = [(await mine.purchase(user_id, each))["status"] for each in (expired, waiting, paid, abandoned)]
    assert states == ["expired", "open", "paid", "expired"]
    assert await mine.balance(user_id) == 100


async def test_an_event_that_failed_is_tried_again(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    purchase_id, _ = await mine.begin(user_id)
    # Of a payment that this Stripe does not list: only the kept event can tell of it.
    event = event_about("payment_intent.succeeded", payment_intent(marks(purchase_id, user_id)))
    async with mine.database.connect() as connection:
        await connection.execute(
            "alter table public.token_grants add constraint broken check (source <> 'purchase') not valid"
        )
        assert refusal(await deliver(mine.api, event)) == (503, "event_not_applied")
        failing = await reconcile(mine)
        assert failing.events.failed == 1
        await connection.execute("alter table public.token_grants drop constraint broken")
    report = await reconcile(mine)
    assert (report.events.applied, report.events.failed) == (1, 0)
    assert await mine.balance(user_id) == 100


async def test_a_payment_that_stripe_does_not_know_is_drift(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    purchase_id, _ = await mine.begin(user_id)
    await deliver(mine.api, event_about("payment_intent.succeeded", payment_intent(marks(purchase_id, user_id))))
    report = await reconcile(mine)
    assert (report.drift, report.is_clean) == (1, False)
    [difference] = report.differences
    assert (difference.purchase_id, difference.field, difference.stripe) == (purchase_id, "payment", "unknown")
    assert (report.ours.purchases, report.stripe.purchases) == (1, 0)


async def test_books_that_somebody_changed_are_put_right_or_named(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    purchase_id = await mine.buy(user_id)
    async with mine.database.connect() as connection:
        await connection.execute(
            "update public.purchases set refunded_minor = 500, facts_observed_at = now() where id = $1", purchase_id
        )
        await connection.execute("select public.settle_purchase($1)", purchase_id)
        assert await mine.balance(user_id) == 0
        report = await reconcile(mine)
        assert (report.drift, [repair.what for repair in report.repairs]) == (0, ["facts_updated"])
        assert await mine.balance(user_id) == 100
        # What no fact can explain is not touched, but it is seen.
        await connection.execute("update public.user_profiles set tokens = 1000 where id = $1", user_id)
        report = await reconcile(mine)
        assert (report.drift, report.audit_faults, report.is_clean) == (0, 1, False)
        assert "balance" in report.audit_examples[0]


async def test_flagged_payments_are_counted_apart(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    purchase_id, url = await mine.begin(user_id)
    async with mine.database.connect() as connection:
        await connection.execute("update public.purchases set price_minor = 400 where id = $1", purchase_id)
    await mine.submit(url)
    for _ in range(2):
        report = await reconcile(mine)
        assert (report.drift, report.flagged.payments, report.flagged.paid_minor) == (0, 1, 500)
        assert (report.ours.purchases, report.stripe.purchases) == (0, 0)
    # Given back by the operator: nothing is left to decide.
    await mine.refund(purchase_id)
    report = await reconcile(mine)
    assert (report.drift, report.flagged.payments) == (0, 0)
    assert await mine.balance(user_id) == 0


async def test_others_payments_and_events_are_left_alone(
    mine: Shop, clone_database: Callable[[str], Database], product_template: str
) -> None:
    """Two installations in one Stripe account."""
    user_id = await mine.database.add_user()
    await mine.buy(user_id)
    other_database = clone_database(product_template)
    other_id = await other_database.add_user()
    async with run_shop(other_database, mine.sandbox, stripe_app_name="another") as other:
        purchase_id, url = await other.begin(other_id)
        await other.submit(url)
        await other.refund(purchase_id, 100)
    async with mine.database.connect() as connection:
        before = await connection.fetchval("select count(*) from public.stripe_events")
        report = await reconcile(mine)
        assert (report.ours.purchases, report.flagged.payments, report.drift) == (1, 0, 0)
        # Not even kept: nobody sent them here.
        assert await connection.fetchval("select count(*) from public.stripe_events") == before
    assert await mine.balance(user_id) == 100


async def test_what_is_young_is_left_to_its_webhook(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    async with run_shop(mine.database, mine.sandbox, reconcile_grace_seconds=3600) as patient:
        purchase_id, url = await patient.begin(user_id)
        await patient.submit(url)
        report = await reconcile(patient)
        assert (report.repairs_made, report.events.applied, report.unpaid.checked) == (0, 0, 0)
        assert (await patient.purchase(user_id, purchase_id))["status"] == "open"
    await reconcile(mine)
    assert await mine.balance(user_id) == 100


async def test_only_one_replica_reconciles(mine: Shop) -> None:
    async with run_shop(mine.database, mine.sandbox, reconcile_interval_seconds=3600) as other:
        reconcilers = [billing_of(each).reconciler for each in (mine, other)]
        outcomes: list[Any] = await asyncio.gather(
            *(each.reconcile_if_due() for each in reconcilers * 5), return_exceptions=True
        )
    reports = [each for each in outcomes if isinstance(each, Report)]
    assert len(reports) == 1
    assert reports[0].is_full
    assert {type(each) for each in outcomes} <= {Report, LeaseLost, type(None)}


@pytest.mark.parametrize(("days", "stands_for_it"), [(2, False), (89, False), (90, True), (None, True)])
async def test_a_run_over_fewer_days_does_not_stand_for_the_daily_one(
    mine: Shop, days: int | None, stands_for_it: bool
) -> None:
    report = await reconcile(mine, days)
    assert (report.is_full, report.audit_faults) == (stands_for_it, 0)
    assert (await reconcile_when_due(mine)).is_full is not stands_for_it


async def test_an_audit_that_does_not_end_is_told_and_not_made_again_at_once(mine: Shop) -> None:
    await mine.buy(await mine.database.add_user())
    limits = {"reconcile_audit_timeout_seconds": 0.5, "reconcile_interval_seconds": INTERVAL_SECONDS}
    async with run_shop(mine.database, mine.sandbox, **limits) as hasty, mine.database.connect() as holder:
        async with holder.transaction():
            # Which only the audit waits for. A limit so short that any audit exceeds it would also cut off its commit.
            await holder.execute("lock table public.transactions in access exclusive mode")
            report = await reconcile_when_due(hasty)
        assert (report.is_full, report.drift, report.audit_faults, report.is_clean) == (True, 0, 0, False)
        assert not report.audit_finished
        assert "audit_ledger()   did not finish" in render(report)
        # Everything else of the run counts: events are read from its place on, and the next one is no full one.
        again = await reconcile_when_due(hasty)
        assert (again.is_full, again.is_clean) == (False, True)
    async with mine.database.connect() as connection:
        assert await connection.fetchval("select count(events_until) from public.reconciliation_runs") == 2


async def test_a_shorter_limit_of_the_server_does_not_cut_the_audit(database: Database, tmp_path: Path) -> None:
    async with database.superuser() as connection:
        await connection.execute(f'alter database "{database.name}" set statement_timeout = 5000')
    async with run_sandbox(tmp_path) as sandbox, run_shop(database, sandbox) as shop:
        async with database.superuser() as watcher, database.superuser() as holder:
            await watcher.execute("set statement_timeout = 0")
            async with holder.transaction():
                await holder.execute("lock table public.transactions in access exclusive mode")
                running = asyncio.create_task(reconcile(shop))
                # The audit waits for this longer than the server would let it.
                has_outlasted = (
                    "select exists (select from pg_stat_activity where datname = current_database()"
                    " and wait_event_type = 'Lock' and clock_timestamp() - query_start > interval '5.5 seconds')"
                )
                async with asyncio.timeout(60):
                    while not await watcher.fetchval(has_outlasted):  # noqa: ASYNC110 - a wait for a lock has no event
                        await asyncio.sleep(0.05)
        assert (await running).is_clean


async def test_the_lease_outlasts_the_audit(mine: Shop) -> None:
    async with (
        run_shop(mine.database, mine.sandbox, reconcile_lease_seconds=1, reconcile_audit_timeout_seconds=600) as slow,
        mine.database.connect() as connection,
    ):
        transaction = connection.transaction()
        await transaction.start()
        # The audit waits for this; without a sale nothing before it does.
        await connection.execute("lock table public.transactions in access exclusive mode")
        running = asyncio.create_task(reconcile(slow))
        held = "select exists (select from public.job_leases where expires_at > clock_timestamp() + interval '500 s')"
        async with asyncio.timeout(60):
            while not await connection.fetchval(held):  # noqa: ASYNC110 - another session's lease has no event
                await asyncio.sleep(0.01)
        await transaction.rollback()
        assert (await running).is_clean


async def test_the_lease_of_a_lost_replica_runs_out_and_one_that_is_overdue_stops(mine: Shop) -> None:
    database = mine.api.app.state.database
    async with job_lease(database, name="a job", seconds=600) as lease:
        with pytest.raises(LeaseLost):
            async with job_lease(database, name="a job", seconds=600):
                pass
        await lease.keep()
        async with mine.database.connect() as connection:
            await connection.execute("update public.job_leases set expires_at = clock_timestamp()")
        async with job_lease(database, name="a job", seconds=600):
            assert not await lease.take()
    async with job_lease(database, name="a job", seconds=600):
        pass


async def test_it_runs_by_itself(database: Database, tmp_path: Path) -> None:
    async with run_sandbox(tmp_path) as sandbox, run_shop(database, sandbox, reconcile_interval_seconds=0.2) as shop:
        user_id = await database.add_user()
        purchase_id, url = await shop.begin(user_id)
        await shop.submit(url)
        async with shop.api.client.stream("GET", "/api/balance/stream", headers=shop.api.headers(user_id)) as stream:
            async with asyncio.timeout(60):
                async for line in stream.aiter_lines():
                    if line == 'data: {"tokens": 100}':
                        break
        assert (await shop.purchase(user_id, purchase_id))["status"] == "paid"


async def test_it_runs_soon_after_a_start_and_not_again_after_the_next(database: Database, tmp_path: Path) -> None:
    """Whoever stops for an hour, or restarts more often than the interval, is not left without a run."""
    async with run_sandbox(tmp_path) as sandbox, database.connect() as connection:
        # To its very end: a stop could cut the giving back of the lease.
        has_run = (
            "select exists (select from public.reconciliation_runs where report is not null)"
            " and not exists (select from public.job_leases)"
        )
        async with run_shop(database, sandbox, reconcile_interval_seconds=100):
            async with asyncio.timeout(60):
                while not await connection.fetchval(has_run):  # noqa: ASYNC110 - another session's row has no event
                    await asyncio.sleep(0.05)
        # Due again much later, and by itself not while this looks.
        async with run_shop(database, sandbox, reconcile_interval_seconds=100_000) as shop:
            assert await billing_of(shop).reconciler.reconcile_if_due() is None


async def test_a_run_that_breaks_is_told_and_the_next_one_begins_where_it_did(mine: Shop) -> None:
    admin_id = await mine.database.add_user()
    async with mine.database.connect() as connection:
        await connection.execute("update public.user_profiles set is_admin = true where id = $1", admin_id)
    headers, path = mine.api.headers(admin_id), "/api/admin/reconciliation"
    assert refusal(await mine.api.client.get(path, headers=headers)) == (404, "no_report")
    user_id = await mine.database.add_user()
    await mine.buy(user_id)
    await reconcile(mine)
    _, url = await mine.begin(user_id)
    await mine.submit(url)
    async with run_shop(mine.database, mine.sandbox, stripe_retries_max=0) as impatient:
        fault = {"kind": "server_error", "times": 1, "method": "GET", "path": "/v1/payment_intents"}
        await mine.sandbox.control("POST", "/sandbox/faults", fault)
        with pytest.raises(StripeFailure):
            await reconcile(impatient)
    body = (await mine.api.client.get(path, headers=headers)).json()
    assert body["last_failure"]["error"] == "KeyUsedUp"
    assert body["last_run"]["report"]["ours"]["purchases"] == 1
    await reconcile(mine)
    body = (await mine.api.client.get(path, headers=headers)).json()
    assert body["last_failure"] is None
    assert body["last_run"] == body["last_full_run"]
    assert body["last_run"]["report"]["stripe"] == body["last_run"]["report"]["ours"]
    assert body["last_run"]["report"]["ours"]["purchases"] == 2
    assert body["purchases_by_status"] == {"paid": 2}
    assert body["events_by_status"]["applied"] > 0
    assert body["flagged_payments"] == []
    assert await mine.balance(user_id) == 200


async def run_command(shop: Shop, *arguments: str, **changes: str) -> tuple[int, str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("STRIPE_", "LLM_"))} | {
        "DATABASE_URL": shop.database.dsn(),
        "SUPABASE_URL": "http://127.0.0.1:9",
        "SUPABASE_SERVICE_KEY": SERVICE_KEY,
        "STRIPE_SECRET_KEY": SECRET_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "STRIPE_API_BASE": shop.sandbox.url,
        "STRIPE_RETRIES_MAX": "0",
        "RECONCILE_GRACE_SECONDS": "0",
        "AGENT_API_ENV_FILE": "",
        **changes,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent_api.billing.reconcile", *arguments),
        cwd=SERVICE,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await asyncio.wait_for(process.communicate(), 180)
    assert process.returncode is not None
    return process.returncode, out.decode(), error.decode()


async def test_the_command_prints_the_report_and_ends_by_it(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    _, url = await mine.begin(user_id)
    await mine.submit(url)
    status, out, error = await run_command(mine)
    assert (status, error) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["Stripe", "1", "5.00", "0.00", "0", "100"] in lines
    assert ["our", "books", "1", "5.00", "0.00", "0", "100"] in lines
    assert "drift            0" in out
    assert "repairs made     1" in out
    assert await mine.balance(user_id) == 100
    status, out, _ = await run_command(mine, "--json", "--days", "1")
    assert (status, json.loads(out)["repairs_made"]) == (0, 0)
    async with mine.database.connect() as connection:
        await connection.execute("update public.user_profiles set tokens = 7 where id = $1", user_id)
    status, out, _ = await run_command(mine)
    assert status == 1
    assert "audit: balance differs from lots" in out


@pytest.mark.parametrize("days", ["0", "-1", "3651", "two"])
async def test_the_command_refuses_days_in_which_nothing_would_be_compared(mine: Shop, days: str) -> None:
    status, out, error = await run_command(mine, f"--days={days}")
    assert (status, out) == (2, "")
    assert "--days" in error


async def test_the_command_says_what_stands_in_its_way(mine: Shop) -> None:
    for changes, words in (
        ({"STRIPE_WEBHOOK_SECRET": ""}, "nothing is sold here"),
        ({"STRIPE_API_BASE": "http://127.0.0.1:9"}, "Stripe did not answer"),
        ({"DATABASE_URL": "postgresql://u:p@127.0.0.1:9/d", "DATABASE_START_DEADLINE_SECONDS": "0.1"}, "database"),
        ({"STRIPE_WEBHOOK_SECRET": "nonsense"}, "STRIPE_WEBHOOK_SECRET"),
    ):
        await mine.begin(await mine.database.add_user())
        status, out, error = await run_command(mine, **changes)
        assert (status, out) == (2, "")
        assert words in error


async def test_old_ignored_events_are_dropped_and_no_others(mine: Shop) -> None:
    foreign = event_about("payment_intent.succeeded", payment_intent({}))
    await deliver(mine.api, foreign)
    user_id = await mine.database.add_user()
    await mine.buy(user_id)
    async with mine.database.connect() as connection:
        await connection.execute("update public.stripe_events set received_at = received_at - interval '31 days'")
        before = await connection.fetchval("select count(*) from public.stripe_events where status <> 'ignored'")
        await reconcile(mine)
        left = await connection.fetch("select status from public.stripe_events")
    assert before > 0
    assert [row["status"] for row in left] == ["applied"] * before


async def test_a_notification_goes_out_for_what_was_repaired(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    _, url = await mine.begin(user_id)
    await mine.submit(url)
    told: list[str] = []
    async with mine.database.connect() as connection:

        def note(_connection: object, _pid: int, _channel: str, payload: object) -> None:
            told.append(str(payload))

        await connection.add_listener("balance_changed", note)
        await reconcile(mine)
        await until(lambda: any(str(user_id) in each for each in told))
