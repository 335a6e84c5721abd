"""What a checkout session may be created with."""

from local_stack.stripe_sandbox.money import currency
from local_stack.stripe_sandbox.parameters import (
    Shape,
    choice,
    fields,
    items,
    metadata,
    only_off,
    optional,
    required,
    text,
    url,
    whole,
)
from local_stack.stripe_sandbox.resources.payment_intents import SHARED
from local_stack.stripe_sandbox.settings import AMOUNT_MAX

_PRODUCT: Shape = {
    "name": required(text()),
    "description": optional(text()),
    "images": optional(items(url(), maximum=8)),
    "metadata": optional(metadata()),
}
_PRICE: Shape = {
    "currency": required(currency()),
    "product_data": required(fields(_PRODUCT)),
    "unit_amount": required(whole(0, AMOUNT_MAX)),
    "tax_behavior": optional(choice("exclusive", "inclusive", "unspecified")),
}
_LINE: Shape = {
    "price_data": required(fields(_PRICE)),
    "quantity": required(whole(1, 999_999)),
    "metadata": optional(metadata()),
}
CREATE: Shape = {
    "adaptive_pricing": optional(fields({"enabled": optional(only_off("adaptive pricing"))})),
    "allow_promotion_codes": optional(only_off("promotion codes")),
    "automatic_tax": optional(fields({"enabled": required(only_off("taxes"))})),
    "billing_address_collection": optional(choice("auto", elsewhere=("required",))),
    "cancel_url": optional(url()),
    "client_reference_id": optional(text(200)),
    "customer": optional(text()),
    "customer_creation": optional(choice("always", "if_required")),
    "customer_email": optional(text(800)),
    "expires_at": optional(whole()),
    "line_items": required(items(fields(_LINE), minimum=1)),
    "locale": optional(text(10)),
    "metadata": optional(metadata()),
    "mode": required(choice("payment", elsewhere=("setup", "subscription"))),
    "payment_intent_data": optional(fields(SHARED)),
    "submit_type": optional(choice("auto", "book", "donate", "pay")),
    "success_url": required(url()),
    "ui_mode": optional(choice("hosted_page", elsewhere=("elements", "embedded_page", "form"))),
}
UPDATE: Shape = {"metadata": optional(metadata())}
