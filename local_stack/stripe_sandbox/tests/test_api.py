"""The manners of Stripe's API: keys, version, parameters, idempotency, failures."""

import inspect
import typing
from typing import Any, Union

import httpx
import pytest
import stripe

from local_stack.stripe_sandbox.settings import API_VERSION
from local_stack.stripe_sandbox.tests.running import SECRET_KEY, RunningSandbox, connected
from local_stack.stripe_sandbox.tests.shop import buy, named, open_session


def test_the_version_is_the_one_of_the_library() -> None:
    assert stripe.api_version == API_VERSION


async def test_a_wrong_key_is_refused(sandbox: RunningSandbox) -> None:
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key provided") as refused:
        async with connected(sandbox, "sk_test_another_key_1234") as stranger:
            await stranger.v1.customers.list_async()
    assert refused.value.http_status == 401 and "another" not in str(refused.value)
    answer = await sandbox.http.get("/v1/customers")
    assert answer.status_code == 401 and answer.json()["error"]["type"] == "invalid_request_error"


async def test_another_version_is_refused(sandbox: RunningSandbox) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version"):
        async with connected(sandbox, stripe_version="2024-06-20") as old:
            await old.v1.customers.list_async()
    without = await sandbox.http.get("/v1/customers", auth=(SECRET_KEY, ""))
    assert without.status_code == 200 and without.headers["stripe-version"] == API_VERSION


async def test_an_unknown_parameter_is_named(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    # Gone from Checkout in this version.
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await open_session(client, payment_method_types=["card"])
    assert refused.value.user_message == "Received unknown parameter: payment_method_types"
    assert refused.value.http_status == 400
    assert named(refused.value) == ("parameter_unknown", "payment_method_types")
    price = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "x", "colour": "red"}}
    with pytest.raises(stripe.InvalidRequestError) as nested:
        await open_session(client, line_items=[{"price_data": price, "quantity": 1}])
    assert named(nested.value)[1] == "line_items[0][price_data][product_data][colour]"


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"success_url": "/relative"}, "url_invalid", "success_url"),
        ({"success_url": ""}, "parameter_invalid_empty", "success_url"),
        ({"line_items": [{"quantity": 1}]}, "parameter_missing", "line_items[0][price_data]"),
        ({"mode": "subscription"}, "sandbox_not_simulated", "mode"),
        ({"ui_mode": "embedded"}, None, "ui_mode"),
        ({"automatic_tax": {"enabled": True}}, "sandbox_not_simulated", "automatic_tax[enabled]"),
        ({"expires_at": "soon"}, "parameter_invalid_integer", "expires_at"),
        ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
        ({"customer": "cus_missing"}, "resource_missing", "customer"),
    ],
)
async def test_a_wrong_parameter_is_named(
    client: stripe.StripeClient, sandbox: RunningSandbox, changes: dict[str, Any], code: str | None, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await open_session(client, **changes)
    assert (refused.value.http_status, *named(refused.value)) == (400, code, param)


async def test_what_does_not_exist_is_404(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such payment_intent: 'pi_none'") as refused:
        await client.v1.payment_intents.retrieve_async("pi_none")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        await client.v1.subscriptions.list_async()


async def test_a_key_repeats_the_first_answer(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    options: Any = {"idempotency_key": "purchase-1"}
    first = await client.v1.customers.create_async({"email": "a@example.com"}, options)
    again = await client.v1.customers.create_async({"email": "a@example.com"}, options)
    assert again.id == first.id and again.last_response is not None and first.last_response is not None
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert again.last_response.headers["Original-Request"] == first.last_response.headers["Request-Id"]
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert len((await client.v1.customers.list_async()).data) == 1

    with pytest.raises(stripe.IdempotencyError, match="same parameters") as refused:
        await client.v1.customers.create_async({"email": "b@example.com"}, options)
    assert refused.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        await client.v1.refunds.create_async({"payment_intent": "pi_1"}, options)


async def test_a_declined_card_is_repeated_too_and_a_wrong_parameter_is_not(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    declined: Any = {"amount": 500, "currency": "usd", "confirm": True, "payment_method": "pm_card_chargeDeclined"}
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            await client.v1.payment_intents.create_async(declined, {"idempotency_key": "k1"})
    assert len((await client.v1.charges.list_async()).data) == 1
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.payment_intents.create_async({"amount": 0, "currency": "usd"}, {"idempotency_key": "k2"})
    corrected = await client.v1.payment_intents.create_async(
        {"amount": 500, "currency": "usd"}, {"idempotency_key": "k2"}
    )
    assert corrected.status == "requires_payment_method"


async def test_a_refusal_leaves_nothing_behind(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        await client.v1.payment_intents.create_async({"amount": 500, "currency": "usd", "confirm": True})
    assert (await client.v1.payment_intents.list_async()).data == []
    assert (await client.v1.events.list_async()).data == []


async def test_what_is_not_kept_cannot_be_expanded(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    intent = await buy(client, sandbox)
    charge = await client.v1.charges.retrieve_async(intent["latest_charge"], {"expand": ["payment_intent.customer"]})
    assert isinstance(charge.payment_intent, stripe.PaymentIntent)
    listed = await client.v1.payment_intents.list_async({"expand": ["data.latest_charge"]})
    assert isinstance(listed.data[0].latest_charge, stripe.Charge)
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        await client.v1.charges.retrieve_async(charge.id, {"expand": ["balance_transaction"]})


async def test_injected_failures_reach_the_client_as_stripes_do(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    await sandbox.control("POST", "/sandbox/faults", {"kind": "rate_limit", "path": "/v1/customers"})
    with pytest.raises(stripe.RateLimitError):
        await client.v1.customers.list_async()
    await sandbox.control("POST", "/sandbox/faults", {"kind": "server_error", "times": 2})
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            await client.v1.customers.create_async({})
    assert (await client.v1.customers.list_async()).data == []
    await sandbox.control("POST", "/sandbox/faults", {"kind": "refused", "method": "POST"})
    for _ in range(2):  # The second one by the key alone.
        with pytest.raises(stripe.InvalidRequestError, match="not set up"):
            await client.v1.customers.create_async({}, {"idempotency_key": "refused"})
    await sandbox.control("POST", "/sandbox/faults", {"kind": "timeout", "seconds": 30})
    with pytest.raises(stripe.APIConnectionError):
        async with connected(sandbox, timeout=0.2) as impatient:
            await impatient.v1.customers.list_async()
    unknown = await sandbox.http.post("/sandbox/faults", json={"kind": "flood"})
    assert unknown.status_code == 400 and "rate_limit" in unknown.text


async def test_a_lost_answer_is_made_good_by_the_retry(sandbox: RunningSandbox) -> None:
    """The effect happened, the answer did not arrive: the library's own retry must find it."""
    await sandbox.control("POST", "/sandbox/faults", {"kind": "disconnect", "applied": True, "method": "POST"})
    async with connected(sandbox, max_network_retries=2) as retrying:
        customer = await retrying.v1.customers.create_async({"email": "a@example.com"})
        assert customer.last_response is not None
        assert customer.last_response.headers["Idempotent-Replayed"] == "true"
        assert [entry.id for entry in (await retrying.v1.customers.list_async()).data] == [customer.id]


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("a[b=1", "application/x-www-form-urlencoded", "Invalid parameter name"),
        ("metadata=1&metadata[a]=1", "application/x-www-form-urlencoded", "Invalid object"),
        ("metadata[a]=%ff", "application/x-www-form-urlencoded", "could not be decoded"),
        ('{"email": "a"}', "application/json", "content type"),
        ("email=" + "a" * 2_000_000, "application/x-www-form-urlencoded", "larger than"),
    ],
)
async def test_a_body_that_makes_no_sense_is_refused(sandbox: RunningSandbox, body: str, kind: str, words: str) -> None:
    answer = await sandbox.http.post(
        "/v1/customers", content=body, headers={"content-type": kind}, auth=httpx.BasicAuth(SECRET_KEY, "")
    )
    assert answer.status_code in (400, 413) and words in answer.json()["error"]["message"]


async def test_objects_have_the_fields_that_the_library_declares(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    customer = await client.v1.customers.create_async({"email": "a@example.com"})
    session = await open_session(client, customer=customer.id)
    await sandbox.http.post(
        f"/c/pay/{session['id']}",
        data={"number": "4000000000000259", "expiry": "12/40", "cvc": "123", "name": "Sample"},
    )
    intent = await client.v1.payment_intents.retrieve_async((await client.v1.payment_intents.list_async()).data[0].id)
    plain = await buy(client, sandbox)
    samples: list[stripe.StripeObject] = [
        customer,
        intent,
        await client.v1.checkout.sessions.retrieve_async(session["id"]),
        await client.v1.charges.retrieve_async(plain["latest_charge"]),
        await client.v1.refunds.create_async({"payment_intent": plain["id"]}),
        *(await client.v1.disputes.list_async()).data,
        (await client.v1.events.list_async()).data[0],
    ]
    assert len(samples) == 7
    for sample in samples:
        declared = inspect.get_annotations(type(sample))
        needed = {
            name
            for name, hint in declared.items()
            if not str(hint).startswith("typing.ClassVar") and not _optional(hint)
        }
        shown = set(sample.to_dict())
        assert needed <= shown, (type(sample), needed - shown)
        assert shown <= set(declared), (type(sample), shown - set(declared))


def _optional(hint: Any) -> bool:
    return typing.get_origin(hint) is Union and type(None) in typing.get_args(hint)
