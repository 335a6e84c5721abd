"""Checkout sessions, mode payment. Subscriptions would add their mode here and their objects beside it."""

from dataclasses import replace

from local_stack.stripe_sandbox.endpoints import Context, Endpoint
from local_stack.stripe_sandbox.errors import JsonObject, invalid, refused
from local_stack.stripe_sandbox.identifiers import new_id
from local_stack.stripe_sandbox.listing import CREATED, PAGING, list_of
from local_stack.stripe_sandbox.parameters import choice, merged_metadata, optional, text
from local_stack.stripe_sandbox.resources import checkout_shape
from local_stack.stripe_sandbox.resources.customers import existing_customer, new_customer
from local_stack.stripe_sandbox.resources.events import emit
from local_stack.stripe_sandbox.resources.payment_intents import cancel_intent, is_open, new_intent
from local_stack.stripe_sandbox.settings import AMOUNT_MIN, SESSION_SECONDS_MAX, SESSION_SECONDS_MIN


def intent_of(context: Context, session: JsonObject, email: str | None) -> JsonObject:
    """The session's payment intent, made when a person first tries to pay."""
    if session["payment_intent"]:
        return context.store.get("payment_intent", session["payment_intent"])
    if session["customer"] is None and session["customer_creation"] == "always":
        session["customer"] = new_customer(context, {"email": email})["id"]
    parameters = {
        **context.store.hidden(session["id"])["payment_intent_data"],
        "amount": session["amount_total"],
        "currency": session["currency"],
        "customer": session["customer"],
    }
    intent = new_intent(context, parameters)
    session["payment_intent"] = intent["id"]
    context.store.save(session)
    return intent


def complete_session(context: Context, session: JsonObject, *, email: str | None, name: str | None) -> None:
    """The money is there: close the session and say so."""
    details: JsonObject = {
        "address": None,
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }
    session.update(status="complete", payment_status="paid", url=None, customer_details=details)
    context.store.save(session)
    # Stripe sends this one by itself, not as the effect of a request.
    emit(replace(context, request_id=None, idempotency_key=None), "checkout.session.completed", session)


def expire_session(context: Context, session: JsonObject) -> JsonObject:
    """Close an open session; its intent, if any, can no longer be paid."""
    if session["status"] != "open":
        message = 'Only Checkout Sessions with a status in ["open"] can be expired. '
        raise refused(f"{message}This Checkout Session has a status of `{session['status']}`.", param="session")
    session.update(status="expired", url=None)
    context.store.save(session)
    emit(context, "checkout.session.expired", session)
    if session["payment_intent"]:
        intent = context.store.get("payment_intent", session["payment_intent"])
        if is_open(intent):
            cancel_intent(context, intent, reason="expired")
    return session


def expire_if_due(context: Context, session: JsonObject) -> JsonObject:
    """The session as it is now: its time may have run out since it was last looked at."""
    if session["status"] == "open" and session["expires_at"] <= context.now:
        return expire_session(context, session)
    return session


def expire_due_sessions(context: Context) -> int:
    """Close every session whose time is over. Returns how many."""
    overdue = [
        ("json_extract(body, '$.status') = ?", ["open"]),
        ("json_extract(body, '$.expires_at') <= ?", [context.now]),
    ]
    sessions = context.store.select("checkout.session", where=overdue)
    for session in sessions:
        expire_session(context, session)
    return len(sessions)


def _create(context: Context, parameters: JsonObject, _: str) -> JsonObject:
    if parameters.get("customer") and parameters.get("customer_email"):
        message = "You may only specify one of these parameters: customer, customer_email."
        raise invalid(message, param="customer_email")
    if parameters.get("customer"):
        if parameters.get("customer_creation"):
            message = "You can only use `customer_creation` when `customer` is not set."
            raise invalid(message, param="customer_creation")
        existing_customer(context, parameters["customer"])
    lines = [_line_item(line) for line in parameters["line_items"]]
    code = lines[0]["currency"]
    if any(line["currency"] != code for line in lines):
        raise invalid("All line items must have the same currency.", param="line_items")
    total = sum(line["amount_total"] for line in lines)
    if total < AMOUNT_MIN:
        message = f"The Checkout Session's total amount due must add up to at least {AMOUNT_MIN} {code} minor units."
        raise refused(message, code="amount_too_small")
    session = _new_session(context, parameters, total, code)
    hidden = {"line_items": lines, "payment_intent_data": parameters.get("payment_intent_data", {})}
    context.store.insert(session, created=context.now, hidden=hidden)
    return session


def _expires_at(context: Context, parameters: JsonObject) -> int:
    wanted = parameters.get("expires_at", context.now + SESSION_SECONDS_MAX)
    if wanted < context.now + SESSION_SECONDS_MIN:
        message = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
        raise invalid(message, param="expires_at")
    if wanted > context.now + SESSION_SECONDS_MAX:
        message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
        raise invalid(message, param="expires_at")
    return wanted


def _new_session(context: Context, parameters: JsonObject, total: int, code: str) -> JsonObject:
    identifier = new_id("checkout.session")
    customer = parameters.get("customer")
    return {
        "id": identifier,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": parameters.get("allow_promotion_codes"),
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": parameters.get("billing_address_collection"),
        "cancel_url": parameters.get("cancel_url"),
        "client_reference_id": parameters.get("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": context.now,
        "currency": code,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": customer,
        "customer_creation": None if customer else parameters.get("customer_creation", "if_required"),
        "customer_details": None,
        "customer_email": parameters.get("customer_email"),
        "discounts": [],
        "expires_at": _expires_at(context, parameters),
        "invoice": None,
        "invoice_creation": None,
        "livemode": False,
        "locale": parameters.get("locale"),
        "metadata": merged_metadata({}, parameters.get("metadata")),
        "mode": "payment",
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "if_required",
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": parameters.get("submit_type"),
        "subscription": None,
        "success_url": parameters["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{context.base_url}/c/pay/{identifier}",
        "wallet_options": None,
    }


def _line_item(line: JsonObject) -> JsonObject:
    data, quantity = line["price_data"], line["quantity"]
    product = data["product_data"]
    amount = data["unit_amount"] * quantity
    return {
        "id": new_id("item"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": data["currency"],
        "description": product["name"],
        "metadata": merged_metadata({}, line.get("metadata")),
        "price": {
            "id": new_id("price"),
            "object": "price",
            "active": False,
            "currency": data["currency"],
            "metadata": {},
            "product": new_id("product"),
            "recurring": None,
            "type": "one_time",
            "unit_amount": data["unit_amount"],
            "unit_amount_decimal": str(data["unit_amount"]),
        },
        "quantity": quantity,
    }


def _expire(context: Context, _: JsonObject, id: str) -> JsonObject:
    return expire_session(context, context.store.get("checkout.session", id))


def _retrieve(context: Context, _: JsonObject, id: str) -> JsonObject:
    return expire_if_due(context, context.store.get("checkout.session", id))


def _update(context: Context, parameters: JsonObject, id: str) -> JsonObject:
    session = context.store.get("checkout.session", id)
    if "metadata" in parameters:
        session["metadata"] = merged_metadata(session["metadata"] or {}, parameters["metadata"])
        context.store.save(session)
    return session


def _list(context: Context, parameters: JsonObject, _: str) -> JsonObject:
    expire_due_sessions(context)
    filters = ("customer", "payment_intent", "status")
    return list_of(context, "checkout.session", parameters, url="/v1/checkout/sessions", filters=filters)


def _line_items(context: Context, parameters: JsonObject, id: str) -> JsonObject:
    context.store.get("checkout.session", id)
    lines = context.store.hidden(id)["line_items"][: parameters.get("limit", 10)]
    return {"object": "list", "url": f"/v1/checkout/sessions/{id}/line_items", "has_more": False, "data": lines}


ENDPOINTS = (
    Endpoint("POST", "/v1/checkout/sessions", _create, checkout_shape.CREATE),
    Endpoint(
        "GET",
        "/v1/checkout/sessions",
        _list,
        {
            **PAGING,
            **CREATED,
            "customer": optional(text()),
            "payment_intent": optional(text()),
            "status": optional(choice("open", "complete", "expired")),
        },
    ),
    Endpoint("GET", "/v1/checkout/sessions/{id}", _retrieve),
    Endpoint("POST", "/v1/checkout/sessions/{id}", _update, checkout_shape.UPDATE),
    Endpoint("POST", "/v1/checkout/sessions/{id}/expire", _expire),
    Endpoint("GET", "/v1/checkout/sessions/{id}/line_items", _line_items, PAGING),
)
