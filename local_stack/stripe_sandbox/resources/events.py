"""Events: what happened, as a snapshot, and the deliveries that this calls for."""

from local_stack.stripe_sandbox.endpoints import Context, Endpoint
from local_stack.stripe_sandbox.errors import JsonObject, invalid
from local_stack.stripe_sandbox.identifiers import new_id
from local_stack.stripe_sandbox.listing import CREATED, PAGING, list_of
from local_stack.stripe_sandbox.parameters import flag, items, optional, text
from local_stack.stripe_sandbox.settings import API_VERSION
from local_stack.stripe_sandbox.webhooks import queue

_TYPES_MAX = 20
_WITHOUT_SUCCESS = "select event_id from deliveries where status <> 'delivered'"


def emit(context: Context, type: str, body: JsonObject, previous: JsonObject | None = None) -> None:
    """Record an event about `body` as it is now; call it after the object was saved."""
    data: JsonObject = {"object": body}
    if previous is not None:
        data["previous_attributes"] = previous
    event: JsonObject = {
        "id": new_id("event"),
        "object": "event",
        "api_version": API_VERSION,
        "created": context.now,
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": context.request_id, "idempotency_key": context.idempotency_key},
        "type": type,
    }
    context.store.insert(event, created=context.now)
    if context.has_webhook:
        queue.enqueue(context.store, event["id"])


def _list(context: Context, parameters: JsonObject, _: str) -> JsonObject:
    if parameters.get("type") and parameters.get("types"):
        raise invalid("You may only specify one of these parameters: type, types.", param="type")
    where: list[tuple[str, list[object]]] = []
    if pattern := parameters.get("type"):
        # Stripe's `*` stands for any text; GLOB's other signs are taken literally.
        escaped = pattern.replace("[", "[[]").replace("?", "[?]")
        where.append(("json_extract(body, '$.type') glob ?", [escaped]))
    if types := parameters.get("types"):
        where.append((f"json_extract(body, '$.type') in ({', '.join('?' * len(types))})", types))
    if "delivery_success" in parameters:
        # Pending and failed deliveries both count as not successful.
        membership = "not in" if parameters["delivery_success"] else "in"
        where.append((f"id {membership} ({_WITHOUT_SUCCESS})", []))
    page = list_of(context, "event", parameters, url="/v1/events", where=where)
    for event in page["data"]:
        event["pending_webhooks"] = queue.pending_count(context.store, event["id"])
    return page


def _retrieve(context: Context, _: JsonObject, id: str) -> JsonObject:
    event = context.store.get("event", id)
    event["pending_webhooks"] = queue.pending_count(context.store, id)
    return event


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/events",
        _list,
        {
            **PAGING,
            **CREATED,
            "type": optional(text()),
            "types": optional(items(text(), maximum=_TYPES_MAX)),
            "delivery_success": optional(flag()),
        },
    ),
    Endpoint("GET", "/v1/events/{id}", _retrieve),
)
