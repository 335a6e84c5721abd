"""What an operator must look at: told once, kept until it is dealt with, and no longer."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
from agent_api_support.api import refusal
from agent_api_support.billing import (
    STRIPE_AND_HTTPX,
    Shop,
    deliver,
    event_about,
    marks,
    payment_intent,
    reconcile,
    run_shop,
)

from agent_api.billing.lease import RECONCILIATION, job_lease

pytestmark = STRIPE_AND_HTTPX


async def add_admin(shop: Shop) -> UUID:
    admin_id = await shop.database.add_user()
    async with shop.database.connect() as connection:
        await connection.execute("update public.user_profiles set is_admin = true where id = $1", admin_id)
    return admin_id


async def ask(shop: Shop, admin_id: UUID, method: str, path: str, **values: Any) -> httpx.Response:
    return await shop.api.client.request(method, f"/api/admin/{path}", headers=shop.api.headers(admin_id), **values)


async def flagged_reason(shop: Shop, purchase_id: UUID) -> str | None:
    async with shop.database.connect() as connection:
        return await connection.fetchval("select flagged_reason from public.purchases where id = $1", purchase_id)


async def pay_without_page(shop: Shop, metadata: dict[str, str]) -> str:
    """A payment made at Stripe by hand, of which no event is left."""
    values = {f"metadata[{name}]": value for name, value in metadata.items()}
    made = await shop.sandbox.http.post(
        "/v1/payment_intents",
        data={"amount": "500", "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa", **values},
        headers={"Authorization": "Bearer sk_test_sandbox_tests"},
    )
    assert made.json()["status"] == "succeeded", made.text
    async with shop.database.connect() as connection:
        await connection.execute(
            "insert into public.reconciliation_runs (is_full, finished_at, events_until)"
            " values (false, now(), now() + interval '1 day')"
        )
    return made.json()["id"]


async def test_a_second_payment_is_found_where_its_event_is_gone(mine: Shop) -> None:
    """Equal in every amount: only its identity tells that somebody paid twice."""
    user_id = await mine.database.add_user()
    purchase_id = await mine.buy(user_id)
    second = await pay_without_page(mine, marks(purchase_id, user_id))
    for _ in range(2):
        report = await reconcile(mine)
        assert report.events.listed == 0
        assert (report.drift, report.flagged.payments, report.flagged.paid_minor) == (0, 1, 500)
        assert (report.ours.purchases, report.stripe.purchases) == (1, 1)
        assert await flagged_reason(mine, purchase_id) == "second_payment"
    # Two of them are two.
    await pay_without_page(mine, marks(purchase_id, user_id))
    assert (await reconcile(mine)).flagged.payments == 2
    async with mine.database.connect() as connection:
        flagged = await connection.fetch("select payment_intent_id, purchase_id from public.payment_flags")
    assert len(flagged) == 2
    assert (second, purchase_id) in [tuple(row) for row in flagged]
    assert await mine.balance(user_id) == 100


async def test_a_flag_is_acknowledged_once_and_not_raised_again(mine: Shop) -> None:
    admin_id, user_id = await add_admin(mine), await mine.database.add_user()
    purchase_id = await mine.buy(user_id)
    second = await pay_without_page(mine, marks(purchase_id, user_id))
    await reconcile(mine)
    [listed] = (await ask(mine, admin_id, "GET", "reconciliation")).json()["flagged_payments"]
    assert (listed["payment_intent_id"], listed["reason"]) == (second, "second_payment")
    assert (listed["purchase_id"], listed["user_id"]) == (str(purchase_id), str(user_id))
    path = f"payment-flags/{second}/acknowledge"
    done = (await ask(mine, admin_id, "POST", path, json={"note": " refunded "})).json()
    assert (done["acknowledged_by"], done["note"], done["reason"]) == (str(admin_id), "refunded", "second_payment")
    # Who was first stays recorded.
    other_id = await add_admin(mine)
    assert (await ask(mine, other_id, "POST", path, json={})).json() == done
    again = event_about("payment_intent.succeeded", payment_intent(marks(purchase_id, user_id), id=second))
    assert (await deliver(mine.api, again)).json() == {"status": "flagged"}
    # Nor by an observation that says again that money is still here.
    charge_id = (await mine.stripe_get(f"/v1/payment_intents/{second}"))["latest_charge"]
    await mine.sandbox.control("POST", f"/sandbox/charges/{charge_id}/refund", {"amount": 100})
    [refunded] = (await mine.stripe_get("/v1/events", limit=1, type="charge.refunded"))["data"]
    assert (await deliver(mine.api, refunded)).json() == {"status": "flagged"}
    report = await reconcile(mine)
    assert (report.drift, report.flagged.payments) == (0, 0)
    assert (await ask(mine, admin_id, "GET", "reconciliation")).json()["flagged_payments"] == []
    assert await flagged_reason(mine, purchase_id) is None
    assert await mine.balance(user_id) == 100


async def test_of_two_flags_of_a_purchase_the_other_one_stays(mine: Shop) -> None:
    admin_id, user_id = await add_admin(mine), await mine.database.add_user()
    purchase_id, _ = await mine.begin(user_id)
    for amount, status in ((1, "flagged"), (500, "applied"), (500, "flagged")):
        body = payment_intent(marks(purchase_id, user_id), amount_received=amount, id=f"pi_{uuid4().hex}")
        assert (await deliver(mine.api, event_about("payment_intent.succeeded", body))).json() == {"status": status}
    async with mine.database.connect() as connection:
        rows = await connection.fetch("select payment_intent_id, reason from public.payment_flags")
    flags = {row["reason"]: row["payment_intent_id"] for row in rows}
    assert flags.keys() == {"amount_mismatch", "second_payment"}
    await ask(mine, admin_id, "POST", f"payment-flags/{flags['second_payment']}/acknowledge", json={})
    assert await flagged_reason(mine, purchase_id) == "amount_mismatch"


async def test_a_flag_closes_by_itself_when_the_money_is_given_back_and_opens_when_it_returns(mine: Shop) -> None:
    user_id = await mine.database.add_user()
    purchase_id = await mine.buy(user_id)
    second = await pay_without_page(mine, marks(purchase_id, user_id))
    await reconcile(mine)
    charge_id = (await mine.stripe_get(f"/v1/payment_intents/{second}"))["latest_charge"]
    refund = await mine.sandbox.control("POST", f"/sandbox/charges/{charge_id}/refund", {})
    # No event of it arrives either.
    report = await reconcile(mine)
    assert (report.drift, report.flagged.payments, await flagged_reason(mine, purchase_id)) == (0, 0, None)
    await mine.sandbox.control("POST", f"/sandbox/refunds/{refund['id']}/fail")
    report = await reconcile(mine)
    assert (report.flagged.payments, await flagged_reason(mine, purchase_id)) == (1, "second_payment")


async def test_a_flagged_purchase_is_closed_while_no_payment_of_it_is_left_to_decide_about(mine: Shop) -> None:
    """The person reads so and buys again; until then another payment would make matters worse."""
    admin_id, user_id = await add_admin(mine), await mine.database.add_user()
    purchase_id, _ = await mine.begin(user_id)
    wrong = [await pay_without_page(mine, marks(purchase_id, user_id, tier="tier_3")) for _ in range(2)]
    await reconcile(mine)

    async def status() -> str:
        answer = await ask(mine, admin_id, "GET", "reconciliation")
        told = (await mine.purchase(user_id, purchase_id))["status"]
        assert answer.json()["purchases_by_status"] == {told: 1}
        return told

    assert await status() == "flagged"
    charge_id = (await mine.stripe_get(f"/v1/payment_intents/{wrong[0]}"))["latest_charge"]
    refund = await mine.sandbox.control("POST", f"/sandbox/charges/{charge_id}/refund", {})
    await reconcile(mine)
    assert await status() == "flagged"
    await ask(mine, admin_id, "POST", f"payment-flags/{wrong[1]}/acknowledge", json={})
    assert await status() == "closed"
    assert refusal(await mine.checkout(user_id, purchase_id)) == (409, "purchase_closed")
    # The money is here again: somebody must decide anew.
    await mine.sandbox.control("POST", f"/sandbox/refunds/{refund['id']}/fail")
    await reconcile(mine)
    assert await status() == "flagged"
    await ask(mine, admin_id, "POST", f"payment-flags/{wrong[0]}/acknowledge", json={})
    assert await status() == "closed"
    report = await reconcile(mine)
    assert (report.drift, report.audit_faults, await mine.balance(user_id)) == (0, 0, 0)
    # What was sold can still be paid, and is then.
    right = event_about("payment_intent.succeeded", payment_intent(marks(purchase_id, user_id)))
    assert (await deliver(mine.api, right)).json() == {"status": "applied"}
    assert (await status(), await mine.balance(user_id)) == ("paid", 100)


async def test_only_operators_acknowledge_and_only_what_was_flagged(mine: Shop) -> None:
    admin_id, user_id = await add_admin(mine), await mine.database.add_user()
    path = "payment-flags/pi_1/acknowledge"
    assert refusal(await ask(mine, user_id, "POST", path, json={})) == (403, "forbidden")
    assert refusal(await ask(mine, user_id, "POST", "reconciliation")) == (403, "forbidden")
    assert refusal(await ask(mine, admin_id, "POST", path, json={})) == (404, "flag_not_found")
    assert refusal(await ask(mine, admin_id, "POST", path, json={"note": "x" * 1001})) == (422, "invalid_request")
    assert refusal(await ask(mine, admin_id, "POST", path, json={"note": "a\x00"})) == (422, "invalid_request")


async def test_what_deleted_accounts_have_paid_for_is_in_the_report(mine: Shop) -> None:
    admin_id, user_id = await add_admin(mine), await mine.database.add_user()
    purchase_id, url = await mine.begin(user_id)
    await mine.submit(url)
    await mine.database.delete_user(user_id)
    report = await reconcile(mine)
    assert (report.drift, report.audit_faults, report.undelivered.model_dump()) == (
        0,
        0,
        {"purchases": 1, "tokens": 100},
    )
    assert report.stripe == report.ours
    [listed] = (await ask(mine, admin_id, "GET", "reconciliation")).json()["flagged_payments"]
    assert (listed["purchase_id"], listed["reason"]) == (str(purchase_id), "account_deleted")
    assert (listed["status"], listed["tokens_undelivered"]) == ("paid", 100)
    await mine.refund(purchase_id)
    report = await reconcile(mine)
    assert (report.drift, report.audit_faults, report.undelivered.tokens) == (0, 0, 0)
    assert (await ask(mine, admin_id, "GET", "reconciliation")).json()["flagged_payments"] == []


async def test_an_operator_starts_a_reconciliation(mine: Shop) -> None:
    admin_id, user_id = await add_admin(mine), await mine.database.add_user()
    _, url = await mine.begin(user_id)
    await mine.submit(url)
    async with job_lease(mine.api.app.state.database, name=RECONCILIATION, seconds=60):
        assert refusal(await ask(mine, admin_id, "POST", "reconciliation")) == (409, "reconciliation_running")
    assert refusal(await ask(mine, admin_id, "POST", "reconciliation?days=0")) == (422, "invalid_request")
    started = await ask(mine, admin_id, "POST", "reconciliation?days=1")
    assert (started.status_code, started.json()) == (202, {"status": "started"})

    async with asyncio.timeout(60):
        answer: dict[str, Any] = {}
        while answer.get("is_running") is not False:
            await asyncio.sleep(0.02)
            answer = (await ask(mine, admin_id, "GET", "reconciliation")).json()
    assert answer["last_run"]["report"]["repairs_made"] == 1
    assert await mine.balance(user_id) == 100


async def test_a_started_reconciliation_ends_with_the_process_and_gives_its_lease_back(mine: Shop) -> None:
    admin_id = await add_admin(mine)
    _, url = await mine.begin(admin_id)
    await mine.submit(url)
    async with run_shop(mine.database, mine.sandbox) as other:
        await mine.sandbox.control("POST", "/sandbox/faults", {"kind": "timeout", "seconds": 20})
        assert (await ask(other, admin_id, "POST", "reconciliation")).status_code == 202
    async with mine.database.connect() as connection:
        assert await connection.fetchval("select count(*) from public.job_leases") == 0
    await mine.sandbox.control("DELETE", "/sandbox/faults")
    assert (await reconcile(mine)).drift == 0
