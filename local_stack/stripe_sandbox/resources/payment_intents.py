"""Payment intents."""

from local_stack.stripe_sandbox import payments
from local_stack.stripe_sandbox.cards import Card, card_by_number, card_by_payment_method
from local_stack.stripe_sandbox.endpoints import Context, Endpoint, Reply
from local_stack.stripe_sandbox.errors import JsonObject, missing, refused
from local_stack.stripe_sandbox.identifiers import new_id, random_text
from local_stack.stripe_sandbox.listing import CREATED, PAGING, list_of
from local_stack.stripe_sandbox.money import currency
from local_stack.stripe_sandbox.parameters import (
    Shape,
    choice,
    fields,
    flag,
    items,
    merged_metadata,
    metadata,
    optional,
    required,
    text,
    url,
    whole,
)
from local_stack.stripe_sandbox.resources.customers import ADDRESS, existing_customer
from local_stack.stripe_sandbox.resources.events import emit
from local_stack.stripe_sandbox.resources.payment_methods import CardUse
from local_stack.stripe_sandbox.settings import AMOUNT_MAX, AMOUNT_MIN

SHIPPING: Shape = {
    "address": required(fields(ADDRESS)),
    "name": required(text()),
    "carrier": optional(text()),
    "phone": optional(text()),
    "tracking_number": optional(text()),
}
# What may also be given for the intent of a checkout session.
SHARED: Shape = {
    "capture_method": optional(choice("automatic", "automatic_async", elsewhere=("manual",))),
    "description": optional(text()),
    "metadata": optional(metadata()),
    "receipt_email": optional(text(512)),
    "shipping": optional(fields(SHIPPING)),
    "statement_descriptor": optional(text(22)),
    "statement_descriptor_suffix": optional(text(22)),
}
_CONFIRM: Shape = {"payment_method": optional(text()), "return_url": optional(url())}
_CREATE: Shape = {
    **SHARED,
    **_CONFIRM,
    "amount": required(whole(1, AMOUNT_MAX)),
    "currency": required(currency()),
    "customer": optional(text()),
    "confirm": optional(flag()),
    "automatic_payment_methods": optional(
        fields({"enabled": required(flag()), "allow_redirects": optional(choice("always", "never"))})
    ),
    "payment_method_types": optional(items(choice("card"))),
}
_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def new_intent(context: Context, parameters: JsonObject) -> JsonObject:
    """Create and announce an intent; `parameters` as in `_CREATE`, already checked."""
    if parameters["amount"] < AMOUNT_MIN:
        message = f"Amount must be at least {AMOUNT_MIN} of the currency's smallest unit"
        raise refused(message, code="amount_too_small", param="amount")
    identifier = new_id("payment_intent")
    intent: JsonObject = {
        "id": identifier,
        "object": "payment_intent",
        "amount": parameters["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": parameters.get("automatic_payment_methods"),
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": parameters.get("capture_method", "automatic_async"),
        "client_secret": f"{identifier}_secret_{random_text(25)}",
        "confirmation_method": "automatic",
        "created": context.now,
        "currency": parameters["currency"],
        "customer": parameters.get("customer"),
        "description": parameters.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": merged_metadata({}, parameters.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": parameters.get("receipt_email"),
        "review": None,
        "setup_future_usage": None,
        "shipping": parameters.get("shipping"),
        "source": None,
        "statement_descriptor": parameters.get("statement_descriptor"),
        "statement_descriptor_suffix": parameters.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
    context.store.insert(intent, created=context.now, hidden={"return_url": parameters.get("return_url")})
    emit(context, "payment_intent.created", intent)
    return intent


def cancel_intent(context: Context, intent: JsonObject, *, reason: str | None) -> JsonObject:
    intent.update(status="canceled", canceled_at=context.now, cancellation_reason=reason, next_action=None)
    context.store.save(intent)
    emit(context, "payment_intent.canceled", intent)
    return intent


def is_open(intent: JsonObject) -> bool:
    """Whether it can still be paid."""
    return intent["status"] in _OPEN


def _create(context: Context, parameters: JsonObject, _: str) -> JsonObject | Reply:
    if parameters.get("customer"):
        existing_customer(context, parameters["customer"])
    card = _card(context, parameters)
    intent = new_intent(context, parameters)
    if parameters.get("confirm"):
        return _confirmed(context, intent, card)
    if card is not None:
        _keep_card(context, intent, card)
    return intent


def _confirm(context: Context, parameters: JsonObject, id: str) -> JsonObject | Reply:
    intent = context.store.get("payment_intent", id)
    _require_open(context, intent, "confirm")
    hidden = context.store.hidden(id)
    if parameters.get("return_url"):
        context.store.save_hidden(id, {**hidden, "return_url": parameters["return_url"]})
    card = _card(context, parameters)
    if card is None and "number" in hidden:
        card = card_by_number(hidden["number"])
    return _confirmed(context, intent, card)


def _confirmed(context: Context, intent: JsonObject, card: Card | None) -> JsonObject | Reply:
    if card is None:
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise refused(message, code="payment_intent_unexpected_state")
    intent = payments.pay(context, intent, CardUse(card))
    if intent["status"] == "succeeded":
        payments.after_payment(context, intent)
    if intent["last_payment_error"] is not None:
        return Reply(402, payments.card_error(intent))
    return intent


def _card(context: Context, parameters: JsonObject) -> Card | None:
    identifier = parameters.get("payment_method")
    if identifier is None:
        return None
    card = card_by_payment_method(identifier)
    if card is not None:
        return card
    if context.store.find("payment_method", identifier) is None:
        raise missing("PaymentMethod", identifier, param="payment_method")
    return card_by_number(context.store.hidden(identifier)["number"])


def _keep_card(context: Context, intent: JsonObject, card: Card) -> None:
    hidden = context.store.hidden(intent["id"])
    context.store.save_hidden(intent["id"], {**hidden, "number": card.number})
    intent["status"] = "requires_confirmation"
    context.store.save(intent)


def _update(context: Context, parameters: JsonObject, id: str) -> JsonObject:
    intent = context.store.get("payment_intent", id)
    if "metadata" in parameters:
        intent["metadata"] = merged_metadata(intent["metadata"], parameters["metadata"])
    intent.update({name: value for name, value in parameters.items() if name != "metadata"})
    context.store.save(intent)
    return intent


def _cancel(context: Context, parameters: JsonObject, id: str) -> JsonObject:
    intent = context.store.get("payment_intent", id)
    _require_open(context, intent, "cancel")
    return cancel_intent(context, intent, reason=parameters.get("cancellation_reason"))


def _require_open(context: Context, intent: JsonObject, act: str) -> None:
    if not is_open(intent):
        message = f"You cannot {act} this PaymentIntent because it has a status of {intent['status']}."
        raise refused(message, code="payment_intent_unexpected_state")
    if context.store.select("checkout.session", fields={"payment_intent": intent["id"]}):
        message = f"You cannot {act} this PaymentIntent because it belongs to a Checkout Session: expire that instead."
        raise refused(message, code="payment_intent_unexpected_state")


def _retrieve(context: Context, _: JsonObject, id: str) -> JsonObject:
    return context.store.get("payment_intent", id)


def _list(context: Context, parameters: JsonObject, _: str) -> JsonObject:
    return list_of(context, "payment_intent", parameters, url="/v1/payment_intents", filters=("customer",))


_REASONS = choice("abandoned", "duplicate", "fraudulent", "requested_by_customer")
ENDPOINTS = (
    Endpoint("POST", "/v1/payment_intents", _create, _CREATE),
    Endpoint("GET", "/v1/payment_intents", _list, {**PAGING, **CREATED, "customer": optional(text())}),
    Endpoint("GET", "/v1/payment_intents/{id}", _retrieve),
    Endpoint(
        "POST",
        "/v1/payment_intents/{id}",
        _update,
        {"description": optional(text()), "metadata": optional(metadata()), "receipt_email": optional(text(512))},
    ),
    Endpoint("POST", "/v1/payment_intents/{id}/confirm", _confirm, _CONFIRM),
    Endpoint("POST", "/v1/payment_intents/{id}/cancel", _cancel, {"cancellation_reason": optional(_REASONS)}),
)
