"""Events, and how they reach a webhook."""

import time
from pathlib import Path
from typing import Any

import pytest
import stripe

from local_stack.stripe_sandbox.settings import API_VERSION
from local_stack.stripe_sandbox.tests.receiver import WEBHOOK_SECRET, Receiver
from local_stack.stripe_sandbox.tests.running import RunningSandbox, connected
from local_stack.stripe_sandbox.tests.shop import buy


async def test_a_delivery_is_signed_and_carries_the_event(
    client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    options: Any = {"idempotency_key": "key-1"}
    customer = await client.v1.customers.create_async({"email": "a@example.com"}, options)
    (delivery,) = await receiver.wait_for(1)
    event = delivery.event()
    assert (event["object"], event["type"], event["api_version"]) == ("event", "customer.created", API_VERSION)
    assert (event["livemode"], event["pending_webhooks"]) == (False, 1)
    assert event["request"]["idempotency_key"] == "key-1" and event["request"]["id"].startswith("req_")
    assert event["data"]["object"]["id"] == customer.id
    await sandbox.settle()
    retrieved = await client.v1.events.retrieve_async(event["id"])
    assert (retrieved.pending_webhooks, retrieved.type) == (0, "customer.created")
    with pytest.raises(stripe.SignatureVerificationError):
        delivery.event(secret="whsec_other")


async def test_events_are_paged_and_filtered(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    before = int(time.time())
    intent = await buy(client, sandbox)
    for amount in (100, 100, 100):
        await client.v1.refunds.create_async({"payment_intent": intent["id"], "amount": amount})
    await sandbox.settle()

    everything = await client.v1.events.list_async({"limit": 100})
    assert len(everything.data) == 10 and not everything.has_more
    ids = [event.id for event in everything.data]

    first = await client.v1.events.list_async({"limit": 4})
    second = await client.v1.events.list_async({"limit": 4, "starting_after": ids[3]})
    assert ([event.id for event in [*first.data, *second.data]], first.has_more) == (ids[:8], True)
    back = await client.v1.events.list_async({"limit": 3, "ending_before": ids[5]})
    assert [event.id for event in back.data] == ids[2:5]
    walked = [event.id async for event in first.auto_paging_iter()]
    assert walked == ids

    async def count(**filters: Any) -> int:
        parameters: Any = {"limit": 100, **filters}
        return len((await client.v1.events.list_async(parameters)).data)

    assert await count(type="charge.refunded") == 3
    assert await count(type="charge.*") == 4
    assert await count(types=["refund.created", "payment_intent.succeeded"]) == 4
    assert await count(created={"gte": before}) == 10
    assert await count(created={"lt": before}) == 0
    assert (await count(delivery_success=True), await count(delivery_success=False)) == (10, 0)
    with pytest.raises(stripe.InvalidRequestError, match="less than or equal to 100"):
        await count(limit=101)
    with pytest.raises(stripe.InvalidRequestError, match="only specify one"):
        await count(type="a", types=["b"])
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        await count(starting_after="evt_none")


async def test_a_refused_delivery_is_tried_again(
    client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    receiver.answers = [500, 307, 200]
    await client.v1.customers.create_async({})
    await receiver.wait_for(3)
    await sandbox.settle()
    deliveries = (await sandbox.control("GET", "/sandbox/deliveries"))["data"]
    assert [(entry["status"], entry["attempts"], entry["answered_status"]) for entry in deliveries] == [
        ("delivered", 3, 200)
    ]
    assert len({delivery.payload for delivery in receiver.received}) == 1


async def test_a_delivery_that_always_fails_is_given_up_and_can_be_resent(
    client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    receiver.answers = [500] * 4
    await client.v1.customers.create_async({})
    await receiver.wait_for(4)
    await sandbox.settle()
    lost = (await client.v1.events.list_async({"delivery_success": False})).data
    assert [event.type for event in lost] == ["customer.created"]

    await sandbox.control("POST", f"/sandbox/events/{lost[0].id}/resend", {"copies": 3})

    await receiver.wait_for(7)
    await sandbox.settle()
    assert {delivery.event()["id"] for delivery in receiver.received} == {lost[0].id}


async def test_a_webhook_that_is_away_is_reached_later(
    client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    away = {"webhook_url": "http://127.0.0.1:9/webhook", "retry_seconds": [600]}
    await sandbox.control("POST", "/sandbox/deliveries/settings", away)
    await client.v1.customers.create_async({})
    assert (await sandbox.settle(until="quiet"))["pending"] == 1
    assert len((await client.v1.events.list_async({"delivery_success": False})).data) == 1
    assert receiver.received == []

    await sandbox.control("POST", "/sandbox/deliveries/settings", {"webhook_url": receiver.url})
    await sandbox.control("POST", "/sandbox/deliveries/retry")

    await receiver.wait_for(1)
    await sandbox.settle()
    assert (await client.v1.events.list_async({"delivery_success": False})).data == []


async def test_deliveries_can_be_held_back_and_reversed(
    client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    held = {"paused": True, "order": "reversed", "parallel": 1}
    await sandbox.control("POST", "/sandbox/deliveries/settings", held)
    await buy(client, sandbox)
    assert receiver.received == []
    await sandbox.control("POST", "/sandbox/deliveries/settings", {"paused": False})
    await receiver.wait_for(4)
    assert receiver.types() == [
        "checkout.session.completed",
        "payment_intent.succeeded",
        "charge.succeeded",
        "payment_intent.created",
    ]


async def test_deliveries_can_be_doubled_and_delayed(
    client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    await sandbox.control("POST", "/sandbox/deliveries/settings", {"duplicates": 2, "delay_seconds": 600})
    await client.v1.customers.create_async({})
    assert (await sandbox.settle(until="quiet"))["pending"] == 3 and receiver.received == []
    await sandbox.control("POST", "/sandbox/deliveries/retry")
    await receiver.wait_for(3)
    assert len({delivery.event()["id"] for delivery in receiver.received}) == 1


async def test_a_wrong_delivery_setting_is_refused(sandbox: RunningSandbox) -> None:
    for wrong in ({"webhook_url": "http://example.com/"}, {"duplicates": -1}, {"order": "best"}, {"speed": 1}):
        answer = await sandbox.http.post("/sandbox/deliveries/settings", json=wrong)
        assert answer.status_code == 400 and answer.json()["error"]["param"] == next(iter(wrong))


async def test_state_and_waiting_deliveries_survive_a_kill(receiver: Receiver, tmp_path: Path) -> None:
    receiver.clear()
    running = RunningSandbox(tmp_path / "state", webhook_url=receiver.url)
    async with running as sandbox, connected(sandbox) as client:
        await sandbox.control("POST", "/sandbox/deliveries/settings", {"paused": True})
        intent = await buy(client, sandbox)
        options: Any = {"idempotency_key": "refund-1"}
        refund = await client.v1.refunds.create_async({"payment_intent": intent["id"], "amount": 100}, options)

        await sandbox.kill()
        await sandbox.start()

        assert (await client.v1.payment_intents.retrieve_async(intent["id"])).to_dict() == intent
        again = await client.v1.refunds.create_async({"payment_intent": intent["id"], "amount": 100}, options)
        assert again.id == refund.id
        assert receiver.received == []
        await sandbox.control("POST", "/sandbox/deliveries/settings", {"paused": False})
        await receiver.wait_for(6)
        assert sorted(receiver.types()).count("charge.refunded") == 1


async def test_both_secrets_sign_while_one_is_rotated(receiver: Receiver, tmp_path: Path) -> None:
    receiver.clear()
    secrets = f"whsec_new_one,{WEBHOOK_SECRET}"
    running = RunningSandbox(tmp_path / "state", webhook_url=receiver.url, webhook_secret=secrets)
    async with running as sandbox, connected(sandbox) as client:
        await client.v1.customers.create_async({})
        (delivery,) = await receiver.wait_for(1)
        assert delivery.event() == delivery.event(secret="whsec_new_one")
