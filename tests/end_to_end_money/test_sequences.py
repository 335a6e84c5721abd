"""Whatever happens, in whatever order, however often, and whatever crashes in between: the books agree with Stripe."""

import asyncio
import math
import os
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from agent_api_support.billing import (
    DECLINED_CARD,
    GOOD_CARD,
    STRIPE_AND_HTTPX,
    Shop,
    billing_settings,
    deliver,
    run_sandbox,
    run_shop,
)
from agent_api_support.waiting import until
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from agent_api.billing.reconcile import reconcile
from local_stack.postgres.testing import Database

pytestmark = STRIPE_AND_HTTPX
WHICH = st.integers(0, 5)
STEPS = st.one_of(
    st.tuples(st.just("buy"), st.sampled_from(["tier_1", "tier_2", "tier_3"])),
    st.tuples(st.just("decline_then_buy"), st.just("tier_1")),
    st.tuples(st.just("begin_and_crash"), st.booleans()),
    st.tuples(st.just("refund"), WHICH, st.integers(1, 100)),
    st.tuples(st.just("fail_refund"), WHICH),
    st.tuples(st.just("dispute"), WHICH, st.booleans()),
    st.tuples(st.just("verdict"), WHICH, st.sampled_from(["win", "lose"])),
    st.tuples(st.just("expire"), WHICH),
    st.tuples(st.just("spend"), st.integers(1, 300)),
    st.tuples(st.just("deliver"), st.integers(0, 2**32), st.integers(1, 3), st.floats(0, 1)),
    st.tuples(st.just("deliver_and_crash"), st.integers(0, 2**32), st.integers(1, 3), st.floats(0, 1)),
    st.tuples(st.just("reconcile")),
    st.tuples(st.just("delete_account")),
)


@dataclass
class Story:
    """One person's dealings, under one account after the other."""

    shops: tuple[Shop, Shop]
    user_id: UUID
    purchases: list[UUID] = field(default_factory=list[UUID])
    of_deleted: set[UUID] = field(default_factory=set[UUID])
    refunds: list[str] = field(default_factory=list[str])
    disputes: list[str] = field(default_factory=list[str])
    inbox: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    last_event: str | None = None

    @property
    def shop(self) -> Shop:
        return self.shops[0]

    async def take(self, step: tuple[Any, ...]) -> None:
        name, *values = step
        await getattr(self, name)(*values)

    async def buy(self, tier: str) -> None:
        purchase_id, url = await self.shop.begin(self.user_id, tier)
        await self.shop.submit(url, GOOD_CARD)
        self.purchases.append(purchase_id)

    async def decline_then_buy(self, tier: str) -> None:
        purchase_id, url = await self.shop.begin(self.user_id, tier)
        await self.shop.submit(url, DECLINED_CARD)
        await self.shop.submit(url, GOOD_CARD)
        self.purchases.append(purchase_id)

    async def begin_and_crash(self, at_stripe: bool) -> None:
        """The connection to Stripe or to the database breaks in the middle; then the person clicks again."""
        purchase_id = uuid4()
        if at_stripe:
            fault = {"kind": "disconnect", "times": 3, "method": "POST", "applied": True}
            await self.shop.sandbox.control("POST", "/sandbox/faults", fault)
            await self.shop.checkout(self.user_id, purchase_id)
            await self.shop.sandbox.control("DELETE", "/sandbox/faults")
        else:
            await crash_during(self.shop.database, [self.shop.checkout(self.user_id, purchase_id)])
        response = await self.shop.checkout(self.user_id, purchase_id)
        assert response.status_code == 200, response.text
        assert len(await self.shop.sessions_of(purchase_id)) == 1
        await self.shop.submit(response.json()["url"])
        self.purchases.append(purchase_id)

    async def refund(self, which: int, percent: int) -> None:
        charge = await self._charge(which)
        if charge is None:
            return
        left = charge["amount"] - charge["amount_refunded"]
        answer = await self.shop.sandbox.http.post(
            f"/sandbox/charges/{charge['id']}/refund", json={"amount": max(1, left * percent // 100)}
        )
        if answer.status_code == 200:  # Not where a dispute holds the money, or nothing is left.
            self.refunds.append(answer.json()["id"])

    async def fail_refund(self, which: int) -> None:
        if self.refunds:
            refund_id = self.refunds[which % len(self.refunds)]
            await self.shop.sandbox.http.post(f"/sandbox/refunds/{refund_id}/fail")

    async def dispute(self, which: int, inquiry: bool) -> None:
        charge = await self._charge(which)
        if charge is not None:
            path = f"/sandbox/charges/{charge['id']}/dispute"
            answer = await self.shop.sandbox.http.post(path, json={"inquiry": inquiry})
            if answer.status_code == 200:
                self.disputes.append(answer.json()["id"])

    async def verdict(self, which: int, verdict: str) -> None:
        if self.disputes:
            dispute_id = self.disputes[which % len(self.disputes)]
            await self.shop.sandbox.http.post(f"/sandbox/disputes/{dispute_id}/{verdict}")

    async def expire(self, _: int) -> None:
        purchase_id, _url = await self.shop.begin(self.user_id)
        [session] = await self.shop.sessions_of(purchase_id)
        await self.shop.sandbox.control("POST", f"/sandbox/checkout_sessions/{session['id']}/elapse")

    async def spend(self, count: int) -> None:
        async with self.shop.database.connect() as connection:
            await connection.execute(
                "select public.deduct_token_if_sufficient($1) from generate_series(1, $2)", self.user_id, count
            )

    async def deliver(self, seed: int, copies: int, share: float) -> None:
        answers = await asyncio.gather(*await self._deliveries(seed, copies, share))
        assert {answer.status_code for answer in answers} <= {200}

    async def deliver_and_crash(self, seed: int, copies: int, share: float) -> None:
        """Some arrive, some do not; what was answered with 5xx is not sent again here."""
        answers = await crash_during(self.shop.database, await self._deliveries(seed, copies, share))
        assert {answer.status_code for answer in answers} <= {200, 500, 503}

    async def delete_account(self) -> None:
        """What was bought can still be refunded, disputed, won, and paid late."""
        await self.shop.database.delete_user(self.user_id)
        self.of_deleted |= set(self.purchases)
        self.user_id = await self.shop.database.add_user()

    async def reconcile(self) -> None:
        await self.assert_books_agree()

    async def assert_books_agree(self) -> None:
        shop = self.shop
        report = await reconcile(billing_settings(shop.database.dsn(), api_base=shop.sandbox.url), days=None)
        assert report.audit_faults == 0, report.audit_examples
        assert report.drift == 0, report.differences
        assert report.stripe == report.ours
        assert report.flagged.payments == 0

    async def _charge(self, which: int) -> dict[str, Any] | None:
        if not self.purchases:
            return None
        charge_id = await self.shop.charge_of(self.purchases[which % len(self.purchases)])
        return await self.shop.stripe_get(f"/v1/charges/{charge_id}")

    async def _deliveries(self, seed: int, copies: int, share: float) -> list[Any]:
        """A part of what was not delivered yet, and a part of what was: shuffled, copied, over both processes."""
        await self._read_news()
        chance = random.Random(seed)  # noqa: S311 - chosen by hypothesis
        chosen = [each for each in self.inbox if chance.random() < share]
        batch = chosen * copies
        chance.shuffle(batch)
        return [deliver(self.shops[n % 2].api, each) for n, each in enumerate(batch)]

    async def _read_news(self) -> None:
        while True:
            query = {"limit": 100} | ({"ending_before": self.last_event} if self.last_event else {})
            page = await self.shop.stripe_get("/v1/events", **query)
            if not page["data"]:
                return
            self.inbox += reversed(page["data"])
            self.last_event = page["data"][0]["id"]


async def crash_during(database: Database, jobs: list[Any]) -> list[httpx.Response]:
    """Cut every connection to the database again and again while these run."""
    cut: set[int] = set()
    async with database.superuser() as connection:
        running = asyncio.gather(*jobs)
        for _ in range(20):
            if running.done():
                break
            rows = await connection.fetch(
                "select pid, pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and application_name = 'agent_api'"
            )
            cut |= {row["pid"] for row in rows}
            await asyncio.sleep(0.005)  # Not to wait for anything: to hit another moment.
        answers = await running
    # One that ended later would break what comes after the crash.
    await until(lambda: not any(map(is_there, cut)))
    return answers


def is_there(pid: int) -> bool:
    """Whether a process has not ended, or nobody has taken note of its end."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@asynccontextmanager
async def running_shops(database: Database, directory: Path) -> AsyncGenerator[tuple[Shop, Shop]]:
    async with (
        run_sandbox(directory) as sandbox,
        run_shop(database, sandbox, purchases_per_window_max=1_000) as a,
        run_shop(database, sandbox, purchases_per_window_max=1_000) as b,
    ):
        yield a, b


async def tell(shops: tuple[Shop, Shop], steps: list[tuple[Any, ...]]) -> None:
    story = Story(shops, await shops[0].database.add_user())
    page = await shops[0].stripe_get("/v1/events", limit=1)
    story.last_event = page["data"][0]["id"] if page["data"] else None
    for step in steps:
        event(step[0])
        await story.take(step)
        assert await shops[0].audit() == []
    # First without Stripe's help, then with: what was delivered is right by itself.
    await story.deliver(0, 1, 1.1)
    for purchase_id in story.purchases:
        if purchase_id in story.of_deleted:
            await check_purchase_of_deleted(shops[0], purchase_id)
            continue
        purchase = await shops[0].purchase(story.user_id, purchase_id)
        assert (purchase["status"], purchase["tokens_credited"]) == ("paid", await tokens_due(shops[0], purchase))
    await story.assert_books_agree()


async def check_purchase_of_deleted(shop: Shop, purchase_id: UUID) -> None:
    """Settled to its facts, with nothing given to anybody since; what waits is flagged, and nothing else is."""
    async with shop.database.connect() as connection:
        row = await connection.fetchrow(
            """
            select p.id, p.pack_tokens as tokens, p.status, p.tokens_settled, p.flagged_reason,
                p.tokens_undelivered - p.tokens_short as unmoved,
                coalesce((select sum(t.tokens) from public.transactions as t where t.purchase_id = p.id), 0) as moved
            from public.purchases as p where p.id = $1
            """,
            purchase_id,
        )
    assert row is not None
    due = await tokens_due(shop, {"id": str(row["id"]), "tokens": row["tokens"]})
    assert (row["status"], row["tokens_settled"], row["moved"] + row["unmoved"]) == ("paid", due, due)
    assert row["flagged_reason"] == ("account_deleted" if row["unmoved"] > 0 else None)


async def tokens_due(shop: Shop, purchase: dict[str, Any]) -> int:
    """What Stripe's own objects amount to, counted without any code of the product."""
    charge = await shop.stripe_get(f"/v1/charges/{await shop.charge_of(UUID(purchase['id']))}")
    disputes = await shop.stripe_get("/v1/disputes", charge=charge["id"])
    if {dispute["status"] for dispute in disputes["data"]} & {"needs_response", "under_review", "lost"}:
        return 0
    return math.ceil(purchase["tokens"] * (charge["amount"] - charge["amount_refunded"]) / charge["amount"])


def test_any_sequence_of_dealings_and_crashes_ends_in_agreement(database: Database, tmp_path: Path) -> None:
    """Hypothesis calls a plain function, so the loop is its own; a person each keeps the examples apart."""
    with asyncio.Runner() as runner:
        shops_are_open = running_shops(database, tmp_path)
        shops = runner.run(shops_are_open.__aenter__())

        @settings(
            max_examples=25,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        )
        @given(steps=st.lists(STEPS, min_size=3, max_size=14))
        def check(steps: list[tuple[Any, ...]]) -> None:
            runner.run(tell(shops, steps))

        try:
            check()
        finally:
            runner.run(shops_are_open.__aexit__(None, None, None))
