"""One bad payment, one unreadable object, a flood of others' events: nothing keeps the rest from being right."""

import json
import sqlite3
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from agent_api_support.billing import (
    DECLINED_CARD,
    STRIPE_AND_HTTPX,
    Shop,
    deliver,
    event_about,
    marks,
    payment_intent,
    reconcile,
    run_shop,
)

from agent_api.billing.marks import Marks, metadata_in, uuid_in

pytestmark = STRIPE_AND_HTTPX
OTHER_VERSION = "2019-02-19"


def change_at_stripe(directory: Path, object_id: str, path: str, value: str) -> None:
    """What Stripe holds, changed to what it never says today."""
    with sqlite3.connect(directory / "state.sqlite", timeout=60) as state:
        changed = state.execute(
            "update objects set body = json_set(body, ?, json(?)) where id = ?", (path, value, object_id)
        )
        assert changed.rowcount == 1


async def forget_events(shop: Shop) -> None:
    """So that only the payments themselves tell."""
    async with shop.database.connect() as connection:
        await connection.execute(
            "insert into public.reconciliation_runs (is_full, finished_at, events_until)"
            " values (false, now(), now() + interval '1 day')"
        )
        # Nor the pages.
        await connection.execute("update public.purchases set checked_at = now() + interval '1 day'")


async def payment_of(shop: Shop, purchase_id: UUID) -> str:
    [session] = await shop.sessions_of(purchase_id)
    return session["payment_intent"]


async def begin_and_pay(shop: Shop, user_id: UUID) -> tuple[UUID, str]:
    purchase_id, url = await shop.begin(user_id)
    await shop.submit(url)
    return purchase_id, await payment_of(shop, purchase_id)


async def make_payment(shop: Shop, metadata: dict[str, str]) -> str:
    values = {f"metadata[{name}]": value for name, value in metadata.items()}
    made = await shop.sandbox.http.post(
        "/v1/payment_intents",
        data={"amount": "500", "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa", **values},
        headers={"Authorization": "Bearer sk_test_sandbox_tests"},
    )
    assert made.json()["status"] == "succeeded", made.text
    return made.json()["id"]


@pytest.mark.parametrize("through", ["comparison", "open purchases"])
async def test_what_fails_for_one_payment_is_told_and_the_others_are_repaired(mine: Shop, through: str) -> None:
    users = [await mine.database.add_user() for _ in range(3)]
    paid = [await begin_and_pay(mine, user_id) for user_id in users]
    await forget_events(mine)
    async with mine.database.connect() as connection:
        if through == "open purchases":
            await connection.execute("update public.purchases set checked_at = null")
        await connection.execute(
            "alter table public.token_grants add constraint broken"
            f" check (source <> 'purchase' or user_id <> '{users[1]}') not valid"
        )
        report = await reconcile(mine)
        assert [await mine.balance(user_id) for user_id in users] == [100, 0, 100]
        assert (report.is_clean, report.ours.purchases) == (False, 2)
        found = {(each.purchase_id, each.field, each.ours) for each in report.differences}
        assert found == {(paid[1][0], "error", "SQLSTATE 23514")}
        assert paid[1][1] in {each.payment_intent_id for each in report.differences}
        await connection.execute("alter table public.token_grants drop constraint broken")
    assert (await reconcile(mine)).is_clean
    assert await mine.balance(users[1]) == 100


async def test_others_payments_need_not_be_readable_and_ours_that_are_not_are_told(mine: Shop, tmp_path: Path) -> None:
    user_id = await mine.database.add_user()
    first, unreadable = await begin_and_pay(mine, user_id), await begin_and_pay(mine, user_id)
    change_at_stripe(tmp_path, await make_payment(mine, {"app": "another"}), "$.amount_received", '"a lot"')
    change_at_stripe(tmp_path, await make_payment(mine, {}), "$.metadata", '["no", "mapping"]')
    change_at_stripe(tmp_path, unreadable[1], "$.amount_received", '"five dollars"')
    last = await begin_and_pay(mine, user_id)
    await forget_events(mine)
    report = await reconcile(mine)
    states = [(await mine.purchase(user_id, each[0]))["status"] for each in (first, unreadable, last)]
    assert states == ["paid", "open", "paid"]
    found = [(each.payment_intent_id, each.purchase_id, each.field, each.stripe) for each in report.differences]
    assert found == [(unreadable[1], unreadable[0], "error", "unreadable")]
    # Also where the purchase is asked about, or known to be paid.
    async with mine.database.connect() as connection:
        await connection.execute("update public.purchases set checked_at = null")
    report = await reconcile(mine)
    assert {(each.purchase_id, each.field) for each in report.differences} == {(unreadable[0], "error")}
    change_at_stripe(tmp_path, unreadable[1], "$.amount_received", "500")
    assert (await reconcile(mine)).drift == 0
    assert await mine.balance(user_id) == 300


async def test_a_refund_of_an_unreadable_payment_is_ignored_or_flagged_by_whose_it_is(
    mine: Shop, tmp_path: Path
) -> None:
    user_id = await mine.database.add_user()
    purchase_id = await mine.buy(user_id)
    ours, others = await payment_of(mine, purchase_id), await make_payment(mine, {"app": "another"})
    for payment_intent_id, status in ((ours, "flagged"), (others, "ignored")):
        change_at_stripe(tmp_path, payment_intent_id, "$.amount_received", '"a lot"')
        charge = {"id": "ch_1", "object": "charge", "payment_intent": payment_intent_id}
        event = event_about("charge.refunded", charge)
        assert (await deliver(mine.api, event)).json() == {"status": status}
    assert await mine.balance(user_id) == 100


async def test_others_failed_events_do_not_starve_ours(mine: Shop) -> None:
    """They are more than a batch holds, and older."""
    user_id = await mine.database.add_user()
    purchase_id, _ = await mine.begin(user_id)
    event = event_about("payment_intent.succeeded", payment_intent(marks(purchase_id, user_id)))
    foreign = event_about("charge.refunded", {"id": "ch_1", "object": "charge", "payment_intent": "pi_of_others"})
    async with mine.database.connect() as connection:
        await connection.execute(
            """
            insert into public.stripe_events
                (id, type, livemode, created_at, payload, status, received_at, attempted_at)
            select 'evt_' || n, 'charge.refunded', false, now(), jsonb_set($1::jsonb, '{id}', to_jsonb('evt_' || n)),
                'failed', now() - interval '1 day', now() - interval '1 day'
            from generate_series(1, 250) as n
            """,
            json.dumps(foreign),
        )
        await connection.execute(
            "insert into public.stripe_events (id, type, livemode, created_at, payload, status)"
            " values ($1, $2, false, now(), $3, 'failed')",
            *(event["id"], event["type"], json.dumps(event)),
        )
        await reconcile(mine)
        assert await mine.balance(user_id) == 100
        left = await connection.fetch("select status, count(*) from public.stripe_events group by status")
        assert {row[0]: row[1] for row in left} == {"ignored": 250, "applied": 1}


async def test_what_keeps_failing_comes_last_the_next_time(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    purchase_id, _ = await mine.begin(user_id)
    async with mine.database.connect() as connection:
        await connection.execute(
            "alter table public.token_grants add constraint broken check (source <> 'purchase') not valid"
        )
        event = event_about("payment_intent.succeeded", payment_intent(marks(purchase_id, user_id)))
        assert (await deliver(mine.api, event)).status_code == 503
        await connection.execute("update public.stripe_events set attempted_at = now() - interval '1 day'")
        assert (await reconcile(mine)).events.failed == 1
        tried = await connection.fetchval("select attempted_at > now() - interval '1 hour' from public.stripe_events")
        assert tried


# ----- Modes


@pytest.mark.parametrize("known", [True, False])
async def test_a_payment_of_the_other_mode_credits_nothing(mine: Shop, known: bool) -> None:
    """A test card's payment of a live key's purchase, or of one from the days of the test key."""
    user_id = await mine.database.add_user()
    purchase_id, _ = await mine.begin(user_id)
    if not known:  # Begun under the other key.
        async with mine.database.connect() as connection:
            await connection.execute("update public.purchases set livemode = true")
    body = payment_intent(marks(purchase_id, user_id), livemode=True)
    event = event_about("payment_intent.succeeded", body, livemode=True)
    assert (await deliver(mine.api, event)).json() == {"status": "flagged" if known else "ignored"}
    row = await mine.event_row(event["id"])
    assert (row["status"], row["error"]) == (("flagged", "livemode_mismatch") if known else ("ignored", None))
    assert await mine.ledger(user_id) == []
    assert (await mine.purchase(user_id, purchase_id))["status"] == ("flagged" if known else "open")


async def test_refunds_and_ends_of_the_other_mode_are_ignored_without_asking(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    purchase_id = await mine.buy(user_id)
    async with run_shop(mine.database, mine.sandbox, stripe_api_base="http://127.0.0.1:9") as lonely:
        charge = {"id": "ch_1", "object": "charge", "payment_intent": await payment_of(mine, purchase_id)}
        [session] = await mine.sessions_of(purchase_id)
        for type, body in (("charge.refunded", charge), ("checkout.session.expired", session)):
            answer = await deliver(lonely.api, event_about(type, body, livemode=True))
            assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})
    assert await mine.balance(user_id) == 100


async def test_reconciliation_leaves_purchases_and_events_of_the_other_mode_alone(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    paid, (waiting, _) = await mine.buy(user_id), await mine.begin(user_id)
    await mine.buy(user_id)
    async with mine.database.connect() as connection:
        # As if the key had been a live one then: this key can ask about none of them.
        await connection.execute(
            "update public.purchases set livemode = true, created_at = created_at - interval '26 hours',"
            " payment_intent_id = replace(payment_intent_id, 'pi_', 'pi_live_'),"
            " checkout_session_id = replace(checkout_session_id, 'cs_', 'cs_live_') where id = any($1::uuid[])",
            [paid, waiting],
        )
        event = event_about("payment_intent.succeeded", payment_intent(marks(waiting, user_id)), livemode=True)
        await connection.execute(
            "insert into public.stripe_events (id, type, livemode, created_at, payload, status)"
            " values ($1, $2, true, now(), $3, 'failed')",
            *(event["id"], event["type"], json.dumps(event)),
        )
        async with mine.database.superuser() as owner:
            await owner.execute("delete from public.stripe_events where status <> 'failed'")
        await forget_events(mine)
        await connection.execute("update public.purchases set checked_at = null")
        report = await reconcile(mine)
        statuses = await connection.fetch("select id, status from public.purchases where livemode")
        assert {row["id"]: row["status"] for row in statuses} == {paid: "paid", waiting: "open"}
        assert await connection.fetchval("select status from public.stripe_events where livemode") == "failed"
    assert (report.unpaid.checked, report.ours.purchases) == (0, 1)
    assert "unknown" not in {each.stripe for each in report.differences}


# ----- Versions


async def test_a_payload_of_another_version_is_not_read_but_fetched(
    mine: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    user_id = await mine.database.add_user()
    purchase_id, _ = await begin_and_pay(mine, user_id)
    [event] = [each for each in await mine.events_of(purchase_id) if each["type"] == "payment_intent.succeeded"]
    event["api_version"] = OTHER_VERSION
    # There, what was received may have stood elsewhere, or meant something else.
    del event["data"]["object"]["amount_received"]
    assert (await deliver(mine.api, event)).json() == {"status": "applied"}
    assert await mine.balance(user_id) == 100
    logged: list[Any] = [each.msg for each in caplog.records if "stripe_event_of_another_version" in str(each.msg)]
    assert [(line["level"], line["api_version"]) for line in logged] == [("error", OTHER_VERSION)]


async def test_other_versions_of_declines_and_ends_are_fetched_too(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    purchase_id, url = await mine.begin(user_id)
    await mine.submit(url, DECLINED_CARD)
    [declined] = [e for e in await mine.events_of(purchase_id) if e["type"] == "payment_intent.payment_failed"]
    declined["api_version"] = None
    del declined["data"]["object"]["last_payment_error"]
    assert (await deliver(mine.api, declined)).json() == {"status": "applied"}
    assert (await mine.purchase(user_id, purchase_id))["failure_code"] == "generic_decline"
    [session] = await mine.sessions_of(purchase_id)
    await mine.sandbox.control("POST", f"/sandbox/checkout_sessions/{session['id']}/elapse")
    ended = event_about("checkout.session.expired", {"id": session["id"], "metadata": session["metadata"]})
    assert (await deliver(mine.api, {**ended, "api_version": OTHER_VERSION})).json() == {"status": "applied"}
    assert (await mine.purchase(user_id, purchase_id))["status"] == "expired"


async def test_what_cannot_be_fetched_of_another_version_is_flagged_or_tried_again(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    purchase_id, _ = await mine.begin(user_id)
    body = payment_intent(marks(purchase_id, user_id))
    event = event_about("payment_intent.succeeded", body, api_version=OTHER_VERSION)
    assert (await deliver(mine.api, event)).json() == {"status": "flagged"}
    assert (await mine.event_row(event["id"]))["error"] == "payment_unknown_to_stripe"
    async with run_shop(mine.database, mine.sandbox, stripe_api_base="http://127.0.0.1:9") as lonely:
        again: httpx.Response = await deliver(lonely.api, {**event, "id": f"evt_{uuid4().hex}"})
        assert again.status_code == 503
    assert await mine.ledger(user_id) == []


def test_metadata_are_read_from_whatever_came() -> None:
    for value in (None, "text", 7, ["app"], {"app": {"nested": 1}, "purchase_id": 7}):
        metadata = metadata_in({"metadata": value})
        assert metadata == {}
        assert not Marks("agent-api", "development").are_on(metadata)
        assert uuid_in(metadata, "purchase_id") is None
