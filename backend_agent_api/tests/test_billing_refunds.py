"""Refunds and disputes: the books end where Stripe says, in whatever order it is told."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from agent_api_support.api import refusal
from agent_api_support.billing import STRIPE_AND_HTTPX, Shop, deliver, event_about, run_shop

from agent_api.billing.facts import dispute_state, refunded_minor
from agent_api.billing.objects import BalanceLine, Dispute, Refund

pytestmark = STRIPE_AND_HTTPX


async def spend(shop: Shop, user_id: UUID, count: int) -> None:
    async with shop.database.connect() as connection:
        for _ in range(count):
            await connection.execute("select public.deduct_token_if_sufficient($1)", user_id)


async def test_partial_refunds_take_back_what_they_paid_for(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    for amount, refunded, tokens in ((125, 125, 75), (1, 126, 75), (374, 500, 0)):
        await shop.refund(purchase_id, amount)
        assert set(await shop.deliver_news(purchase_id)) == {200}
        purchase = await shop.purchase(user_id, purchase_id)
        assert (purchase["status"], purchase["refunded_minor"], purchase["tokens_credited"]) == (
            "paid",
            refunded,
            tokens,
        )
        assert await shop.balance(user_id) == tokens
    assert await shop.ledger(user_id) == [("purchase", 100), ("refund", -25), ("refund", -75)]


async def test_a_refund_that_the_bank_sends_back_gives_the_tokens_back(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    refund_id = await shop.refund(purchase_id)
    await shop.deliver_news(purchase_id)
    assert await shop.balance(user_id) == 0
    await shop.sandbox.control("POST", f"/sandbox/refunds/{refund_id}/fail")
    await shop.deliver_news(purchase_id)
    assert await shop.balance(user_id) == 100
    assert (await shop.purchase(user_id, purchase_id))["refunded_minor"] == 0


async def test_two_refunds_in_one_moment_are_two(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    await asyncio.gather(shop.refund(purchase_id, 100), shop.refund(purchase_id, 100))
    answers = await asyncio.gather(*(deliver(shop.api, event) for event in await shop.events_of(purchase_id)))
    assert {answer.status_code for answer in answers} == {200}
    assert await shop.balance(user_id) == 60
    assert (await shop.purchase(user_id, purchase_id))["refunded_minor"] == 200


async def test_what_was_spent_is_not_taken_below_zero(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    await spend(shop, user_id, 30)
    await shop.refund(purchase_id)
    await shop.deliver_news(purchase_id)
    assert await shop.balance(user_id) == 0
    assert await shop.audit() == []
    # A later purchase is not eaten by it.
    await shop.buy(user_id)
    assert await shop.balance(user_id) == 100


@pytest.mark.parametrize(("verdict", "state", "tokens"), [("win", "won", 100), ("lose", "lost", 0)])
async def test_a_dispute_takes_the_tokens_until_it_is_won(shop: Shop, verdict: str, state: str, tokens: int) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    dispute_id = await shop.dispute(purchase_id)
    await shop.deliver_news(purchase_id)
    assert await shop.balance(user_id) == 0
    assert (await shop.purchase(user_id, purchase_id))["dispute"] == "open"
    await shop.sandbox.control("POST", f"/sandbox/disputes/{dispute_id}/{verdict}")
    await shop.deliver_news(purchase_id)
    assert await shop.balance(user_id) == tokens
    purchase = await shop.purchase(user_id, purchase_id)
    assert (purchase["dispute"], purchase["tokens_credited"]) == (state, tokens)
    assert await shop.audit() == []


async def test_an_appeal_gives_nothing_back_until_it_is_won(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    dispute_id = await shop.dispute(purchase_id)
    for act, state, tokens in (("lose", "lost", 0), ("appeal", "open", 0), ("win", "won", 100)):
        await shop.sandbox.control("POST", f"/sandbox/disputes/{dispute_id}/{act}")
        assert set(await shop.deliver_news(purchase_id)) == {200}
        assert await shop.balance(user_id) == tokens
        assert (await shop.purchase(user_id, purchase_id))["dispute"] == state
    assert await shop.ledger(user_id) == [("purchase", 100), ("dispute", -100), ("reversal", 100)]


async def test_a_prevented_dispute_takes_the_tokens_for_the_money(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    await shop.dispute(purchase_id, prevented=True)
    assert set(await shop.deliver_news(purchase_id)) == {200}
    assert await shop.balance(user_id) == 0
    assert (await shop.purchase(user_id, purchase_id))["dispute"] == "lost"


async def test_an_inquiry_takes_nothing(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    await shop.dispute(purchase_id, inquiry=True)
    assert set(await shop.deliver_news(purchase_id)) == {200}
    assert await shop.balance(user_id) == 100
    assert (await shop.purchase(user_id, purchase_id))["dispute"] == "none"


@pytest.mark.parametrize("order", [0, 1, 2])
async def test_the_last_word_is_stripes_in_any_order_of_events(shop: Shop, order: int) -> None:
    user_id = await shop.database.add_user()
    purchase_id, url = await shop.begin(user_id)
    await shop.submit(url)
    await shop.refund(purchase_id, 100)
    dispute_id = await shop.dispute(purchase_id)
    await shop.sandbox.control("POST", f"/sandbox/disputes/{dispute_id}/win")
    events = await shop.events_of(purchase_id)
    assert len(events) > 6
    arranged = {0: events, 1: events[::-1], 2: [*events[3:], *events[:3], *events]}[order]
    for event in arranged:
        assert (await deliver(shop.api, event)).status_code == 200
    assert await shop.balance(user_id) == 80
    purchase = await shop.purchase(user_id, purchase_id)
    assert (purchase["refunded_minor"], purchase["dispute"], purchase["tokens_credited"]) == (100, "won", 80)


async def test_a_refund_heard_of_before_its_payment_credits_only_the_rest(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id, url = await shop.begin(user_id)
    await shop.submit(url)
    await shop.refund(purchase_id, 250)
    assert await shop.deliver_news(purchase_id, types=["charge.refunded"]) == [200]
    assert await shop.ledger(user_id) == [("purchase", 50)]
    assert set(await shop.deliver_news(purchase_id)) == {200}
    assert await shop.ledger(user_id) == [("purchase", 50)]


async def test_an_older_observation_never_overwrites_a_newer_one(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    await shop.refund(purchase_id, 250)
    await shop.deliver_news(purchase_id)
    async with shop.database.connect() as connection:
        row = await connection.fetchrow("select * from public.purchases where id = $1", purchase_id)
        assert row is not None
        for minutes, refunded, expected in ((-1, 0, 250), (1, 300, 300), (0, 0, 300)):
            await connection.execute(
                "select public.record_payment($1, $2, 'tier_1', $3, 500, 'usd', false, now(), $4, 'none', $5)",
                *(purchase_id, user_id, row["payment_intent_id"], refunded),
                row["facts_observed_at"] + timedelta(minutes=minutes),
            )
            known = await connection.fetchval("select refunded_minor from public.purchases where id = $1", purchase_id)
            assert known == expected
    assert await shop.balance(user_id) == 40
    assert await shop.audit() == []


async def test_with_stripe_away_the_event_is_kept_as_failed_and_a_retry_makes_it_good(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    await shop.refund(purchase_id)
    [event] = [each for each in await shop.events_of(purchase_id) if each["type"] == "charge.refunded"]
    fault = {"kind": "server_error", "times": 1, "method": "GET", "path": "/v1/payment_intents"}
    async with run_shop(shop.database, shop.sandbox, stripe_retries_max=0) as mine:
        await shop.sandbox.control("POST", "/sandbox/faults", fault)
        assert refusal(await deliver(mine.api, event)) == (503, "event_not_applied")
        row = await shop.event_row(event["id"])
        assert (row["status"], row["error"]) == ("failed", "Stripe: APIError")
        assert await shop.balance(user_id) == 100
        assert (await deliver(mine.api, event)).json() == {"status": "applied"}
    assert await shop.balance(user_id) == 0


async def test_a_repeat_of_an_applied_refund_asks_stripe_nothing(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    await shop.refund(purchase_id)
    [event] = [each for each in await shop.events_of(purchase_id) if each["type"] == "charge.refunded"]
    assert (await deliver(shop.api, event)).status_code == 200
    async with run_shop(shop.database, shop.sandbox, stripe_api_base="http://127.0.0.1:9") as mine:
        assert (await deliver(mine.api, event)).json() == {"status": "applied"}
    assert (await shop.event_row(event["id"]))["attempts"] == 2


async def test_refunds_of_others_are_ignored(shop: Shop) -> None:
    charge: dict[str, Any] = {"id": "ch_1", "object": "charge", "payment_intent": "pi_of_somebody_else", "metadata": {}}
    answer = await deliver(shop.api, event_about("charge.refunded", charge))
    assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})
    without = event_about("charge.refunded", {**charge, "payment_intent": None})
    assert (await deliver(shop.api, without)).json() == {"status": "ignored"}


async def test_a_refund_for_a_deleted_account_is_settled(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    await shop.database.delete_user(user_id)
    await shop.refund(purchase_id)
    assert set(await shop.deliver_news(purchase_id)) == {200}
    assert await shop.audit() == []


async def test_a_dispute_that_a_deleted_account_wins_is_settled(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    dispute_id = await shop.dispute(purchase_id)
    await shop.deliver_news(purchase_id)
    await shop.database.delete_user(user_id)
    await shop.sandbox.control("POST", f"/sandbox/disputes/{dispute_id}/win")
    assert set(await shop.deliver_news(purchase_id)) == {200}
    assert await shop.audit() == []
    async with shop.database.connect() as connection:
        row = await connection.fetchrow(
            "select tokens_settled, tokens_undelivered, flagged_reason from public.purchases where id = $1", purchase_id
        )
        assert row is not None
        assert tuple(row) == (100, 100, "account_deleted")
    # Given back by the operator: nothing is left to decide.
    await shop.refund(purchase_id)
    assert set(await shop.deliver_news(purchase_id)) == {200}
    async with shop.database.connect() as connection:
        row = await connection.fetchrow(
            "select tokens_settled, tokens_undelivered, flagged_reason from public.purchases where id = $1", purchase_id
        )
        assert row is not None
        assert tuple(row) == (0, 0, None)
    assert await shop.audit() == []


def test_of_several_disputes_an_open_one_counts_before_a_lost_one_before_a_won_one() -> None:
    statuses = [
        "needs_response",
        "under_review",
        "lost",
        "won",
        "warning_needs_response",
        "warning_closed",
        "appeal_needs_response",
        "appeal_under_review",
        "prevented",
        "a_status_of_next_year",
    ]
    expected = {"lost": "lost", "won": "won"} | dict.fromkeys(
        ("warning_needs_response", "warning_closed", "prevented"), "none"
    )
    rank = ["none", "won", "lost", "open"]
    for pair in itertools.product(statuses, repeat=2):
        counted = max((expected.get(status, "open") for status in pair), key=rank.index)
        assert dispute_state(Dispute(status=status) for status in pair) == counted
    assert dispute_state([]) == "none"


@pytest.mark.parametrize(("amounts", "state"), [([], "none"), ([-500], "lost"), ([-500, 500], "none")])
def test_a_prevented_dispute_is_what_it_cost(amounts: list[int], state: str) -> None:
    lines = [BalanceLine(amount=amount) for amount in amounts]
    assert dispute_state([Dispute(status="prevented", balance_transactions=lines)]) == state


def test_refunds_that_gave_no_money_do_not_count() -> None:
    statuses = ["succeeded", "pending", "requires_action", "failed", "canceled"]
    assert refunded_minor(Refund(amount=10**n, status=status) for n, status in enumerate(statuses)) == 111
