"""Customers."""

from local_stack.stripe_sandbox.endpoints import Context, Endpoint
from local_stack.stripe_sandbox.errors import JsonObject
from local_stack.stripe_sandbox.identifiers import new_id, random_text
from local_stack.stripe_sandbox.listing import CREATED, PAGING, list_of
from local_stack.stripe_sandbox.parameters import Shape, fields, items, merged_metadata, metadata, optional, text
from local_stack.stripe_sandbox.resources.events import emit

ADDRESS: Shape = {name: optional(text()) for name in ("city", "country", "line1", "line2", "postal_code", "state")}
_WRITABLE: Shape = {
    "address": optional(fields(ADDRESS)),
    "description": optional(text()),
    "email": optional(text(512)),
    "metadata": optional(metadata()),
    "name": optional(text(256)),
    "phone": optional(text(20)),
    "preferred_locales": optional(items(text())),
}


def new_customer(context: Context, parameters: JsonObject) -> JsonObject:
    """Create and announce a customer."""
    customer: JsonObject = {
        "id": new_id("customer"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": context.now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": random_text(8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
        **parameters,
        "metadata": merged_metadata({}, parameters.get("metadata")),
    }
    context.store.insert(customer, created=context.now)
    emit(context, "customer.created", customer)
    return customer


def existing_customer(context: Context, identifier: str) -> JsonObject:
    """A customer named in a parameter; raises resource_missing for `customer`."""
    return context.store.get("customer", identifier, param="customer")


def _create(context: Context, parameters: JsonObject, _: str) -> JsonObject:
    return new_customer(context, parameters)


def _retrieve(context: Context, _: JsonObject, id: str) -> JsonObject:
    deleted = context.store.find("deleted_customer", id)
    return deleted["shown"] if deleted else context.store.get("customer", id)


def _update(context: Context, parameters: JsonObject, id: str) -> JsonObject:
    customer = context.store.get("customer", id)
    changes = dict(parameters)
    if "metadata" in changes:
        changes["metadata"] = merged_metadata(customer["metadata"], changes["metadata"])
    previous = {name: customer[name] for name, value in changes.items() if customer[name] != value}
    customer.update(changes)
    context.store.save(customer)
    if previous:
        emit(context, "customer.updated", customer, previous)
    return customer


def _delete(context: Context, _: JsonObject, id: str) -> JsonObject:
    customer = context.store.get("customer", id)
    emit(context, "customer.deleted", customer)
    shown = {"id": id, "object": "customer", "deleted": True}
    context.store.replace(id, "deleted_customer", {"id": id, "object": "deleted_customer", "shown": shown})
    return shown


def _list(context: Context, parameters: JsonObject, _: str) -> JsonObject:
    return list_of(context, "customer", parameters, url="/v1/customers", filters=("email",))


ENDPOINTS = (
    Endpoint("POST", "/v1/customers", _create, _WRITABLE),
    Endpoint("GET", "/v1/customers", _list, {**PAGING, **CREATED, "email": optional(text())}),
    Endpoint("GET", "/v1/customers/{id}", _retrieve),
    Endpoint("POST", "/v1/customers/{id}", _update, _WRITABLE),
    Endpoint("DELETE", "/v1/customers/{id}", _delete),
)
