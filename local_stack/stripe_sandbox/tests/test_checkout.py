"""A customer on the hosted page, seen through the real client library."""

import time

import pytest
import stripe

from local_stack.stripe_sandbox.tests.receiver import Receiver
from local_stack.stripe_sandbox.tests.running import RunningSandbox
from local_stack.stripe_sandbox.tests.shop import SUCCESS, buy, event_types, named, open_session, submit

PAID = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"]


async def test_a_paid_session_returns_to_the_shop_with_its_id(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    session = await open_session(client)
    assert (session["status"], session["payment_status"], session["payment_intent"]) == ("open", "unpaid", None)
    assert (session["metadata"], session["client_reference_id"]) == ({"purchase_id": "p1"}, "p1")
    assert session["url"].startswith(f"{sandbox.url}/c/pay/cs_test_")

    response = await submit(sandbox, session, SUCCESS)

    assert response.status_code == 303
    assert response.headers["location"] == f"http://127.0.0.1:9/success?session_id={session['id']}"
    paid = await client.v1.checkout.sessions.retrieve_async(
        session["id"], {"expand": ["payment_intent.latest_charge", "line_items"]}
    )
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert paid.customer_details is not None and paid.customer_details.email == "person@example.com"
    intent = paid.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert (intent.status, intent.amount_received, intent.currency) == ("succeeded", 500, "usd")
    assert intent.metadata.to_dict() == {"purchase_id": "p1", "kind": "token_pack"}
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert (intent.latest_charge.amount_captured, intent.latest_charge.metadata["kind"]) == (500, "token_pack")
    assert paid.line_items is not None and paid.line_items.data[0].description == "100 tokens"
    assert await event_types(client) == PAID


async def test_a_session_without_intent_metadata_hands_none_down(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    session = await open_session(client, payment_intent_data={"description": "pack"})
    await submit(sandbox, session, SUCCESS)
    paid = await client.v1.checkout.sessions.retrieve_async(session["id"], {"expand": ["payment_intent"]})
    assert isinstance(paid.payment_intent, stripe.PaymentIntent)
    assert paid.payment_intent.metadata.to_dict() == {}


@pytest.mark.parametrize(
    ("number", "code", "decline_code", "words"),
    [
        ("4000 0000 0000 0002", "card_declined", "generic_decline", "Your card was declined."),
        ("4000 0000 0000 9995", "card_declined", "insufficient_funds", "insufficient funds"),
        ("4000 0000 0000 0069", "expired_card", None, "has expired"),
        ("4000 0000 0000 0127", "incorrect_cvc", None, "security code is incorrect"),
        ("4000 0000 0000 0119", "processing_error", None, "An error occurred while processing"),
        ("4111 1111 1111 1111", "card_declined", "test_mode_live_card", "used a non test card"),
    ],
)
async def test_a_declined_card_charges_nothing_and_a_good_one_may_follow(
    client: stripe.StripeClient,
    sandbox: RunningSandbox,
    number: str,
    code: str,
    decline_code: str | None,
    words: str,
) -> None:
    session = await open_session(client)

    declined = await submit(sandbox, session, number)

    assert declined.status_code == 402
    assert words in declined.text.replace("&#x27;", "'") and 'role="alert"' in declined.text
    tried = await client.v1.checkout.sessions.retrieve_async(session["id"], {"expand": ["payment_intent"]})
    assert isinstance(tried.payment_intent, stripe.PaymentIntent)
    error = tried.payment_intent.to_dict()["last_payment_error"]
    assert (error["code"], error.get("decline_code")) == (code, decline_code)
    assert (tried.status, tried.payment_intent.status) == ("open", "requires_payment_method")

    assert (await submit(sandbox, session, SUCCESS)).status_code == 303

    paid = await client.v1.checkout.sessions.retrieve_async(session["id"])
    assert paid.payment_intent == tried.payment_intent.id
    charges = await client.v1.charges.list_async({"payment_intent": tried.payment_intent.id})
    assert [charge.status for charge in charges.data] == ["succeeded", "failed"]
    failed = ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]
    assert await event_types(client) == failed + PAID[1:]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("number", "4242 4242 4242 4241", "Your card number is invalid."),
        ("number", "4242", "Your card number is incomplete."),
        ("expiry", "01/20", "in the past"),
        ("expiry", "13/40", "incomplete"),
        ("cvc", "12", "security code is incomplete"),
        ("email", "person", "Enter an email address"),
        ("name", "", "Enter the name on the card."),
    ],
)
async def test_wrong_details_are_named_and_nothing_is_tried(
    client: stripe.StripeClient, sandbox: RunningSandbox, field: str, value: str, words: str
) -> None:
    session = await open_session(client)
    values = {"number": SUCCESS, field: value}
    response = await submit(sandbox, session, values.pop("number"), **values)
    assert response.status_code == 422
    assert words in response.text and f'aria-describedby="{field}-error"' in response.text
    assert (await client.v1.checkout.sessions.retrieve_async(session["id"])).payment_intent is None


async def test_authentication_that_is_completed_pays(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    session = await open_session(client)
    response = await submit(sandbox, session, "4000 0025 0000 3155")
    assert response.status_code == 303
    bank = response.headers["location"]
    waiting = await client.v1.checkout.sessions.retrieve_async(session["id"], {"expand": ["payment_intent"]})
    assert isinstance(waiting.payment_intent, stripe.PaymentIntent)
    assert (waiting.payment_intent.status, waiting.payment_intent.amount_received) == ("requires_action", 0)
    assert "Complete authentication" in (await sandbox.http.get(bank)).text

    response = await sandbox.http.post(bank, data={"decision": "complete"})

    assert response.headers["location"].endswith(session["id"])
    assert (await client.v1.checkout.sessions.retrieve_async(session["id"])).payment_status == "paid"
    expected = ["payment_intent.created", "payment_intent.requires_action", *PAID[1:]]
    assert await event_types(client) == expected


async def test_authentication_that_is_refused_leaves_the_session_open(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    session = await open_session(client)
    bank = (await submit(sandbox, session, "4000 0025 0000 3155")).headers["location"]

    response = await sandbox.http.post(bank, data={"decision": "fail"}, follow_redirects=True)

    assert "We are unable to authenticate your payment method." in response.text
    assert (await client.v1.checkout.sessions.retrieve_async(session["id"])).status == "open"
    assert (await client.v1.charges.list_async()).data == []
    assert (await submit(sandbox, session, SUCCESS)).status_code == 303


async def test_paying_twice_charges_once(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    session = await open_session(client)
    first, second = await submit(sandbox, session, SUCCESS), await submit(sandbox, session, SUCCESS)
    assert first.headers["location"] == second.headers["location"]
    assert len((await client.v1.charges.list_async()).data) == 1
    assert "You&#x27;re all done here" in (await sandbox.http.get(f"/c/pay/{session['id']}")).text


async def test_the_intent_of_a_session_is_left_to_the_session(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    session = await open_session(client)
    await submit(sandbox, session, "4000 0000 0000 0002")
    intent = (await client.v1.payment_intents.list_async()).data[0]
    with pytest.raises(stripe.InvalidRequestError, match="belongs to a Checkout Session"):
        await client.v1.payment_intents.cancel_async(intent.id)
    assert (await submit(sandbox, session, SUCCESS)).status_code == 303


async def test_an_expired_session_cannot_be_paid(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    session = await open_session(client)
    await submit(sandbox, session, "4000 0000 0000 0002")
    expired = await client.v1.checkout.sessions.expire_async(session["id"])
    assert (expired.status, expired.url) == ("expired", None)
    assert (await submit(sandbox, session, SUCCESS)).status_code == 410
    assert (await event_types(client))[-2:] == ["checkout.session.expired", "payment_intent.canceled"]
    with pytest.raises(stripe.InvalidRequestError, match="status of `expired`"):
        await client.v1.checkout.sessions.expire_async(session["id"])


async def test_a_session_expires_by_itself(
    client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    session = await open_session(client)
    await sandbox.control("POST", f"/sandbox/checkout_sessions/{session['id']}/elapse", {})
    # Nobody looks at it meanwhile.
    (delivery,) = await receiver.wait_for(1)
    assert (delivery.event()["type"], delivery.event()["data"]["object"]["id"]) == (
        "checkout.session.expired",
        session["id"],
    )


async def test_a_session_whose_time_is_over_is_expired_for_whoever_looks(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    session = await open_session(client)
    await sandbox.control("POST", f"/sandbox/checkout_sessions/{session['id']}/elapse", {})
    assert (await submit(sandbox, session, SUCCESS)).status_code == 410
    assert (await client.v1.checkout.sessions.retrieve_async(session["id"])).status == "expired"
    assert (await client.v1.charges.list_async()).data == []


async def test_the_time_of_a_session_has_stripes_limits(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    now = int(time.time())
    assert (await open_session(client, expires_at=now + 1860))["expires_at"] == now + 1860
    with pytest.raises(stripe.InvalidRequestError, match="at least 30 minutes"):
        await open_session(client, expires_at=now + 60)
    with pytest.raises(stripe.InvalidRequestError, match="24 hours"):
        await open_session(client, expires_at=now + 90_000)


async def test_a_customer_keeps_its_address_and_is_on_the_payment(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    customer = await client.v1.customers.create_async({"email": "known@example.com", "metadata": {"user_id": "u1"}})
    session = await open_session(client, customer=customer.id)
    page = await sandbox.http.get(f"/c/pay/{session['id']}?card=4242424242424242")
    assert 'value="known@example.com"' in page.text and 'value="4242424242424242"' in page.text
    await submit(sandbox, session, SUCCESS, email="other@example.com")
    paid = await client.v1.checkout.sessions.retrieve_async(session["id"], {"expand": ["payment_intent", "customer"]})
    assert isinstance(paid.payment_intent, stripe.PaymentIntent) and isinstance(paid.customer, stripe.Customer)
    assert paid.payment_intent.customer == customer.id
    assert paid.customer.metadata is not None and paid.customer.metadata["user_id"] == "u1"
    assert paid.customer_details is not None and paid.customer_details.email == "known@example.com"


async def test_what_the_page_shows_is_escaped_and_runs_no_script(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    price = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "<script>alert(1)</script>"}}
    session = await open_session(client, line_items=[{"price_data": price, "quantity": 2}])
    page = await sandbox.http.get(f"/c/pay/{session['id']}")
    assert "<script" not in page.text and "&lt;script&gt;" in page.text
    assert "Pay $10.00" in page.text and "Local sandbox" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    # Browsers name the origin of a form only where they may name a referrer to the same site.
    assert page.headers["referrer-policy"] == "same-origin"


async def test_customers_can_be_changed_listed_and_deleted(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    customer = await client.v1.customers.create_async({"email": "person@example.com", "metadata": {"a": "1", "b": "2"}})
    changed = await client.v1.customers.update_async(customer.id, {"name": "Sample", "metadata": {"a": "", "c": "3"}})
    assert changed.metadata is not None and changed.metadata.to_dict() == {"b": "2", "c": "3"}
    found = await client.v1.customers.list_async({"email": "person@example.com"})
    assert [entry.id for entry in found.data] == [customer.id]
    assert (await client.v1.customers.delete_async(customer.id)).deleted
    assert (await client.v1.customers.retrieve_async(customer.id)).deleted
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await open_session(client, customer=customer.id)
    assert named(refused.value) == ("resource_missing", "customer")


async def test_an_intent_can_be_confirmed_without_a_page(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    intent = await client.v1.payment_intents.create_async({"amount": 700, "currency": "eur"})
    with pytest.raises(stripe.CardError) as declined:
        await client.v1.payment_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa_chargeDeclined"})
    assert declined.value.code == "card_declined"
    paid = await client.v1.payment_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.amount_received) == ("succeeded", 700)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payment_intents.cancel_async(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"


async def test_a_disputed_card_pays_first(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    intent = await buy(client, sandbox, "4000 0000 0000 0259")
    disputes = await client.v1.disputes.list_async({"payment_intent": intent["id"]})
    assert [(dispute.status, dispute.amount, dispute.reason) for dispute in disputes.data] == [
        ("needs_response", 500, "fraudulent")
    ]
    assert await event_types(client) == [*PAID, "charge.dispute.created", "charge.dispute.funds_withdrawn"]
