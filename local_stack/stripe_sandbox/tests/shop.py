"""What a shop and its customer do, in one line each."""

from typing import Any

import httpx
import stripe

from local_stack.stripe_sandbox.tests.running import RunningSandbox

SUCCESS = "4242 4242 4242 4242"


async def open_session(client: stripe.StripeClient, **changes: Any) -> dict[str, Any]:
    """A checkout session for a pack of $5."""
    parameters: Any = {
        "mode": "payment",
        "ui_mode": "hosted_page",
        "line_items": [
            {
                "price_data": {"currency": "usd", "unit_amount": 500, "product_data": {"name": "100 tokens"}},
                "quantity": 1,
            }
        ],
        "metadata": {"purchase_id": "p1"},
        "payment_intent_data": {"metadata": {"purchase_id": "p1", "kind": "token_pack"}},
        "client_reference_id": "p1",
        "success_url": "http://127.0.0.1:9/success?session_id={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://127.0.0.1:9/cancel",
        **changes,
    }
    return (await client.v1.checkout.sessions.create_async(parameters)).to_dict()


async def submit(sandbox: RunningSandbox, session: dict[str, Any], number: str, **changes: str) -> httpx.Response:
    """Post the hosted page's form."""
    values = {
        "email": "person@example.com",
        "number": number,
        "expiry": "12/40",
        "cvc": "123",
        "name": "Sample",
        **changes,
    }
    return await sandbox.http.post(f"/c/pay/{session['id']}", data=values)


async def buy(client: stripe.StripeClient, sandbox: RunningSandbox, number: str = SUCCESS) -> dict[str, Any]:
    """A paid session's payment intent."""
    session = await open_session(client)
    response = await submit(sandbox, session, number)
    assert response.status_code == 303, response.text
    paid = (await client.v1.checkout.sessions.retrieve_async(session["id"])).to_dict()
    return (await client.v1.payment_intents.retrieve_async(paid["payment_intent"])).to_dict()


def named(refusal: stripe.InvalidRequestError) -> tuple[str | None, str | None]:
    """The code and the parameter of a refusal."""
    param: Any = refusal.param  # pyright: ignore[reportUnknownMemberType] - untyped in the library
    return refusal.code, param


async def event_types(client: stripe.StripeClient) -> list[str]:
    """Types of all events, oldest first."""
    events = await client.v1.events.list_async({"limit": 100})
    return [event.type for event in reversed(events.data)]
