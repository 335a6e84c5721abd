"""Cards as Stripe keeps them once they were used."""

from dataclasses import dataclass

from local_stack.stripe_sandbox.cards import Card
from local_stack.stripe_sandbox.endpoints import Context, Endpoint
from local_stack.stripe_sandbox.errors import JsonObject
from local_stack.stripe_sandbox.identifiers import new_id


@dataclass(frozen=True)
class CardUse:
    """A card and what was typed beside it."""

    card: Card
    expiry_month: int = 12
    expiry_year: int = 2040
    name: str | None = None
    email: str | None = None


def new_payment_method(context: Context, use: CardUse) -> JsonObject:
    checks = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}
    method: JsonObject = {
        "id": new_id("payment_method"),
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": {
            "address": {name: None for name in ("city", "country", "line1", "line2", "postal_code", "state")},
            "email": use.email,
            "name": use.name,
            "phone": None,
            "tax_id": None,
        },
        "card": {
            "brand": use.card.brand,
            "checks": checks,
            "country": "US",
            "exp_month": use.expiry_month,
            "exp_year": use.expiry_year,
            "fingerprint": f"sandbox{use.card.last4}",
            "funding": "credit",
            "last4": use.card.last4,
            "networks": {"available": [use.card.brand], "preferred": None},
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": context.now,
        "customer": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }
    # The number stays hidden: it decides what later confirmations do.
    context.store.insert(method, created=context.now, hidden={"number": use.card.number})
    return method


def _retrieve(context: Context, _: JsonObject, id: str) -> JsonObject:
    return context.store.get("payment_method", id)


ENDPOINTS = (Endpoint("GET", "/v1/payment_methods/{id}", _retrieve),)
