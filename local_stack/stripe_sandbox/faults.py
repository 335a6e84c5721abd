"""Failures on demand: what a client must survive."""

import asyncio
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from local_stack.stripe_sandbox.endpoints import Context
from local_stack.stripe_sandbox.errors import JsonObject, refused
from local_stack.stripe_sandbox.store import Store

Kind: TypeAlias = Literal["rate_limit", "server_error", "timeout", "disconnect", "refused", "conflict"]
KINDS: tuple[Kind, ...] = ("rate_limit", "server_error", "timeout", "disconnect", "refused", "conflict")


@dataclass(frozen=True)
class Fault:
    """`times` requests to `method` and `path` (a beginning) fail; `applied` = only after their effect was kept."""

    kind: Kind
    times: int = 1
    method: str = ""
    path: str = "/v1/"
    applied: bool = False
    seconds: float = 60


def add_fault(store: Store, fault: Fault) -> None:
    store.set_control("faults", [*store.control("faults", []), asdict(fault)])


def planned_faults(store: Store) -> list[JsonObject]:
    return store.control("faults", [])


def clear_faults(store: Store) -> None:
    store.set_control("faults", [])


def take_fault(store: Store, method: str, path: str) -> Fault | None:
    """The fault for this request, counted down."""
    planned = planned_faults(store)
    for entry in planned:
        if entry["method"] in ("", method) and path.startswith(entry["path"]):
            entry["times"] -= 1
            store.set_control("faults", [other for other in planned if other["times"] > 0])
            taken: JsonObject = {**entry, "times": 1}
            return Fault(**taken)
    return None


def refuse(_: Context, __: JsonObject, ___: str) -> JsonObject:
    """In the place of an endpoint's handler: a refusal that its idempotency key remembers."""
    raise refused("This account is not set up for that yet (injected by the local sandbox).")


async def failing_response(fault: Fault) -> Response:
    """The failure as a client sees it."""
    if fault.kind == "rate_limit":
        message = "Request rate limit exceeded. Learn more about rate limits at https://stripe.com/docs/rate-limits."
        body = {"error": {"code": "rate_limit", "message": message, "type": "invalid_request_error"}}
        return JSONResponse(body, 429, {"Stripe-Rate-Limited-Reason": "global-rate"})
    if fault.kind == "conflict":
        message = "There is currently another in-progress request using this Idempotent Key (that probably means you "
        message += "submitted twice, and the other request is still going through). Please try your request again."
        body = {"error": {"code": "idempotency_key_in_use", "message": message, "type": "idempotency_error"}}
        return JSONResponse(body, 409)
    if fault.kind == "disconnect":
        return _BrokenResponse()
    if fault.kind == "timeout":
        await asyncio.sleep(fault.seconds)
    message = "Sorry! There was an error while processing your request (injected by the local sandbox)."
    return JSONResponse({"error": {"message": message, "type": "api_error"}}, 500)


class _BrokenResponse(Response):
    """Announces a body, sends half of it and ends: the server then closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"100")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"id": "', "more_body": True})
