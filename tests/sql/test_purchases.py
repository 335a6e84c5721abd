"""settle_purchase: whatever facts come, in whatever order and however often, the ledger ends where they say."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from local_stack.postgres.testing import Database
from tests.sql.turns import Turns, audit

PACK_TOKENS = 100
PRICE_MINOR = 500


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    async with database.connect() as connection:
        yield connection


@dataclass
class Purchase:
    connection: asyncpg.Connection
    user_id: UUID
    id: UUID = field(default_factory=uuid4)

    async def create(self) -> Purchase:
        await self.connection.execute(
            "insert into public.purchases (id, user_id, tier, pack_tokens, price_minor, currency, payment_intent_id)"
            " values ($1, $2, 'tier_1', $3, $4, 'usd', $5)",
            *(self.id, self.user_id, PACK_TOKENS, PRICE_MINOR, f"pi_{self.id}"),
        )
        return self

    async def observe(self, *, paid: int | None = PRICE_MINOR, refunded: int = 0, dispute: str = "none") -> None:
        await self.connection.execute(
            "update public.purchases set paid_minor = $2, refunded_minor = $3, dispute = $4, status = 'paid'"
            " where id = $1",
            *(self.id, paid, refunded, dispute),
        )

    async def settle(self) -> tuple[int, int, int, int | None]:
        """Tokens due, moved and short, and the balance."""
        row = await self.connection.fetchrow("select * from public.settle_purchase($1)", self.id)
        assert row is not None
        return tuple(row)

    async def types(self) -> list[tuple[str, int]]:
        rows = await self.connection.fetch(
            "select transaction_type, tokens from public.transactions where purchase_id = $1 order by seq", self.id
        )
        return [(row[0], row[1]) for row in rows]


@pytest.fixture
async def purchase(database: Database, connection: asyncpg.Connection) -> Purchase:
    return await Purchase(connection, await database.add_user()).create()


async def spend(purchase: Purchase, count: int) -> None:
    for _ in range(count):
        await purchase.connection.execute("select public.deduct_token_if_sufficient($1)", purchase.user_id)


async def test_a_payment_is_credited_once(purchase: Purchase) -> None:
    assert await purchase.settle() == (0, 0, 0, 0)
    await purchase.observe()
    assert await purchase.settle() == (100, 100, 0, 100)
    assert await purchase.settle() == (100, 0, 0, 100)
    assert await purchase.types() == [("purchase", 100)]
    assert await audit(purchase.connection) == []


@pytest.mark.parametrize(("refunded", "due"), [(1, 100), (5, 99), (6, 99), (125, 75), (249, 51), (499, 1), (500, 0)])
async def test_a_partial_refund_takes_its_share_and_rounds_for_the_person(
    purchase: Purchase, refunded: int, due: int
) -> None:
    await purchase.observe()
    await purchase.settle()
    await purchase.observe(refunded=refunded)
    assert await purchase.settle() == (due, due - 100, 0, due)
    assert await audit(purchase.connection) == []


async def test_a_payment_first_heard_of_after_its_refund_credits_what_is_left(purchase: Purchase) -> None:
    await purchase.observe(refunded=250)
    assert await purchase.settle() == (50, 50, 0, 50)
    await purchase.observe(refunded=0)
    assert await purchase.settle() == (100, 50, 0, 100)
    assert await audit(purchase.connection) == []


async def test_a_dispute_takes_all_and_gives_it_back_when_won(purchase: Purchase) -> None:
    await purchase.observe()
    await purchase.settle()
    await purchase.observe(dispute="open")
    assert await purchase.settle() == (0, -100, 0, 0)
    await purchase.observe(dispute="won")
    assert await purchase.settle() == (100, 100, 0, 100)
    await purchase.observe(dispute="lost")
    assert await purchase.settle() == (0, -100, 0, 0)
    assert await purchase.types() == [("purchase", 100), ("dispute", -100), ("reversal", 100), ("dispute", -100)]
    assert await audit(purchase.connection) == []


async def test_a_refund_takes_from_its_own_lot_first_then_from_the_soonest_to_expire(purchase: Purchase) -> None:
    await purchase.observe()
    await purchase.settle()
    await spend(purchase, 10)
    for key, seconds in (("for good", None), ("late", 7200), ("soon", 3600)):
        await purchase.connection.execute(
            "select public.grant_tokens($1, 5, 'activation_code', $2, clock_timestamp() + make_interval(secs => $3))",
            *(purchase.user_id, key, seconds),
        )
    await purchase.observe(refunded=485)
    assert await purchase.settle() == (3, -97, 0, 8)
    await purchase.observe(refunded=500)
    assert await purchase.settle() == (0, -3, 0, 5)
    lots = await purchase.connection.fetch("select key, remaining from public.token_grants order by id")
    assert [row["remaining"] for row in lots] == [0, 5, 0, 0]
    taken = [tokens for kind, tokens in await purchase.types() if kind == "refund"]
    assert taken == [-90, -5, -2, -3]
    assert await audit(purchase.connection) == []


async def test_what_was_spent_is_not_taken_below_zero_and_not_given_twice(purchase: Purchase) -> None:
    await purchase.observe()
    await purchase.settle()
    await spend(purchase, 70)
    await purchase.observe(refunded=500)
    assert await purchase.settle() == (0, -30, 70, 0)
    # The next lot is the person's: the shortfall is for an operator to collect.
    await purchase.connection.execute("select public.grant_tokens($1, 9, 'adjustment', 'k')", purchase.user_id)
    assert await purchase.settle() == (0, 0, 70, 9)
    await purchase.observe()
    assert await purchase.settle() == (100, 30, 0, 39)
    assert await audit(purchase.connection) == []


async def test_a_flagged_payment_credits_nothing(purchase: Purchase) -> None:
    await purchase.observe()
    await purchase.connection.execute("update public.purchases set status = 'flagged', flagged_reason = 'amount'")
    assert await purchase.settle() == (0, 0, 0, 0)
    assert await audit(purchase.connection) == []


async def test_an_unknown_purchase_is_refused(connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.PostgresError) as refused:
        await connection.execute("select public.settle_purchase($1)", uuid4())
    assert refused.value.sqlstate == "AP40P"


async def test_a_refund_after_the_account_was_deleted_still_settles(database: Database, purchase: Purchase) -> None:
    await purchase.observe()
    await purchase.settle()
    await database.delete_user(purchase.user_id)
    await purchase.observe(refunded=500)
    assert await purchase.settle() == (0, 0, 100, None)
    assert await audit(purchase.connection) == []
    await purchase.observe(dispute="won")
    assert await purchase.settle() == (100, 0, 0, None)
    assert await audit(purchase.connection) == []


async def restore_user(database: Database, user_id: UUID) -> None:
    """An account made again under its id."""
    async with database.connect("supabase_auth_admin") as connection:
        await connection.execute(
            "insert into auth.users (id, email, raw_user_meta_data) values ($1, $2, '{}')",
            *(user_id, f"{user_id}@example.com"),
        )


@pytest.mark.parametrize("deleted_first", [True, False])
async def test_what_is_due_to_a_deleted_account_is_kept_and_given_to_nobody(
    database: Database, purchase: Purchase, deleted_first: bool
) -> None:
    """A first payment, or tokens that a won dispute gives back."""
    if not deleted_first:
        await purchase.observe(dispute="open")
        await purchase.settle()
    await database.delete_user(purchase.user_id)
    await purchase.observe(dispute="none" if deleted_first else "won")
    for _ in range(2):
        assert (await purchase.settle())[1:] == (0, 0, None)
        assert await state(purchase) == (100, 0, 100, "account_deleted")
        assert await audit(purchase.connection) == []
    assert await purchase.types() == []


async def state(purchase: Purchase) -> tuple[int, int, int, str | None]:
    """Tokens settled, short and undelivered, and what an operator is told."""
    row = await purchase.connection.fetchrow(
        "select tokens_settled, tokens_short, tokens_undelivered, flagged_reason from public.purchases where id = $1",
        purchase.id,
    )
    assert row is not None
    return tuple(row)


async def test_refunds_that_fail_or_follow_move_what_is_undelivered(database: Database, purchase: Purchase) -> None:
    await purchase.observe(refunded=250)
    await purchase.settle()
    await spend(purchase, 20)
    await database.delete_user(purchase.user_id)
    # What came before the deletion was 50: less is short, more is undelivered, and no order leaves both.
    for refunded, short, undelivered in (
        (500, 50, 0),
        (0, 0, 50),
        (125, 0, 25),
        (250, 0, 0),
        (400, 30, 0),
        (100, 0, 30),
    ):
        await purchase.observe(refunded=refunded)
        assert (await purchase.settle())[1] == 0
        flag = "account_deleted" if undelivered else None
        assert await state(purchase) == (100 - refunded // 5, short, undelivered, flag)
        assert await audit(purchase.connection) == []


async def test_an_account_made_again_gets_what_was_paid_meanwhile(database: Database, purchase: Purchase) -> None:
    await purchase.observe(refunded=250)
    await purchase.settle()
    await database.delete_user(purchase.user_id)
    await purchase.observe()
    await purchase.settle()
    assert await state(purchase) == (100, 0, 50, "account_deleted")
    await restore_user(database, purchase.user_id)
    assert await state(purchase) == (100, 0, 0, None)
    assert await purchase.types() == [("purchase", 50), ("reversal", 50)]
    assert await purchase.settle() == (100, 0, 0, 100)
    assert await audit(purchase.connection) == []


async def test_what_waits_for_an_account_that_exists_is_a_fault(purchase: Purchase) -> None:
    await purchase.observe()
    await purchase.connection.execute("update public.purchases set tokens_settled = 100, tokens_undelivered = 100")
    assert [fault for _, fault, _ in await audit(purchase.connection)] == ["purchase not delivered"]
    assert await purchase.settle() == (100, 100, 0, 100)
    assert await audit(purchase.connection) == []


async def test_facts_that_cannot_be_are_not_stored(purchase: Purchase) -> None:
    for arguments in ({"refunded": 501}, {"refunded": -1}, {"paid": None, "refunded": 1}, {"dispute": "unheard-of"}):
        with pytest.raises(asyncpg.CheckViolationError):
            # Wrong values are what is tested.
            await purchase.observe(**arguments)  # type: ignore[arg-type]


# ----- Any sequence of facts, spending and other lots

FACTS = st.fixed_dictionaries(
    {"refunded": st.integers(0, PRICE_MINOR), "dispute": st.sampled_from(["none", "open", "won", "lost"])}
)
STEPS = st.one_of(
    st.tuples(st.just("facts"), st.integers(0, 1), FACTS),
    st.tuples(st.just("spend"), st.integers(1, 3), st.integers(1, 40)),
    st.tuples(st.just("lot"), st.integers(1, 30), st.booleans()),
    st.tuples(st.just("expire"), st.just(0), st.just(0)),
    st.tuples(st.just("turn"), st.sampled_from([0, 1]), st.just(0)),
    st.tuples(st.just("delete"), st.just(0), st.just(0)),
    st.tuples(st.just("restore"), st.just(0), st.just(0)),
)


def tokens_due(refunded: int, dispute: str) -> int:
    return 0 if dispute in ("open", "lost") else math.ceil(PACK_TOKENS * (PRICE_MINOR - refunded) / PRICE_MINOR)


async def take_steps(database: Database, connection: asyncpg.Connection, steps: list[tuple[str, int, Any]]) -> None:
    user_id = await database.add_user()
    turns = Turns(connection, user_id)
    is_there = True
    purchases = [await Purchase(connection, user_id).create() for _ in range(2)]
    latest: list[dict[str, Any] | None] = [None, None]
    for number, (kind, first, second) in enumerate(steps):
        match kind:
            case "delete":
                await database.delete_user(user_id)
                is_there = False
            case "restore" if not is_there:
                await restore_user(database, user_id)
                is_there = True
            case "facts":
                latest[first] = second
                await purchases[first].observe(**second)
                due = (await purchases[first].settle())[0]
                assert due == tokens_due(**second)
                assert (await purchases[first].settle())[:2] == (due, 0)
            case _ if not is_there or kind == "restore":
                pass  # Nobody is there to do it, or nothing was deleted.
            case "spend":
                for _ in range(second // first):
                    await spend(purchases[0], 1)
            case "lot":
                await connection.execute(
                    "select public.grant_tokens($1, $2, 'activation_code', $3,"
                    " clock_timestamp() + make_interval(secs => $4))",
                    *(user_id, first, f"{user_id}:{number}", 3600 if second else None),
                )
            case "expire":
                await connection.execute(
                    "update public.token_grants set expires_at = clock_timestamp() where expires_at is not null"
                    " and user_id = $1",
                    user_id,
                )
                await turns.balance()
            case _:
                if await turns.balance():
                    begun = await turns.begin()
                    await turns.settle(begun.request_id, "released" if first else "done")
        assert await audit(connection) == []
    rows = await connection.fetch(
        "select id, tokens_settled, tokens_undelivered, flagged_reason from public.purchases where user_id = $1",
        user_id,
    )
    settled = {row["id"]: row for row in rows}
    assert is_there <= (not any(row["tokens_undelivered"] for row in rows))
    assert all((row["flagged_reason"] is not None) == (row["tokens_undelivered"] > 0) for row in rows)
    for purchase, facts in zip(purchases, latest, strict=True):
        assert settled[purchase.id]["tokens_settled"] == (0 if facts is None else tokens_due(**facts))


def test_any_order_of_facts_spending_lots_and_expiry_keeps_the_books(
    postgres_cluster: object, database: Database
) -> None:
    """Hypothesis calls a plain function, so the loop is its own; a person each keeps the examples apart."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(database.dsn()))

        @settings(
            max_examples=100,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        )
        @given(steps=st.lists(STEPS, min_size=1, max_size=12))
        def check(steps: list[tuple[str, int, Any]]) -> None:
            runner.run(take_steps(database, connection, steps))

        check()
        runner.run(connection.close())
