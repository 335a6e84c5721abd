"""Purchases and Stripe's events in SQL: who waits for whom, and what a function does with what it should never get."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.test_queue import wait_for_lock

SCRIPTS = Path(__file__).resolve().parents[2] / "sql"
PERSONAL = ("Sample", "person@example.com", "1 Example Road", "4242", "203.0.113.7", "Sample & Sons")
PAYMENT = "select * from public.record_payment($1, $2, 'tier_1', $3, 500, 'usd', false, now())"


async def begin(connection: asyncpg.Connection, user_id: UUID, purchase_id: UUID) -> None:
    await connection.execute(
        "select public.begin_purchase($1, $2, 'tier_1', 100, 500, 'usd', false, 10, 3600)", user_id, purchase_id
    )


async def test_a_payment_waits_for_the_profile_before_it_holds_the_purchase(database: Database) -> None:
    """The lock order that everything follows; the other way round would deadlock with a turn or another payment."""
    user_id, purchase_id = await database.add_user(), uuid4()
    async with database.connect() as holder, database.connect() as payer, database.connect() as third:
        await begin(holder, user_id, purchase_id)
        async with holder.transaction():
            await holder.execute("select 1 from public.user_profiles where id = $1 for no key update", user_id)
            paying = asyncio.create_task(payer.fetchrow(PAYMENT, purchase_id, user_id, "pi_1"))
            await wait_for_lock(database)
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
        await wait_for_lock(database)
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


async def test_the_tokens_of_a_payment_made_before_the_upgrade_are_taken_back_by_hand(database: Database) -> None:
    """As docs/stripe-setup.md says it: once, for a payment that is known, and never below zero."""
    text = (SCRIPTS.parent / "docs" / "stripe-setup.md").read_text(encoding="utf-8")
    [by_hand] = [each for each in text.split("```sql\n") if each.startswith("do $$")]
    by_hand = by_hand.partition("```")[0].replace("pi_of_the_payment", "pi_old")
    user_id = await database.add_user()
    async with database.connect() as connection:
        with pytest.raises(asyncpg.NoDataFoundError):
            await connection.execute(by_hand)
        # What an earlier version wrote, and what is left of it in two lots; 30 were spent.
        await connection.execute(
            "insert into public.transactions (user_id, transaction_type, tokens, stripe_payment_intent_id)"
            " values ($1, 'purchase', 100, 'pi_old')",
            user_id,
        )
        for tokens in (40, 30):
            await connection.execute(
                "select public.grant_tokens($1, $2, 'adjustment', $3)", user_id, tokens, f"{user_id}:{tokens}"
            )
        await connection.execute(by_hand)
        taken = await connection.fetch(
            "select tokens, stripe_payment_intent_id from public.transactions"
            " where user_id = $1 and transaction_type = 'refund' order by seq",
            user_id,
        )
        assert [tuple(row) for row in taken] == [(-40, "pi_old"), (-30, "pi_old")]
        await connection.execute("select public.grant_tokens($1, 5, 'adjustment', 'later')", user_id)
        with pytest.raises(asyncpg.RaiseError, match="taken back before"):
            await connection.execute(by_hand)
        assert await connection.fetchval("select public.current_balance($1)", user_id) == 5
        assert await connection.fetch("select * from public.audit_ledger()") == []


# ----- What the inbox holds about people


def event_of(event_id: str, **body: Any) -> dict[str, Any]:
    """An event with what Stripe tells of a person, in the places where it does."""
    person = {
        "billing_details": {"name": "Sample", "email": "person@example.com", "address": {"line1": "1 Example Road"}},
        "receipt_email": "person@example.com",
        "customer_details": {"name": "Sample", "phone": "4242"},
        "payment_method_details": {"card": {"last4": "4242", "fingerprint": "f"}},
        "evidence": {"customer_name": "Sample", "customer_purchase_ip": "203.0.113.7"},
        "a_field_of_tomorrow": ["Sample & Sons"],
        "last_payment_error": {"code": "card_declined", "payment_method": {"card": {"last4": "4242"}}},
        "refunds": {"data": [{"receipt": "Sample"}]},
    }
    event = {"id": event_id, "object": "event", "type": "t", "livemode": False, "created": 1, "api_version": "v"}
    return {
        **event,
        "data": {"object": {"id": "pi_1", "status": "succeeded", "amount_received": 500, **person, **body}},
    }


async def keep(connection: asyncpg.Connection, event: dict[str, Any], action: str = "none", facts: str = "{}") -> None:
    row = await connection.fetchrow(
        "select * from public.apply_stripe_event($1, 't', false, 'v', now(), $2, $3, $4)",
        *(event["id"], json.dumps(event), action, facts),
    )
    assert row is not None
    assert row["status"] in ("applied", "ignored", "flagged")


async def payload_of(connection: asyncpg.Connection, event_id: str) -> str:
    return await connection.fetchval("select payload from public.stripe_events where id = $1", event_id)


async def words_of(connection: asyncpg.Connection, event_id: str) -> set[str]:
    """What an event still says about the person."""
    payload = await payload_of(connection, event_id)
    return {word for word in PERSONAL if word in payload}


async def test_an_account_takes_along_what_events_hold_about_the_person(database: Database) -> None:
    """By the payment, and by our metadata; also events that were ignored, and events that come afterwards."""
    user_id, other_id, purchase_id = await database.add_user(), await database.add_user(), uuid4()
    ours, others = {"metadata": {"user_id": str(user_id)}}, {"metadata": {"user_id": str(other_id)}}
    async with database.connect() as connection:
        await begin(connection, user_id, purchase_id)
        await connection.execute(PAYMENT, purchase_id, user_id, "pi_1")
        await keep(connection, event_of("evt_payment"))
        await keep(connection, event_of("evt_refund", id="ch_1", payment_intent="pi_1"))
        await keep(connection, event_of("evt_page", id="cs_1", **ours), "ignore")
        await keep(connection, event_of("evt_other", id="cs_2", **others))
        for event_id in ("evt_payment", "evt_refund", "evt_page", "evt_other"):
            assert await words_of(connection, event_id) == set(PERSONAL)
        await database.delete_user(user_id)
        await keep(connection, event_of("evt_late", id="ch_1", payment_intent="pi_1"))
        for event_id in ("evt_payment", "evt_refund", "evt_page", "evt_late"):
            assert await words_of(connection, event_id) == set()
        assert await words_of(connection, "evt_other") == set(PERSONAL)
        # What the books are made of is there.
        kept = json.loads(await payload_of(connection, "evt_payment"))
        assert kept["data"]["object"] == {
            "id": "pi_1",
            "status": "succeeded",
            "amount_received": 500,
            "last_payment_error": {"code": "card_declined"},
        }
        assert kept["type"] == "t"
        assert await connection.fetch("select * from public.audit_ledger()") == []


@pytest.mark.parametrize("claimed", ["begun", "unknown"])
async def test_the_first_event_about_a_payment_of_a_deleted_account_tells_nothing(
    database: Database, claimed: str
) -> None:
    """A dispute carries no metadata and its payment is not known: only the facts that were fetched name the person."""
    user_id, purchase_id = await database.add_user(), uuid4()
    facts = {
        "purchase_id": str(purchase_id if claimed == "begun" else uuid4()),
        "user_id": str(user_id),
        "tier": "tier_1",
        "payment_intent_id": "pi_1",
        "amount_minor": 500,
        "currency": "usd",
        "livemode": False,
        "paid_at": "2026-11-21T10:00:00+00:00",
        "refunded_minor": 0,
        "dispute": "open",
        "observed_at": "2026-11-21T11:00:00+00:00",
    }
    async with database.connect() as connection:
        await begin(connection, user_id, purchase_id)
        await database.delete_user(user_id)
        await keep(connection, event_of("evt_1", id="du_1", payment_intent="pi_1"), "payment", json.dumps(facts))
        assert await words_of(connection, "evt_1") == set()
        assert await connection.fetchval("select user_id from public.stripe_events") == user_id


@pytest.mark.parametrize("user_id", ["", "nobody", "7", "00000000-0000-0000-0000-00000000000g", None, ["a"], {"a": 1}])
async def test_an_event_with_any_metadata_is_kept(database: Database, user_id: object) -> None:
    async with database.connect() as connection:
        await keep(connection, event_of("evt_1", metadata={"user_id": user_id}), "ignore")
        await keep(connection, event_of("evt_2", metadata="text"), "ignore")
        await keep(connection, {"id": "evt_3", "data": None}, "ignore")
        assert await connection.fetchval("select count(*) from public.stripe_events where user_id is null") == 3


async def test_an_account_deleted_while_its_event_arrives_leaves_nothing(database: Database) -> None:
    user_id = await database.add_user()
    event = event_of("evt_1", metadata={"user_id": str(user_id)})
    async with database.connect() as receiving, database.connect("supabase_auth_admin") as deleting:
        transaction = receiving.transaction()
        await transaction.start()
        await keep(receiving, event)
        gone = asyncio.create_task(deleting.execute("delete from auth.users where id = $1", user_id))
        await wait_for_lock(database)
        await transaction.commit()
        await gone
        assert await words_of(receiving, "evt_1") == set()


async def test_events_of_before_get_their_person_and_forget_those_who_are_gone(database: Database) -> None:
    user_id, gone_id = await database.add_user(), await database.add_user()
    async with database.connect() as connection:
        await keep(connection, event_of("evt_1", metadata={"user_id": str(user_id)}))
        await keep(connection, event_of("evt_2", metadata={"user_id": str(gone_id)}))
        await keep(connection, event_of("evt_3", metadata={"user_id": "nobody"}))
        await connection.execute("alter table public.stripe_events drop column user_id, drop column attempted_at")
        # As the version before it did: the trigger is not there.
        await connection.execute("drop trigger user_profiles_forget_person on public.user_profiles")
        await database.delete_user(gone_id)
        await connection.execute((SCRIPTS / "24-billing.sql").read_text())
        assert await words_of(connection, "evt_1") == await words_of(connection, "evt_3") == set(PERSONAL)
        assert await words_of(connection, "evt_2") == set()
        await database.delete_user(user_id)
        assert await words_of(connection, "evt_1") == set()


# ----- Flags


async def test_two_operators_at_once_acknowledge_once(database: Database) -> None:
    user_id, purchase_id, operators = await database.add_user(), uuid4(), (uuid4(), uuid4())
    acknowledge = "select * from public.acknowledge_payment_flag('pi_2', $1, $2)"
    async with database.connect() as first, database.connect() as second:
        await begin(first, user_id, purchase_id)
        for payment in ("pi_1", "pi_2"):
            await first.execute(PAYMENT, purchase_id, user_id, payment)
        transaction = first.transaction()
        await transaction.start()
        await first.execute(acknowledge, operators[0], "mine")
        other = asyncio.create_task(second.fetchrow(acknowledge, operators[1], "yours"))
        await wait_for_lock(database)
        await transaction.commit()
        row = await other
        assert row is not None
        assert (row["acknowledged_by"], row["note"]) == (operators[0], "mine")
        assert (
            await second.fetchrow("select * from public.acknowledge_payment_flag('pi_1', $1, '')", operators[0]) is None
        )
        with pytest.raises(asyncpg.NullValueNotAllowedError):
            await second.fetchrow(acknowledge, None, "nobody's")


async def test_flags_of_before_get_their_rows_once(database: Database) -> None:
    user_id, purchase_id = await database.add_user(), uuid4()
    script = (SCRIPTS / "24-billing.sql").read_text()
    async with database.connect() as connection:
        await begin(connection, user_id, purchase_id)
        await connection.execute("update public.purchases set status = 'flagged', flagged_reason = 'amount_mismatch'")
        for _ in range(2):
            await connection.execute(script)
            rows = await connection.fetch("select payment_intent_id, reason, purchase_id from public.payment_flags")
            assert [tuple(row) for row in rows] == [(str(purchase_id), "amount_mismatch", purchase_id)]


async def test_a_flag_moves_with_what_its_payment_claims(database: Database) -> None:
    """Metadata can be rewritten in the Dashboard: a purchase must not go on showing a flag that is another's now."""
    user_id, first, second = await database.add_user(), uuid4(), uuid4()

    async def reasons() -> list[str | None]:
        rows = await connection.fetch("select id, flagged_reason from public.purchases")
        found = {row["id"]: row["flagged_reason"] for row in rows}
        return [found[first], found[second]]

    async with database.connect() as connection:
        for purchase_id in (first, second):
            await begin(connection, user_id, purchase_id)
            await connection.execute(PAYMENT, purchase_id, user_id, f"pi_{purchase_id}")
        await connection.execute(PAYMENT, first, user_id, "pi_third")
        assert await reasons() == ["second_payment", None]
        await connection.execute(PAYMENT, second, user_id, "pi_third")
        assert await reasons() == [None, "second_payment"]
        # What names no account and no purchase any more is still the flag of the one it was last tied to.
        await connection.execute(PAYMENT, second, None, "pi_third")
        assert await reasons() == [None, "user_mismatch"]


async def test_an_account_made_again_during_its_payment_gets_the_tokens(database: Database) -> None:
    """Neither sees the other before its commit: whoever comes second waits, and then finds what the first one wrote."""
    for account_first in (True, False):
        user_id, purchase_id = await database.add_user(), uuid4()
        async with database.connect("supabase_auth_admin") as auth, database.connect() as payer:
            await begin(payer, user_id, purchase_id)
            await database.delete_user(user_id)
            making = ("insert into auth.users (id, email) values ($1, $2)", (user_id, f"{user_id}@example.com"))
            paying = (PAYMENT, (purchase_id, user_id, f"pi_{purchase_id}"))
            first, second = (auth, payer) if account_first else (payer, auth)
            before, after = (making, paying) if account_first else (paying, making)
            async with first.transaction():
                await first.execute(before[0], *before[1])
                following = asyncio.create_task(second.execute(after[0], *after[1]))
                await wait_for_lock(database)
            await following
            assert await payer.fetchval("select tokens from public.user_profiles where id = $1", user_id) == 100
            assert await payer.fetch("select * from public.audit_ledger()") == []
