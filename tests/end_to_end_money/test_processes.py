"""Several processes, crashes and outages: the same books every time."""

import asyncio
import itertools
import signal
from collections.abc import Awaitable, Callable
from uuid import uuid4

import httpx
import pytest
from agent_api_support.api import refusal
from agent_api_support.billing import (
    STRIPE_AND_HTTPX,
    Shop,
    deliver,
    event_about,
    marks,
    payment_intent,
    run_shop,
)

from local_stack.postgres.testing import Database
from local_stack.stripe_sandbox.tests.running import RunningSandbox
from tests.end_to_end_money.market import Market
from tests.sql.schema import apply, upgrade_scripts
from tests.sql.test_install import OLD_VERSIONS, USER, make_old

pytestmark = STRIPE_AND_HTTPX
DELIVERIES = 60


async def test_sixty_deliveries_over_two_processes_credit_once(market: Market) -> None:
    async with market.process() as (a, _), market.process() as (b, _):
        user_id = await market.database.add_user()
        # Twenty clicks over both processes first: one page, one customer.
        purchase_id = uuid4()
        pages = await asyncio.gather(*(shop.checkout(user_id, purchase_id) for shop in (a, b) for _ in range(10)))
        assert {page.status_code for page in pages} == {200}
        assert len({page.json()["url"] for page in pages}) == 1
        assert len((await a.stripe_get("/v1/customers"))["data"]) == 1
        await a.submit(pages[0].json()["url"])
        [event] = [each for each in await a.events_of(purchase_id) if each["type"] == "payment_intent.succeeded"]
        answers = await asyncio.gather(
            *(deliver((a, b)[n % 2].api, event) for n in range(DELIVERIES)),
        )
        assert {answer.status_code for answer in answers} == {200}
        assert await a.ledger(user_id) == [("purchase", 100)]
        # Sixty different events that tell of this one payment.
        others = [{**event, "id": f"evt_{uuid4().hex}"} for _ in range(DELIVERIES)]
        answers = await asyncio.gather(*(deliver((a, b)[n % 2].api, each) for n, each in enumerate(others)))
        assert {answer.status_code for answer in answers} == {200}
        assert await b.ledger(user_id) == [("purchase", 100)]
        await market.assert_books_agree()


async def test_sixty_different_events_of_a_payment_nobody_heard_of_credit_once(market: Market) -> None:
    async with market.process() as (a, _), market.process() as (b, _):
        user_id = await market.database.add_user()
        purchase_id, url = await a.begin(user_id)
        await a.submit(url)
        [event] = [each for each in await a.events_of(purchase_id) if each["type"] == "payment_intent.succeeded"]
        others = [{**event, "id": f"evt_{uuid4().hex}"} for _ in range(DELIVERIES)]
        answers = await asyncio.gather(*(deliver((a, b)[n % 2].api, each) for n, each in enumerate(others)))
        assert {answer.status_code for answer in answers} == {200}
        assert await a.ledger(user_id) == [("purchase", 100)]
        assert await b.balance(user_id) == 100
        await market.assert_books_agree()


async def test_processes_killed_amid_deliveries_lose_and_double_nothing(market: Market) -> None:
    """Every event three times, overtaking each other, while the endpoint is killed and comes back."""
    people = [await market.database.add_user() for _ in range(10)]
    async with market.process() as (shop, first):
        bought = [(user_id, *(await shop.begin(user_id))) for user_id in people]
        for _, _, url in bought:
            await shop.submit(url)
        for _, purchase_id, _ in bought[::2]:
            await shop.refund(purchase_id, 250)
        # Tried again for longer than an endpoint takes to come back.
        retries = [0.2] * 20 + [2.0] * 80
        controls = {"duplicates": 2, "jitter_seconds": 0.3, "retry_seconds": retries, "order": "random"}
        await market.deliver_to(shop, **controls)
        resent = await shop.stripe_get("/v1/events", limit=100)
        for event in resent["data"]:
            await market.sandbox.control("POST", f"/sandbox/events/{event['id']}/resend", {"copies": 2})
        await _until_some_are_applied(market, at_least=5)
        await first.kill()
    async with market.process() as (shop, second):
        await market.deliver_to(shop)
        await _until_some_are_applied(market, at_least=15)
        await second.kill()
    async with market.process() as (shop, _):
        await market.deliver_to(shop)
        await market.sandbox.control("POST", "/sandbox/deliveries/retry")
        await market.sandbox.settle()
        for number, (user_id, purchase_id, _) in enumerate(bought):
            expected = 50 if number % 2 == 0 else 100
            assert await shop.balance(user_id) == expected
            assert (await shop.purchase(user_id, purchase_id))["tokens_credited"] == expected
        report = await market.assert_books_agree()
        assert (report["ours"]["purchases"], report["ours"]["tokens"]) == (10, 750)
        # Stripe's own retries were enough.
        assert report["repairs_made"] == 0


async def _until_some_are_applied(market: Market, *, at_least: int) -> None:
    async with market.database.connect() as connection:

        async def are_enough() -> bool:
            query = "select count(*) from public.stripe_events where status = 'applied'"
            return await connection.fetchval(query) >= at_least

        await until_true(are_enough)


async def until_true(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it holds: what another process does has no event to wait for."""
    async with asyncio.timeout(120):
        while not await condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


async def test_an_endpoint_that_was_down_is_made_up_for(market: Market) -> None:
    async with market.process() as (shop, running):
        people = [await market.database.add_user() for _ in range(5)]
        bought = [(user_id, *(await shop.begin(user_id, "tier_2"))) for user_id in people]
        await running.kill()
    for number, (_, purchase_id, url) in enumerate(bought):
        await shop.submit(url)
        if number == 0:
            await shop.refund(purchase_id)
        if number == 1:
            await shop.dispute(purchase_id)
    # It comes back, and Stripe delivers nothing of what was meanwhile.
    async with market.process(reconcile_interval_seconds=0.3) as (shop, running):

        async def all_is_known() -> bool:
            states = [(await shop.purchase(user_id, purchase_id))["status"] for user_id, purchase_id, _ in bought]
            balances = [await shop.balance(user_id) for user_id in people]
            return set(states) == {"paid"} and balances == [0, 0, 250, 250, 250]

        await until_true(all_is_known)
        # Not killed: it could be at the next run, and leave its lease to nobody.
        running.signal(signal.SIGTERM)
        await running.ended()
    await market.assert_books_agree()


async def test_a_crash_between_stripe_and_the_database_leaves_one_page(market: Market) -> None:
    """The page is made, the process dies before it knows: whoever asks again gets that page."""
    user_id, purchase_id = await market.database.add_user(), uuid4()
    async with market.process() as (shop, running):
        fault = {
            "kind": "timeout",
            "times": 1,
            "method": "POST",
            "path": "/v1/checkout/sessions",
            "applied": True,
            "seconds": 600,
        }
        await market.sandbox.control("POST", "/sandbox/faults", fault)
        asking = asyncio.create_task(shop.checkout(user_id, purchase_id))

        async def page_is_made() -> bool:
            return bool(await shop.sessions_of(purchase_id))

        await until_true(page_is_made)
        await running.kill()
        with pytest.raises(httpx.TransportError):
            await asking
    async with market.process() as (shop, _):
        assert (await shop.checkout(user_id, purchase_id)).status_code == 200
        [session] = await shop.sessions_of(purchase_id)
        assert (await shop.checkout(user_id, purchase_id)).json()["url"] == session["url"]


async def test_an_upgraded_database_of_an_earlier_version_sells_at_once(
    empty_database: Database, sandbox: RunningSandbox
) -> None:
    """Balances stay, old payments are not credited again, and a new one is."""
    make_old(empty_database, OLD_VERSIONS["with payments"])
    apply(empty_database, *upgrade_scripts())
    async with run_shop(empty_database, sandbox) as shop:
        assert await shop.balance(USER) == 97
        await shop.buy(USER)
        assert await shop.balance(USER) == 197
        old = event_about("payment_intent.succeeded", payment_intent({}, id="pi_1"), id="evt_1")
        assert (await deliver(shop.api, old)).json() == {"status": "ignored"}
        assert await shop.balance(USER) == 197
        assert await shop.audit() == []


async def test_what_was_spent_before_the_upgrade_reads_as_spent(
    empty_database: Database, sandbox: RunningSandbox
) -> None:
    """Earlier versions wrote a question as one token, without a sign."""
    make_old(empty_database, OLD_VERSIONS["with payments"])
    apply(empty_database, *upgrade_scripts())
    async with run_shop(empty_database, sandbox) as shop:
        reply = await shop.api.client.get("/api/transactions", headers=shop.api.headers(USER))
        assert [(item["type"], item["tokens"], item["balance_after"]) for item in reply.json()["items"]] == [
            ("opening", 97, 97),
            *[("consumption", -1, None)] * 3,
            ("purchase", 100, None),
        ]


async def test_the_webhook_keeps_up_while_the_chat_takes_tokens(market: Market) -> None:
    """Payments, refunds and debits of one person at once, in two processes: no deadlock, no lost token."""
    user_id = await market.database.add_user(tokens=200)
    async with market.process() as (a, _), market.process() as (b, _):
        purchases = [(await a.begin(user_id))[0] for _ in range(10)]
        events = [
            event_about("payment_intent.succeeded", payment_intent(marks(purchase_id, user_id)))
            for purchase_id in purchases
        ]

        async def debit() -> None:
            async with market.database.connect() as connection:
                for _ in range(25):
                    await connection.execute("select public.deduct_token_if_sufficient($1)", user_id)

        shops: itertools.cycle[Shop] = itertools.cycle((a, b))
        log = market.database.cluster.log
        known = len(log.read_bytes())
        answers = await asyncio.gather(
            *(deliver(next(shops).api, event) for event in events for _ in range(3)), *(debit() for _ in range(4))
        )
        assert b"deadlock detected" not in log.read_bytes()[known:]
        assert {answer.status_code for answer in answers if answer is not None} == {200}
        assert await a.balance(user_id) == 200 + 10 * 100 - 100
        assert await a.audit() == []


async def test_an_unknown_secret_stays_outside_whatever_process_it_meets(market: Market) -> None:
    async with market.process() as (a, _):
        user_id = await market.database.add_user()
        purchase_id, _ = await a.begin(user_id)
        event = event_about("payment_intent.succeeded", payment_intent(marks(purchase_id, user_id)))
        refused = await deliver(a.api, event, secret="whsec_guessed")
        assert refusal(refused) == (400, "invalid_signature")
        assert await a.balance(user_id) == 0
