"""`expand[]`: ids replaced by their objects where this sandbox keeps them."""

from local_stack.stripe_sandbox.endpoints import Context
from local_stack.stripe_sandbox.errors import JsonObject, invalid

_EXPANDABLE = {
    "checkout.session": {"payment_intent": "payment_intent", "customer": "customer"},
    "payment_intent": {
        "latest_charge": "charge",
        "customer": "customer",
        "payment_method": "payment_method",
    },
    "charge": {"payment_intent": "payment_intent", "customer": "customer"},
    "refund": {"charge": "charge", "payment_intent": "payment_intent"},
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
}
# Lists that Stripe shows only on request, and where they are answered in full.
_INCLUDABLE = {("checkout.session", "line_items"), ("charge", "refunds")}
_DEPTH_MAX = 4


def expand(context: Context, body: JsonObject, paths: list[str]) -> None:
    """Expand in place; raises StripeError for a path that cannot be expanded."""
    for path in paths:
        parts = path.split(".")
        if len(parts) > _DEPTH_MAX:
            raise invalid(f"You cannot expand more than {_DEPTH_MAX} levels of a property ({path}).", param="expand")
        if body.get("object") == "list":
            if parts[0] != "data":
                raise _unexpandable(path)
            for element in body["data"]:
                _expand(context, element, parts[1:], path)
        else:
            _expand(context, body, parts, path)


def _expand(context: Context, body: JsonObject, parts: list[str], path: str) -> None:
    if not parts:
        raise _unexpandable(path)
    name, kind = parts[0], body["object"]
    if (kind, name) in _INCLUDABLE and len(parts) == 1:
        body[name] = _included(context, body, name)
        return
    target = _EXPANDABLE.get(kind, {}).get(name)
    if target is None:
        raise _unexpandable(path)
    value = body[name]
    if isinstance(value, str):
        value = body[name] = context.store.get(target, value)
    if value is not None and len(parts) > 1:
        _expand(context, value, parts[1:], path)


def _included(context: Context, body: JsonObject, name: str) -> JsonObject:
    if name == "line_items":
        items = context.store.hidden(body["id"])["line_items"]
        url = f"/v1/checkout/sessions/{body['id']}/line_items"
        return {"object": "list", "url": url, "has_more": False, "data": items}
    refunds = context.store.select("refund", fields={"charge": body["id"]})
    return {"object": "list", "url": f"/v1/charges/{body['id']}/refunds", "has_more": False, "data": refunds}


def _unexpandable(path: str) -> Exception:
    return invalid(f"This property cannot be expanded ({path}), or the local sandbox does not keep it.", param="expand")
