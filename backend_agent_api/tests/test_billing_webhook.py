"""The webhook over real HTTP: what is believed, what is kept, what is credited."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from agent_api_support.api import refusal
from agent_api_support.billing import (
    DECLINED_CARD,
    GOOD_CARD,
    NO_FUNDS_CARD,
    STRIPE_AND_HTTPX,
    Shop,
    deliver,
    event_about,
    marks,
    payment_intent,
    run_sandbox,
    run_shop,
    signed,
)

from agent_api.billing.webhook import read_event
from local_stack.postgres.testing import Database

pytestmark = STRIPE_AND_HTTPX
PATH = "/api/webhook/stripe"


async def paid_event(shop: Shop, **metadata: str) -> tuple[UUID, UUID, dict[str, Any]]:
    """A person, their open purchase, and the event of its payment, made by hand."""
    user_id = await shop.database.add_user()
    purchase_id, _ = await shop.begin(user_id)
    body = payment_intent(marks(purchase_id, user_id, **metadata))
    return user_id, purchase_id, event_about("payment_intent.succeeded", body)


async def flag_of(shop: Shop, payment_intent_id: str) -> tuple[str, UUID | None, bool] | None:
    """Reason, purchase and whether it is open."""
    async with shop.database.connect() as connection:
        row = await connection.fetchrow(
            "select reason, purchase_id, closed_at is null from public.payment_flags where payment_intent_id = $1",
            payment_intent_id,
        )
    return None if row is None else tuple(row)


async def test_a_payment_is_credited_once_with_its_event_kept(shop: Shop) -> None:
    user_id = await shop.database.add_user(tokens=3)
    purchase_id, url = await shop.begin(user_id)
    assert (await shop.purchase(user_id, purchase_id))["status"] == "open"
    await shop.submit(url)
    # Paid at Stripe, not yet told: nothing is claimed before it is there.
    before = await shop.purchase(user_id, purchase_id)
    assert (before["status"], before["tokens_credited"], before["paid_at"]) == ("open", 0, None)
    assert await shop.balance(user_id) == 3
    events = [event for event in await shop.events_of(purchase_id) if event["type"] == "payment_intent.succeeded"]
    assert len(events) == 1
    for _ in range(3):
        answer = await deliver(shop.api, events[0])
        assert (answer.status_code, answer.json()) == (200, {"status": "applied"})
    after = await shop.purchase(user_id, purchase_id)
    assert (after["status"], after["tokens_credited"], after["checkout_url"]) == ("paid", 100, None)
    assert after["paid_at"] is not None
    assert await shop.balance(user_id) == 103
    assert await shop.ledger(user_id) == [("adjustment", 3), ("purchase", 100)]
    row = await shop.event_row(events[0]["id"])
    assert (row["status"], row["attempts"], row["error"]) == ("applied", 3, None)
    assert json.loads(row["payload"]) == events[0]


async def test_only_one_kind_of_event_credits(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id, url = await shop.begin(user_id)
    await shop.submit(url)
    others = {event["type"] for event in await shop.events_of(purchase_id)} - {"payment_intent.succeeded"}
    assert {"charge.succeeded", "checkout.session.completed"} <= others
    assert set(await shop.deliver_news(purchase_id, types=sorted(others))) == {200}
    assert await shop.balance(user_id) == 0
    assert await shop.deliver_news(purchase_id) == [200]
    assert await shop.balance(user_id) == 100


async def test_the_live_balance_tells_of_a_payment(shop: Shop) -> None:
    user_id, _, event = await paid_event(shop)
    headers = shop.api.headers(user_id)
    async with shop.api.client.stream("GET", "/api/balance/stream", headers=headers) as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == 'data: {"tokens": 0}'
        await deliver(shop.api, event)
        async with asyncio.timeout(60):
            while not (line := await anext(lines)).startswith("data"):
                pass
        assert line == 'data: {"tokens": 100}'


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "invalid_signature"),
        ({"Stripe-Signature": ""}, "invalid_signature"),
        ({"Stripe-Signature": "t=,v1="}, "invalid_signature"),
        ({"Stripe-Signature": "t=99999999999999999999,v1=00"}, "invalid_signature"),
        ({"Stripe-Signature": f"t={int(time.time())},v1={'0' * 64}"}, "invalid_signature"),
        ({"Stripe-Signature": f"t={int(time.time())},v0={'0' * 64}"}, "invalid_signature"),
        ({"Stripe-Signature": b"t=1,v1=\xe4"}, "invalid_signature"),
    ],
)
async def test_what_is_not_signed_is_refused_and_not_kept(shop: Shop, headers: dict[str, Any], code: str) -> None:
    user_id, _, event = await paid_event(shop)
    answer = await shop.api.client.post(PATH, content=json.dumps(event), headers=headers)
    assert refusal(answer) == (400, code)
    assert await shop.balance(user_id) == 0
    async with shop.database.connect() as connection:
        kept = await connection.fetchval("select count(*) from public.stripe_events where id = $1", event["id"])
    assert kept == 0


async def test_a_signature_of_another_body_secret_or_time_is_refused(shop: Shop) -> None:
    user_id, _, event = await paid_event(shop)
    body = json.dumps(event)
    richer = body.replace('"amount_received": 500', '"amount_received": 501')
    assert richer != body
    attempts: list[tuple[str, dict[str, str]]] = [
        (richer, signed(body)),
        (body + " ", signed(body)),
        (body, signed(body, secret="whsec_other")),
        (body, signed(body, timestamp=int(time.time()) - 301)),
        (body, {"Stripe-Signature": "t=1,v1=" + "0" * 5_000}),
    ]
    for content, headers in attempts:
        answer = await shop.api.client.post(PATH, content=content, headers=headers)
        assert refusal(answer) == (400, "invalid_signature")
    assert await shop.balance(user_id) == 0
    almost_too_old = await deliver(shop.api, event, timestamp=int(time.time()) - 240)
    assert almost_too_old.status_code == 200


async def test_while_a_secret_is_replaced_both_hold(shop: Shop) -> None:
    async with run_shop(shop.database, shop.sandbox, stripe_webhook_secret="whsec_new, whsec_old") as mine:
        for secret, status in (("whsec_new", 200), ("whsec_old", 200), ("whsec_older", 400)):
            _, _, event = await paid_event(mine)
            assert (await deliver(mine.api, event, secret=secret)).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"id": "evt_1"}',
        b'{"id": NaN}',
        b"[" * 5000,
        json.dumps(event_about("t", {}, created=-1)).encode(),
        json.dumps(event_about("t", {}, livemode="no")).encode(),
        json.dumps(event_about("t", {}, id="")).encode(),
        json.dumps(
            {"object": "v2.core.event", "id": "evt_2", "type": "v1.billing.meter.error_report_triggered"}
        ).encode(),
    ],
)
async def test_what_is_signed_and_no_event_is_refused(shop: Shop, body: bytes) -> None:
    answer = await shop.api.client.post(PATH, content=body, headers=signed(body.decode()))
    assert refusal(answer) == (400, "invalid_event")


async def test_bytes_that_are_no_text_are_refused(shop: Shop) -> None:
    answer = await shop.api.client.post(PATH, content=b"\xff\xfe", headers={"Stripe-Signature": "t=1,v1=00"})
    assert refusal(answer) == (400, "invalid_signature")


async def test_a_body_over_the_limit_is_refused_declared_or_not(shop: Shop) -> None:
    body = json.dumps(event_about("customer.created", {"id": "cus_1", "padding": "x" * 300_000}))
    assert refusal(await shop.api.client.post(PATH, content=body, headers=signed(body))) == (413, "message_too_large")

    async def pieces() -> AsyncGenerator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000].encode()

    answer = await shop.api.client.post(PATH, content=pieces(), headers=signed(body))
    assert refusal(answer) == (413, "message_too_large")


@pytest.mark.parametrize(
    "metadata",
    [{"app": "another"}, {"env": "production"}, {"kind": "subscription"}],
)
async def test_a_payment_of_another_app_or_environment_is_ignored_and_counted(
    shop: Shop, metadata: dict[str, str]
) -> None:
    user_id, purchase_id, event = await paid_event(shop)
    event["data"]["object"]["metadata"] |= metadata
    answer = await deliver(shop.api, event)
    assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})
    assert await shop.balance(user_id) == 0
    assert (await shop.purchase(user_id, purchase_id))["status"] == "open"
    assert (await shop.event_row(event["id"]))["status"] == "ignored"


@pytest.mark.parametrize("metadata", [{}, None, "text", {"app": None}, {"app": {"nested": 1}}])
async def test_payments_without_our_metadata_are_ignored(shop: Shop, metadata: Any) -> None:
    answer = await deliver(shop.api, event_about("payment_intent.succeeded", payment_intent(metadata)))
    assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})


async def test_events_of_other_kinds_and_of_connected_accounts_are_ignored(shop: Shop) -> None:
    user_id, _, event = await paid_event(shop)
    for other in ({**event, "type": "invoice.paid"}, {**event, "id": f"evt_{uuid4().hex}", "account": "acct_1"}):
        assert (await deliver(shop.api, other)).json() == {"status": "ignored"}
    assert await shop.balance(user_id) == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount_received": 499}, "amount_mismatch"),
        ({"amount_received": 50_000}, "amount_mismatch"),
        ({"amount_received": 2**40}, "amount_mismatch"),
        ({"amount_received": 0}, "amount_mismatch"),
        ({"currency": "jpy"}, "currency_mismatch"),
        ({"livemode": True}, "livemode_mismatch"),
        ({"tier": "tier_3"}, "tier_mismatch"),
        ({"user_id": str(uuid4())}, "user_mismatch"),
        ({"user_id": "nobody"}, "user_mismatch"),
        ({"purchase_id": str(uuid4())}, "unknown_purchase"),
        ({"purchase_id": "nothing"}, "unknown_purchase"),
    ],
)
async def test_a_payment_that_does_not_match_is_flagged_and_credits_nothing(
    shop: Shop, changes: dict[str, Any], reason: str
) -> None:
    user_id, purchase_id, event = await paid_event(shop)
    body = event["data"]["object"]
    for name, value in changes.items():
        (body if name in body else body["metadata"])[name] = value
    for _ in range(2):
        answer = await deliver(shop.api, event)
        assert (answer.status_code, answer.json()) == (200, {"status": "flagged"})
    assert await shop.balance(user_id) == 0
    assert await shop.ledger(user_id) == []
    row = await shop.event_row(event["id"])
    assert (row["status"], row["error"]) == ("flagged", reason)
    # Metadata that contradict themselves have no tie to the purchase they name: it is nobody's to flag.
    has_tie = reason not in ("unknown_purchase", "user_mismatch")
    assert (await shop.purchase(user_id, purchase_id))["status"] == ("flagged" if has_tie else "open")
    assert await flag_of(shop, body["id"]) == (reason, purchase_id if has_tie else None, True)


async def test_a_mismatch_is_logged_as_an_error(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    _, _, event = await paid_event(shop)
    event["data"]["object"]["amount_received"] = 1
    await deliver(shop.api, event)
    lines: list[Any] = [record.msg for record in caplog.records if event["id"] in str(record.msg)]
    assert [(line["level"], line["event"], line["error"]) for line in lines] == [
        ("error", "stripe_event_flagged", "amount_mismatch")
    ]


async def test_what_a_mismatch_flagged_a_right_payment_still_pays(shop: Shop) -> None:
    user_id, purchase_id, event = await paid_event(shop)
    wrong = event_about("payment_intent.succeeded", payment_intent(marks(purchase_id, user_id), amount_received=1))
    assert (await deliver(shop.api, wrong)).json() == {"status": "flagged"}
    assert (await deliver(shop.api, event)).json() == {"status": "applied"}
    assert await shop.balance(user_id) == 100
    # And a further wrong one takes nothing away.
    wrong = event_about("payment_intent.succeeded", payment_intent(marks(purchase_id, user_id), amount_received=1))
    assert (await deliver(shop.api, wrong)).json() == {"status": "flagged"}
    assert await shop.balance(user_id) == 100


async def test_a_second_payment_of_a_purchase_is_flagged_and_the_first_stands(shop: Shop) -> None:
    user_id, purchase_id, event = await paid_event(shop)
    await deliver(shop.api, event)
    second = event_about("payment_intent.succeeded", payment_intent(marks(purchase_id, user_id)))
    assert (await deliver(shop.api, second)).json() == {"status": "flagged"}
    assert (await shop.event_row(second["id"]))["error"] == "second_payment"
    purchase = await shop.purchase(user_id, purchase_id)
    assert (purchase["status"], purchase["tokens_credited"]) == ("paid", 100)
    assert await shop.balance(user_id) == 100


async def test_a_payment_of_the_other_mode_for_a_paid_purchase_is_flagged_as_that(shop: Shop) -> None:
    user_id, purchase_id, event = await paid_event(shop)
    await deliver(shop.api, event)
    body = payment_intent(marks(purchase_id, user_id), livemode=True)
    other = event_about("payment_intent.succeeded", body, livemode=True)
    assert (await deliver(shop.api, other)).json() == {"status": "flagged"}
    assert await flag_of(shop, body["id"]) == ("livemode_mismatch", purchase_id, True)
    assert (await shop.purchase(user_id, purchase_id))["status"] == "paid"
    assert await shop.ledger(user_id) == [("purchase", 100)]


async def test_one_payment_pays_one_purchase_whatever_its_metadata_says_later(shop: Shop) -> None:
    user_id, _, event = await paid_event(shop)
    await deliver(shop.api, event)
    other_id, _ = await shop.begin(user_id)
    stranger_id = await shop.database.add_user()
    strangers_id, _ = await shop.begin(stranger_id)
    for metadata in (marks(other_id, user_id), marks(strangers_id, user_id), marks(strangers_id, stranger_id)):
        again = event_about("payment_intent.succeeded", {**event["data"]["object"], "metadata": metadata})
        assert (await deliver(shop.api, again)).json() == {"status": "applied"}
    assert await shop.ledger(user_id) == [("purchase", 100)]
    assert await shop.ledger(stranger_id) == []
    # The purchases that it names now have no tie to it.
    assert (await shop.purchase(user_id, other_id))["status"] == "open"
    assert (await shop.purchase(stranger_id, strangers_id))["status"] == "open"
    assert await flag_of(shop, event["data"]["object"]["id"]) is None


async def test_a_stranger_cannot_flag_a_purchase_that_is_paid(shop: Shop) -> None:
    user_id, purchase_id, event = await paid_event(shop)
    await deliver(shop.api, event)
    body = payment_intent(marks(purchase_id, await shop.database.add_user()))
    other = event_about("payment_intent.succeeded", body)
    assert (await deliver(shop.api, other)).json() == {"status": "flagged"}
    assert (await shop.event_row(other["id"]))["error"] == "user_mismatch"
    assert await flag_of(shop, body["id"]) == ("user_mismatch", None, True)
    async with shop.database.connect() as connection:
        flagged = await connection.fetchval("select flagged_reason from public.purchases where id = $1", purchase_id)
    assert flagged is None
    assert await shop.balance(user_id) == 100


async def test_a_payment_for_a_deleted_account_is_kept_and_flagged(shop: Shop) -> None:
    user_id, purchase_id, event = await paid_event(shop)
    await shop.database.delete_user(user_id)
    assert (await deliver(shop.api, event)).json() == {"status": "flagged"}
    assert (await shop.event_row(event["id"]))["error"] == "account_deleted"
    assert await flag_of(shop, event["data"]["object"]["id"]) == ("account_deleted", purchase_id, True)
    async with shop.database.connect() as connection:
        row = await connection.fetchrow(
            "select status, paid_minor, tokens_settled, tokens_undelivered from public.purchases where id = $1",
            purchase_id,
        )
    assert row is not None
    assert tuple(row) == ("paid", 500, 100, 100)
    assert await shop.ledger(user_id) == []
    assert await shop.audit() == []


async def test_an_event_of_ours_in_an_unknown_shape_is_flagged(shop: Shop) -> None:
    user_id, _, event = await paid_event(shop)
    event["data"]["object"]["amount_received"] = "five dollars"
    assert (await deliver(shop.api, event)).json() == {"status": "flagged"}
    assert (await shop.event_row(event["id"]))["error"] == "unexpected_shape"
    assert await shop.balance(user_id) == 0


async def test_money_that_comes_after_the_page_expired_still_counts(shop: Shop) -> None:
    user_id, purchase_id, event = await paid_event(shop)
    [session] = await shop.sessions_of(purchase_id)
    assert (await deliver(shop.api, event_about("checkout.session.expired", session))).json() == {"status": "applied"}
    assert (await shop.purchase(user_id, purchase_id))["status"] == "expired"
    assert (await deliver(shop.api, event)).json() == {"status": "applied"}
    assert (await shop.purchase(user_id, purchase_id))["status"] == "paid"
    assert await shop.balance(user_id) == 100
    # The expiry told again does not undo it.
    await deliver(shop.api, event_about("checkout.session.expired", session))
    assert (await shop.purchase(user_id, purchase_id))["status"] == "paid"


async def test_another_page_that_expires_does_not_close_the_purchase(shop: Shop) -> None:
    user_id, purchase_id, _ = await paid_event(shop)
    [session] = await shop.sessions_of(purchase_id)
    await deliver(shop.api, event_about("checkout.session.expired", {**session, "id": "cs_test_other"}))
    assert (await shop.purchase(user_id, purchase_id))["status"] == "open"


async def test_a_decline_is_remembered_for_the_page_that_explains_it(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id, url = await shop.begin(user_id)
    for card, code in ((DECLINED_CARD, "generic_decline"), (NO_FUNDS_CARD, "insufficient_funds")):
        assert (await shop.submit(url, card)).status_code == 402
        # Stripe's times are whole seconds, as are those of two quick attempts here.
        async with shop.database.connect() as connection:
            await connection.execute(
                "update public.purchases set failed_at = failed_at - interval '1 minute' where id = $1", purchase_id
            )
        assert set(await shop.deliver_news(purchase_id)) == {200}
        purchase = await shop.purchase(user_id, purchase_id)
        assert (purchase["status"], purchase["failure_code"], purchase["checkout_url"]) == ("open", code, url)
    assert await shop.balance(user_id) == 0
    assert (await shop.submit(url, GOOD_CARD)).status_code == 303
    await shop.deliver_news(purchase_id)
    assert (await shop.purchase(user_id, purchase_id))["status"] == "paid"
    assert await shop.balance(user_id) == 100


async def test_a_delayed_payment_that_fails_closes_the_purchase(shop: Shop) -> None:
    user_id, purchase_id, _ = await paid_event(shop)
    [session] = await shop.sessions_of(purchase_id)
    await deliver(shop.api, event_about("checkout.session.async_payment_failed", session))
    assert (await shop.purchase(user_id, purchase_id))["status"] == "failed"
    assert refusal(await shop.checkout(user_id, purchase_id)) == (409, "purchase_closed")


async def test_what_postgres_cannot_store_does_not_keep_a_payment_from_counting(shop: Shop) -> None:
    user_id, _, event = await paid_event(shop)
    event["data"]["object"]["description"] = "A\x00da \ud800 \\u0000"
    assert (await deliver(shop.api, event)).json() == {"status": "applied"}
    assert await shop.balance(user_id) == 100


def test_only_what_needs_it_is_cleaned() -> None:
    body = json.dumps(event_about("t", {"name": "Sample \\ \x00"}))
    header = signed(body)["Stripe-Signature"]
    _, payload = read_event(body.encode(), header, secrets=["whsec_of_these_tests"], tolerance_seconds=300)
    assert payload["data"]["object"] == {"name": "Sample \\ "}


@asynccontextmanager
async def database_away(database: Database) -> AsyncGenerator[None]:
    """The database drops its connections and takes no new ones while the block runs."""
    async with database.superuser() as connection:
        await connection.execute(f'alter database "{database.name}" connection limit 0')
        # With a time: it waits until they are gone, or one of them would break after the block.
        await connection.execute(
            "select pg_terminate_backend(pid, 60000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        yield
        await connection.execute(f'alter database "{database.name}" connection limit -1')


async def test_with_the_database_away_the_webhook_answers_5xx_and_the_retry_succeeds(
    database: Database, tmp_path: Path
) -> None:
    async with run_sandbox(tmp_path) as sandbox, run_shop(database, sandbox) as mine:
        user_id, _, event = await paid_event(mine)
        async with database_away(database):
            answer = await deliver(mine.api, event)
            assert refusal(answer) == (503, "database_unavailable")
        assert (await deliver(mine.api, event)).json() == {"status": "applied"}
        assert (await deliver(mine.api, event)).json() == {"status": "applied"}
        assert await mine.balance(user_id) == 100
        assert await mine.audit() == []


async def test_an_effect_that_fails_for_now_is_kept_as_failed_and_made_good_by_a_retry(
    database: Database, tmp_path: Path
) -> None:
    async with run_sandbox(tmp_path) as sandbox, run_shop(database, sandbox) as mine:
        user_id, purchase_id, event = await paid_event(mine)
        async with database.connect() as connection:
            await connection.execute(
                "alter table public.token_grants add constraint broken check (source <> 'purchase') not valid"
            )
            answer = await deliver(mine.api, event)
            assert refusal(answer) == (503, "event_not_applied")
            row = await mine.event_row(event["id"])
            assert (row["status"], row["error"], row["applied_at"]) == ("failed", "23514 broken", None)
            # Half of nothing: the facts are not there either.
            assert (await mine.purchase(user_id, purchase_id))["status"] == "open"
            await connection.execute("alter table public.token_grants drop constraint broken")
        assert (await deliver(mine.api, event)).json() == {"status": "applied"}
        row = await mine.event_row(event["id"])
        assert (row["status"], row["error"], row["attempts"]) == ("applied", None, 2)
        assert await mine.balance(user_id) == 100
        assert await mine.audit() == []


async def test_sixty_deliveries_at_once_credit_once(shop: Shop) -> None:
    user_id, _, event = await paid_event(shop)
    async with run_shop(shop.database, shop.sandbox) as other:
        answers: list[httpx.Response] = await asyncio.gather(
            *(deliver(each.api, event) for each in (shop, other) for _ in range(30))
        )
    assert {answer.status_code for answer in answers} == {200}
    assert await shop.ledger(user_id) == [("purchase", 100)]
    assert (await shop.event_row(event["id"]))["attempts"] == 60


async def test_sixty_different_events_of_one_payment_credit_once(shop: Shop) -> None:
    user_id, _, event = await paid_event(shop)
    events = [{**event, "id": f"evt_{uuid4().hex}"} for _ in range(60)]
    async with run_shop(shop.database, shop.sandbox) as other:
        answers = await asyncio.gather(*(deliver((shop, other)[n % 2].api, each) for n, each in enumerate(events)))
    assert {answer.status_code for answer in answers} == {200}
    assert await shop.ledger(user_id) == [("purchase", 100)]
