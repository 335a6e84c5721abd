"""Purchases and Stripe's events in SQL: who waits for whom, and what a function does with what it should never get."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from local_stack.postgres.testing import Database

PAYMENT = "select * from public.record_payment($1, $2, 'tier_1', $3, 500, 'usd', false, now())"


async def begin(connection: asyncpg.Connection, user_id: UUID, purchase_id: UUID) -> None:
    await connection.execute(
        "select public.begin_purchase($1, $2, 'tier_1', 100, 500, 'usd', false, 10, 3600)", user_id, purchase_id
    )


async def waiting(database: Database) -> None:
    """Return once a session of this database waits for a lock."""
    async with asyncio.timeout(10), database.superuser() as connection:
        while not await connection.fetchval(  # noqa: ASYNC110 - another session's wait has no event
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ):
            await asyncio.sleep(0.01)


async def test_a_payment_waits_for_the_profile_before_it_holds_the_purchase(database: Database) -> None:
    """The lock order that everything follows; the other way round would deadlock with a turn or another payment."""
    user_id, purchase_id = await database.add_user(), uuid4()
    async with database.connect() as holder, database.connect() as payer, database.connect() as third:
        await begin(holder, user_id, purchase_id)
        async with holder.transaction():
            await holder.execute("select 1 from public.user_profiles where id = $1 for no key update", user_id)
            paying = asyncio.create_task(payer.fetchrow(PAYMENT, purchase_id, user_id, "pi_1"))
            await waiting(database)
            async with third.transaction():
                await third.execute("select 1 from public.purchases where id = $1 for update nowait", purchase_id)
        row = await paying
        assert row is not None
        assert (row["refusal"], row["tokens_moved"]) == (None, 100)


async def test_a_second_delivery_of_an_event_waits_for_the_first_and_repeats_its_outcome(database: Database) -> None:
    user_id, purchase_id = await database.add_user(), uuid4()
    apply = (
        "select * from public.apply_stripe_event('evt_1', 'payment_intent.succeeded', false, null, now(), '{}',"
        " 'payment', jsonb_build_object('purchase_id', $1::text, 'user_id', $2::text, 'tier', 'tier_1',"
        " 'payment_intent_id', 'pi_1', 'amount_minor', 500, 'currency', 'usd', 'livemode', false, 'paid_at', now()))"
    )
    arguments = (str(purchase_id), str(user_id))
    async with database.connect() as first, database.connect() as second:
        await begin(first, user_id, purchase_id)
        transaction = first.transaction()
        await transaction.start()
        row = await first.fetchrow(apply, *arguments)
        assert row is not None
        assert (row["status"], row["is_repeat"], row["tokens_moved"]) == ("applied", False, 100)
        repeating = asyncio.create_task(second.fetchrow(apply, *arguments))
        await waiting(database)
        await transaction.commit()
        row = await repeating
        assert row is not None
        assert (row["status"], row["is_repeat"], row["tokens_moved"]) == ("applied", True, 0)


@pytest.mark.parametrize(("action", "facts"), [("nonsense", "{}"), ("payment", '{"purchase_id": "7"}')])
async def test_an_action_that_cannot_be_done_is_kept_as_failed(database: Database, action: str, facts: str) -> None:
    async with database.connect() as connection:
        row = await connection.fetchrow(
            "select * from public.apply_stripe_event('evt_1', 't', false, null, now(), '{}', $1, $2)", action, facts
        )
        assert row is not None
        assert row["status"] == "failed"
        assert row["error"] in ("20000", "22P02")


async def test_a_lease_is_taken_by_one_until_it_runs_out(database: Database) -> None:
    mine, other = uuid4(), uuid4()
    take = "select public.acquire_job_lease('a job', $1, 60)"
    async with database.connect() as connection:
        assert [await connection.fetchval(take, holder) for holder in (mine, other, mine)] == [True, False, True]
        await connection.execute("update public.job_leases set expires_at = clock_timestamp()")
        assert [await connection.fetchval(take, holder) for holder in (other, mine)] == [True, False]


async def test_an_account_takes_its_customer_along_and_leaves_the_books(database: Database) -> None:
    user_id, purchase_id = await database.add_user(), uuid4()
    async with database.connect() as connection:
        await begin(connection, user_id, purchase_id)
        await connection.execute(
            "insert into public.stripe_customers (user_id, customer_id) values ($1, 'cus_1')", user_id
        )
        await connection.execute(PAYMENT, purchase_id, user_id, "pi_1")
        await database.delete_user(user_id)
        assert await connection.fetchval("select count(*) from public.stripe_customers") == 0
        assert await connection.fetchval("select status from public.purchases") == "paid"
        assert await connection.fetch("select * from public.audit_ledger()") == []
