"""Charges: one attempt on a card."""

from local_stack.stripe_sandbox.cards import Card
from local_stack.stripe_sandbox.endpoints import Context, Endpoint
from local_stack.stripe_sandbox.errors import JsonObject
from local_stack.stripe_sandbox.identifiers import new_id
from local_stack.stripe_sandbox.listing import CREATED, PAGING, list_of
from local_stack.stripe_sandbox.parameters import merged_metadata, metadata, optional, text
from local_stack.stripe_sandbox.resources.events import emit


def new_charge(
    context: Context, intent: JsonObject, method: JsonObject, card: Card, *, authenticated: bool
) -> JsonObject:
    """Charge the card: succeeded, or failed for the reason the card gives."""
    decline = card.decline
    charge: JsonObject = {
        "id": new_id("charge"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0 if decline else intent["amount"],
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "LOCAL SANDBOX",
        "captured": decline is None,
        "created": context.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": _outcome(card),
        "paid": decline is None,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": _card_details(method, authenticated), "type": "card"},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "failed" if decline else "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }
    context.store.insert(charge, created=context.now)
    return charge


def _outcome(card: Card) -> JsonObject:
    decline = card.decline
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if decline else "approved_by_network",
        "reason": (decline.decline_code or decline.code) if decline else None,
        "risk_level": "normal",
        "seller_message": "The bank declined the payment." if decline else "Payment complete.",
        "type": "issuer_declined" if decline else "authorized",
    }


def _card_details(method: JsonObject, authenticated: bool) -> JsonObject:
    card = method["card"]
    secure = {"authentication_flow": "challenge", "result": "authenticated", "result_reason": None, "version": "2.2.0"}
    return {
        **{name: card[name] for name in ("brand", "country", "exp_month", "exp_year", "funding", "last4")},
        "checks": card["checks"],
        "network": card["brand"],
        "three_d_secure": secure if authenticated else None,
        "wallet": None,
    }


def _retrieve(context: Context, _: JsonObject, id: str) -> JsonObject:
    return context.store.get("charge", id)


def _update(context: Context, parameters: JsonObject, id: str) -> JsonObject:
    charge = context.store.get("charge", id)
    previous = {name: charge[name] for name in parameters}
    charge.update(parameters)
    if "metadata" in parameters:
        charge["metadata"] = merged_metadata(previous["metadata"], parameters["metadata"])
    context.store.save(charge)
    emit(context, "charge.updated", charge, previous)
    return charge


def _list(context: Context, parameters: JsonObject, _: str) -> JsonObject:
    return list_of(context, "charge", parameters, url="/v1/charges", filters=("customer", "payment_intent"))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/charges",
        _list,
        {**PAGING, **CREATED, "customer": optional(text()), "payment_intent": optional(text())},
    ),
    Endpoint("GET", "/v1/charges/{id}", _retrieve),
    Endpoint(
        "POST",
        "/v1/charges/{id}",
        _update,
        {"description": optional(text()), "metadata": optional(metadata())},
    ),
)
