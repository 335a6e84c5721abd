"""Lists with Stripe's filters and cursors."""

from collections.abc import Sequence

from local_stack.stripe_sandbox.endpoints import Context
from local_stack.stripe_sandbox.errors import JsonObject, invalid
from local_stack.stripe_sandbox.parameters import Shape, moment_range, optional, text, whole
from local_stack.stripe_sandbox.settings import LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX

PAGING: Shape = {
    "limit": optional(whole(1, LIST_LIMIT_MAX)),
    "starting_after": optional(text()),
    "ending_before": optional(text()),
}
CREATED: Shape = {"created": optional(moment_range())}


def list_of(
    context: Context,
    kind: str,
    parameters: JsonObject,
    *,
    url: str,
    filters: Sequence[str] = (),
    where: Sequence[tuple[str, Sequence[object]]] = (),
) -> JsonObject:
    """One page, newest first. `filters` names the parameters that must equal the object's field of that name."""
    conditions = list(where)
    conditions += [(f"created {operator} ?", (seconds,)) for operator, seconds in parameters.get("created", [])]
    after, before = parameters.get("starting_after"), parameters.get("ending_before")
    if after and before:
        raise invalid("You can only pass one of starting_after and ending_before.", param="ending_before")
    if after:
        conditions.append(("position < ?", (context.store.position(kind, after, param="starting_after"),)))
    if before:
        conditions.append(("position > ?", (context.store.position(kind, before, param="ending_before"),)))
    limit = parameters.get("limit", LIST_LIMIT_DEFAULT)
    equal = {name: parameters[name] for name in filters if parameters.get(name) is not None}
    found = context.store.select(kind, where=conditions, fields=equal, limit=limit + 1, oldest_first=before is not None)
    page = found[:limit]
    if before:
        page.reverse()
    return {"object": "list", "url": url, "has_more": len(found) > limit, "data": page}
