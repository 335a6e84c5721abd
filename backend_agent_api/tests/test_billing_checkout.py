"""Checkout over real HTTP, through the real library, against a sandbox that behaves as Stripe."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from agent_api_support.api import Api, make_settings, refusal, run_api
from agent_api_support.billing import SITE, STRIPE_AND_HTTPX, Shop, billing_settings, marks, run_sandbox, run_shop

from local_stack.postgres.testing import Database
from local_stack.stripe_sandbox.tests.running import SECRET_KEY, RunningSandbox

pytestmark = STRIPE_AND_HTTPX


async def customers_of(shop: Shop, user_id: UUID) -> list[dict[str, Any]]:
    listed = await shop.stripe_get("/v1/customers", limit=100)
    return [each for each in listed["data"] if each["metadata"].get("user_id") == str(user_id)]


async def purchase_row(database: Database, purchase_id: UUID) -> dict[str, Any] | None:
    async with database.connect() as connection:
        row = await connection.fetchrow("select * from public.purchases where id = $1", purchase_id)
    return None if row is None else dict(row)


async def test_packages_come_from_the_one_price_table(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    response = await shop.api.client.get("/api/token-packages", headers=shop.api.headers(user_id))
    assert response.json() == {
        "items": [
            {"tier": tier, "tokens": tokens, "price_minor": price, "currency": "usd", **rest}
            for tier, tokens, price, rest in (
                ("tier_1", 100, 500, {"price_per_token_minor": 5.0, "is_best_value": False}),
                ("tier_2", 250, 1000, {"price_per_token_minor": 4.0, "is_best_value": False}),
                ("tier_3", 600, 2000, {"price_per_token_minor": 3.33, "is_best_value": True}),
            )
        ]
    }


async def test_a_checkout_opens_a_page_that_charges_the_servers_price_and_names_the_purchase(shop: Shop) -> None:
    user_id = await shop.database.add_user(email="person@example.com")
    purchase_id, url = await shop.begin(user_id, "tier_2")
    [session] = await shop.sessions_of(purchase_id)
    assert session["url"] == url
    assert (session["mode"], session["amount_total"], session["currency"]) == ("payment", 1000, "usd")
    assert session["success_url"] == f"{SITE}/payment-success?purchase_id={purchase_id}"
    assert session["cancel_url"] == f"{SITE}/payment-failure?purchase_id={purchase_id}"
    assert session["metadata"] == marks(purchase_id, user_id, "tier_2")
    assert session["allow_promotion_codes"] is False
    assert session["adaptive_pricing"] == {"enabled": False}
    assert session["automatic_tax"]["enabled"] is False
    [customer] = await customers_of(shop, user_id)
    assert (customer["id"], customer["email"]) == (session["customer"], "person@example.com")
    # The payment carries the marks too: it does not inherit them.
    assert (await shop.submit(url)).headers["location"] == session["success_url"]
    [session] = await shop.sessions_of(purchase_id)
    intent = await shop.stripe_get(f"/v1/payment_intents/{session['payment_intent']}")
    assert intent["metadata"] == marks(purchase_id, user_id, "tier_2")


async def test_a_price_from_the_browser_is_ignored(shop: Shop) -> None:
    user_id, purchase_id = await shop.database.add_user(), uuid4()
    extra = {"amount": 1, "price_minor": 1, "currency": "jpy", "tokens": 10_000}
    assert (await shop.checkout(user_id, purchase_id, "tier_1", **extra)).status_code == 200
    [session] = await shop.sessions_of(purchase_id)
    assert (session["amount_total"], session["currency"]) == (500, "usd")


@pytest.mark.parametrize("tier", ["tier_4", "", "TIER_1", None, 1])
async def test_an_unknown_tier_is_refused(shop: Shop, tier: object) -> None:
    user_id = await shop.database.add_user()
    body = {"tier": tier, "purchase_id": str(uuid4())}
    response = await shop.api.client.post("/api/checkout", json=body, headers=shop.api.headers(user_id))
    assert refusal(response) == (422, "invalid_request")
    assert response.json()["error"]["field"] == "tier"


async def test_twenty_clicks_on_two_replicas_open_one_page_for_one_customer(shop: Shop) -> None:
    user_id, purchase_id = await shop.database.add_user(), uuid4()
    async with run_shop(shop.database, shop.sandbox) as other:
        answers = await asyncio.gather(
            *(each.checkout(user_id, purchase_id) for each in (shop, other) for _ in range(10))
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["url"] for answer in answers}) == 1
    assert len(await shop.sessions_of(purchase_id)) == 1
    assert len(await customers_of(shop, user_id)) == 1


async def test_many_purchases_at_once_make_one_customer(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    async with run_shop(shop.database, shop.sandbox) as other:
        answers = await asyncio.gather(*(each.begin(user_id) for each in (shop, other) for _ in range(5)))
    assert len({url for _, url in answers}) == 10
    assert len(await customers_of(shop, user_id)) == 1


async def test_a_customer_deleted_in_stripe_is_made_again(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    await shop.begin(user_id)
    [customer] = await customers_of(shop, user_id)
    authorization = {"Authorization": f"Bearer {SECRET_KEY}"}
    await shop.sandbox.http.delete(f"/v1/customers/{customer['id']}", headers=authorization)
    purchase_id, url = await shop.begin(user_id)
    [session] = await shop.sessions_of(purchase_id)
    assert session["customer"] != customer["id"]
    # And is then kept.
    again, _ = await shop.begin(user_id)
    [another] = await shop.sessions_of(again)
    assert another["customer"] == session["customer"]
    assert (await shop.checkout(user_id, purchase_id)).json()["url"] == url


async def test_another_persons_purchase_id_is_not_found(shop: Shop) -> None:
    user, stranger = await shop.database.add_user(), await shop.database.add_user()
    purchase_id, _ = await shop.begin(user)
    assert refusal(await shop.checkout(stranger, purchase_id)) == (404, "purchase_not_found")
    response = await shop.api.client.get(f"/api/purchases/{purchase_id}", headers=shop.api.headers(stranger))
    assert refusal(response) == (404, "purchase_not_found")
    assert len(await shop.sessions_of(purchase_id)) == 1


async def test_the_same_purchase_id_for_another_pack_is_refused(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id, _ = await shop.begin(user_id, "tier_1")
    assert refusal(await shop.checkout(user_id, purchase_id, "tier_2")) == (409, "purchase_conflict")


async def test_a_finished_purchase_id_is_refused(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    assert refusal(await shop.checkout(user_id, purchase_id)) == (409, "purchase_closed")
    assert await shop.balance(user_id) == 100


async def test_an_expired_purchase_id_is_refused(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id, _ = await shop.begin(user_id)
    [session] = await shop.sessions_of(purchase_id)
    await shop.sandbox.control("POST", f"/sandbox/checkout_sessions/{session['id']}/elapse")
    assert await shop.deliver_news(purchase_id) == [200]
    assert (await shop.purchase(user_id, purchase_id))["status"] == "expired"
    assert refusal(await shop.checkout(user_id, purchase_id)) == (409, "purchase_closed")


async def test_a_page_whose_time_is_over_is_refused_before_anybody_said_so(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id, _ = await shop.begin(user_id)
    async with shop.database.connect() as connection:
        await connection.execute(
            "update public.purchases set checkout_expires_at = clock_timestamp() where id = $1", purchase_id
        )
    assert refusal(await shop.checkout(user_id, purchase_id)) == (409, "purchase_closed")


async def test_with_stripe_away_nothing_is_half_made_and_a_retry_works(shop: Shop, tmp_path: Path) -> None:
    user_id, purchase_id = await shop.database.add_user(), uuid4()
    async with run_sandbox(tmp_path) as sandbox:
        await sandbox.kill()
        async with run_shop(shop.database, sandbox, stripe_retries_max=0) as mine:
            refused = await mine.checkout(user_id, purchase_id)
            assert refusal(refused) == (502, "stripe_unavailable")
            assert "Nothing was charged" in refused.json()["error"]["message"]
            row = await purchase_row(shop.database, purchase_id)
            assert row is not None
            assert (row["status"], row["checkout_session_id"], row["checkout_url"]) == ("created", None, None)
            await sandbox.start()
            assert (await mine.checkout(user_id, purchase_id)).status_code == 200
            assert len(await mine.sessions_of(purchase_id)) == 1


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/checkout/sessions"])
async def test_an_answer_that_got_lost_does_not_make_a_second_one(shop: Shop, path: str) -> None:
    user_id, purchase_id = await shop.database.add_user(), uuid4()
    fault = {"kind": "disconnect", "times": 1, "method": "POST", "path": path, "applied": True}
    async with run_shop(shop.database, shop.sandbox, stripe_retries_max=0) as mine:
        await shop.sandbox.control("POST", "/sandbox/faults", fault)
        assert refusal(await mine.checkout(user_id, purchase_id)) == (502, "stripe_unavailable")
        assert (await mine.checkout(user_id, purchase_id)).status_code == 200
    assert len(await shop.sessions_of(purchase_id)) == 1
    assert len(await customers_of(shop, user_id)) == 1


async def test_short_failures_of_stripe_are_not_noticed(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    for kind in ("server_error", "disconnect"):
        fault = {"kind": kind, "times": 1, "method": "POST", "path": "/v1/checkout/sessions"}
        await shop.sandbox.control("POST", "/sandbox/faults", fault)
        await shop.begin(user_id)


@pytest.mark.parametrize("kind", ["server_error", "refused"])
async def test_a_failure_that_stripe_would_repeat_for_ever_is_left_behind(shop: Shop, kind: str) -> None:
    """Stripe answers a key that met a failure or a refusal with that again; a retry must not get stuck on it."""
    user_id, purchase_id = await shop.database.add_user(), uuid4()
    async with run_shop(shop.database, shop.sandbox, stripe_retries_max=0) as mine:
        for path in ("/v1/customers", "/v1/checkout/sessions"):
            fault = {"kind": kind, "times": 1, "method": "POST", "path": path}
            await shop.sandbox.control("POST", "/sandbox/faults", fault)
            assert refusal(await mine.checkout(user_id, purchase_id)) == (502, "stripe_unavailable")
        row = await purchase_row(shop.database, purchase_id)
        assert row is not None
        assert row["checkout_attempt"] == 2
        assert (await mine.checkout(user_id, purchase_id)).status_code == 200
    assert len(await shop.sessions_of(purchase_id)) == 1


async def test_a_slow_stripe_is_given_up_within_the_deadline(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    fault = {"kind": "timeout", "times": 1, "method": "POST", "path": "/v1/customers", "seconds": 30}
    async with run_shop(shop.database, shop.sandbox, stripe_deadline_seconds=0.5) as mine:
        await shop.sandbox.control("POST", "/sandbox/faults", fault)
        async with asyncio.timeout(25):
            assert refusal(await mine.checkout(user_id, uuid4())) == (502, "stripe_unavailable")


async def test_impatient_clicks_do_not_queue_up_behind_a_slow_stripe(shop: Shop) -> None:
    user_id, purchase_id = await shop.database.add_user(), uuid4()
    fault = {"kind": "timeout", "times": 10, "method": "POST", "path": "/v1/customers", "seconds": 30}
    async with run_shop(shop.database, shop.sandbox, stripe_deadline_seconds=2, stripe_retries_max=0) as mine:
        await shop.sandbox.control("POST", "/sandbox/faults", fault)
        answers = await asyncio.gather(*(mine.checkout(user_id, purchase_id) for _ in range(10)))
        left = (await shop.sandbox.control("GET", "/sandbox/faults"))["faults"]
        await shop.sandbox.control("DELETE", "/sandbox/faults")
    assert {refusal(answer) for answer in answers} == {(502, "stripe_unavailable")}
    # One after the other, each would have asked; a second one does where it came while the first was about to give up.
    assert sum(each["times"] for each in left) >= 5
    # Through a process with more patience than that.
    assert (await shop.checkout(user_id, purchase_id)).status_code == 200


async def test_a_wrong_key_is_a_fault_of_ours_and_reads_the_same(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    async with run_shop(shop.database, shop.sandbox, stripe_secret_key="sk_test_wrong") as mine:
        response = await mine.checkout(user_id, uuid4())
    assert refusal(response) == (502, "stripe_unavailable")
    assert "key" not in json.dumps(response.json()).lower()


async def test_new_purchases_are_limited_and_known_ones_are_not(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    async with run_shop(shop.database, shop.sandbox, purchases_per_window_max=2) as mine:
        purchase_id, _ = await mine.begin(user_id)
        await mine.begin(user_id)
        refused = await mine.checkout(user_id, uuid4())
        assert refusal(refused) == (429, "rate_limited")
        assert 0 < int(refused.headers["retry-after"]) <= 3600
        assert (await mine.checkout(user_id, purchase_id)).status_code == 200


async def test_without_keys_nothing_is_sold_and_the_rest_works(shared_database: Database) -> None:
    user_id = await shared_database.add_user(tokens=3)
    for missing in ({}, {"stripe_secret_key": SECRET_KEY}, {"stripe_webhook_secret": "whsec_x"}):
        async with run_api(make_settings(shared_database.dsn(), **missing)) as api:
            await expect_nothing_is_sold(api, user_id)


async def expect_nothing_is_sold(api: Api, user_id: UUID) -> None:
    headers, client = api.headers(user_id), api.client
    body = {"tier": "tier_1", "purchase_id": str(uuid4())}
    refused: list[httpx.Response] = [
        await client.get("/api/token-packages", headers=headers),
        await client.post("/api/checkout", json=body, headers=headers),
        await client.post("/api/webhook/stripe", content=b"{}"),
    ]
    for response in refused:
        assert refusal(response) == (503, "billing_unavailable")
    assert (await client.get("/api/balance", headers=headers)).json() == {"tokens": 3}
    assert (await client.get("/api/purchases", headers=headers)).json() == {"items": [], "next_cursor": None}
    assert (await client.get("/api/usage", headers=headers)).status_code == 200


async def test_the_stand_in_never_gets_a_live_key(shared_database: Database) -> None:
    with pytest.raises(Exception, match="STRIPE_API_BASE"):
        billing_settings(shared_database.dsn(), stripe_secret_key="sk_live_x")


async def test_a_deleted_account_buys_nothing(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    await shop.database.delete_user(user_id)
    assert refusal(await shop.checkout(user_id, uuid4())) == (401, "account_not_found")


async def test_what_was_begun_under_a_test_key_is_not_continued_under_a_live_one(
    shop: Shop, stripe_sandbox: RunningSandbox
) -> None:
    user_id = await shop.database.add_user()
    purchase_id, _ = await shop.begin(user_id)
    async with shop.database.connect() as connection:
        await connection.execute("update public.purchases set livemode = true where id = $1", purchase_id)
    # Which is what a page renews upon: there is nothing of it to wait for.
    assert refusal(await shop.checkout(user_id, purchase_id)) == (409, "purchase_conflict")
