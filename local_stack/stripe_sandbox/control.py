"""The controls a test or a person has over the sandbox: JSON for tests, forms for the page at /sandbox."""

import json
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_stack.stripe_sandbox import faults
from local_stack.stripe_sandbox.control_values import delivery_changes, fault_of, whole_number
from local_stack.stripe_sandbox.dispatcher import read_text
from local_stack.stripe_sandbox.endpoints import Context
from local_stack.stripe_sandbox.errors import JsonObject, StripeError, invalid
from local_stack.stripe_sandbox.pages.control import control_page
from local_stack.stripe_sandbox.pages.html import redirect
from local_stack.stripe_sandbox.resources.disputes import appeal_dispute, lose_dispute, open_dispute, win_dispute
from local_stack.stripe_sandbox.resources.refunds import fail_refund, refund_charge
from local_stack.stripe_sandbox.sandbox import Sandbox
from local_stack.stripe_sandbox.webhooks import queue
from local_stack.stripe_sandbox.webhooks.sender import Sender

Act: TypeAlias = Callable[[Sandbox, Context, JsonObject, str], JsonObject]
Handle: TypeAlias = Callable[[Request], Awaitable[Response]]

_IDLE_SECONDS_MAX = 60.0
_DELIVERIES_SHOWN_MAX = 1000


def _refund(_: Sandbox, context: Context, values: JsonObject, id: str) -> JsonObject:
    amount = whole_number(values, "amount", 1, 99_999_999)
    return refund_charge(context, context.store.get("charge", id), amount=amount, reason="requested_by_customer")


def _dispute(_: Sandbox, context: Context, values: JsonObject, id: str) -> JsonObject:
    inquiry, prevented = (values.get(name) in (True, "true") for name in ("inquiry", "prevented"))
    return open_dispute(context, context.store.get("charge", id), inquiry=inquiry, prevented=prevented)


def _win(_: Sandbox, context: Context, __: JsonObject, id: str) -> JsonObject:
    return win_dispute(context, context.store.get("dispute", id))


def _lose(_: Sandbox, context: Context, __: JsonObject, id: str) -> JsonObject:
    return lose_dispute(context, context.store.get("dispute", id))


def _appeal(_: Sandbox, context: Context, __: JsonObject, id: str) -> JsonObject:
    return appeal_dispute(context, context.store.get("dispute", id))


def _fail_refund(_: Sandbox, context: Context, __: JsonObject, id: str) -> JsonObject:
    return fail_refund(context, context.store.get("refund", id))


def _elapse(_: Sandbox, context: Context, __: JsonObject, id: str) -> JsonObject:
    """The session's time runs out now; the clock closes it within a second, or whoever looks at it sooner."""
    session = context.store.get("checkout.session", id)
    if session["status"] != "open":
        raise invalid(f"Only an open session can run out of time, this one is {session['status']}.")
    session["expires_at"] = context.now
    context.store.save(session)
    return session


def _resend(_: Sandbox, context: Context, values: JsonObject, id: str) -> JsonObject:
    """Deliver an event again, any number of times at once."""
    event = context.store.get("event", id)
    copies = whole_number(values, "copies", 1, 1000) or 1
    for _copy in range(copies):
        queue.add(context.store, id, time.time())
    return {"id": event["id"], "type": event["type"], "deliveries_added": copies}


def _change_deliveries(sandbox: Sandbox, context: Context, values: JsonObject, _: str) -> JsonObject:
    queue.change_controls(context.store, delivery_changes(values, has_secret=bool(sandbox.settings.webhook_secrets)))
    return _deliveries_as_set(sandbox)


def _retry_now(_: Sandbox, context: Context, __: JsonObject, ___: str) -> JsonObject:
    """Waiting retries and delayed deliveries become due at once."""
    return {"made_due": queue.make_all_due(context.store)}


def _plan_fault(_: Sandbox, context: Context, values: JsonObject, __: str) -> JsonObject:
    faults.add_fault(context.store, fault_of(values))
    return {"faults": faults.planned_faults(context.store)}


def _clear_faults(_: Sandbox, context: Context, __: JsonObject, ___: str) -> JsonObject:
    faults.clear_faults(context.store)
    return {"faults": []}


def _reset(_: Sandbox, context: Context, __: JsonObject, ___: str) -> JsonObject:
    context.store.clear()
    return {"reset": True}


def _deliveries_as_set(sandbox: Sandbox) -> JsonObject:
    current = sandbox.delivery_controls()
    return {**current.__dict__, "retry_seconds": list(current.retry_seconds)}


_ACTS: tuple[tuple[str, str, Act], ...] = (
    ("POST", "/sandbox/charges/{id}/refund", _refund),
    ("POST", "/sandbox/charges/{id}/dispute", _dispute),
    ("POST", "/sandbox/disputes/{id}/win", _win),
    ("POST", "/sandbox/disputes/{id}/lose", _lose),
    ("POST", "/sandbox/disputes/{id}/appeal", _appeal),
    ("POST", "/sandbox/refunds/{id}/fail", _fail_refund),
    ("POST", "/sandbox/events/{id}/resend", _resend),
    ("POST", "/sandbox/checkout_sessions/{id}/elapse", _elapse),
    ("POST", "/sandbox/deliveries/settings", _change_deliveries),
    ("POST", "/sandbox/deliveries/retry", _retry_now),
    ("POST", "/sandbox/faults", _plan_fault),
    ("DELETE", "/sandbox/faults", _clear_faults),
    ("POST", "/sandbox/reset", _reset),
)


def control_routes(sandbox: Sandbox, sender: Sender) -> list[Route]:
    async def show_page(request: Request) -> Response:
        return control_page(sandbox, request.query_params.get("problem"))

    async def show_deliveries(request: Request) -> Response:
        limit = int(_number(request, "limit", 100, _DELIVERIES_SHOWN_MAX))
        event_id = request.query_params.get("event_id")
        return JSONResponse({"data": queue.attempts_of(sandbox.store, event_id, limit)})

    async def show_settings(_: Request) -> Response:
        return JSONResponse(_deliveries_as_set(sandbox))

    async def show_faults(_: Request) -> Response:
        return JSONResponse({"faults": faults.planned_faults(sandbox.store)})

    async def wait_until_idle(request: Request) -> Response:
        """Answer once no delivery is due or under way, or after `timeout_seconds`."""
        seconds = _number(request, "timeout_seconds", 10, _IDLE_SECONDS_MAX)
        idle = await sender.wait_until_idle(seconds, empty=request.query_params.get("until") == "empty")
        return JSONResponse({"idle": idle, "pending": queue.pending_count(sandbox.store)})

    return [
        Route("/sandbox", show_page),
        Route("/sandbox/deliveries", show_deliveries),
        Route("/sandbox/deliveries/settings", show_settings),
        Route("/sandbox/deliveries/idle", wait_until_idle),
        Route("/sandbox/faults", show_faults),
        *(Route(path, _handler(sandbox, act), methods=[method]) for method, path, act in _ACTS),
    ]


def _number(request: Request, name: str, default: float, highest: float) -> float:
    """A number of the query, at most `highest`; one that cannot be read is the default."""
    try:
        number = float(request.query_params.get(name, default))
    except ValueError:
        return default
    return min(max(number, 0), highest) if math.isfinite(number) else default


def _handler(sandbox: Sandbox, act: Act) -> Handle:
    async def handle(request: Request) -> Response:
        from_page = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        try:
            values = await _values(request, from_page)
            context = sandbox.context(str(request.base_url).rstrip("/"))
            with sandbox.store.transaction():
                result = act(sandbox, context, values, request.path_params.get("id", ""))
        except StripeError as error:
            if from_page:
                return redirect(f"/sandbox?problem={quote(error.message)}")
            return JSONResponse(error.body(), error.status)
        sandbox.wake()
        return redirect("/sandbox") if from_page else JSONResponse(result)

    return handle


async def _values(request: Request, from_page: bool) -> dict[str, Any]:
    text = await read_text(request)
    if from_page:
        # An empty box means that nothing was typed.
        return {name: value for name, value in parse_qsl(text) if value != ""}
    try:
        values = json.loads(text or "{}")
    except ValueError as error:
        raise invalid("The body is not JSON.") from error
    if not isinstance(values, dict):
        raise invalid("The body must be a JSON object.")
    return values  # pyright: ignore[reportUnknownVariableType] - JSON from outside, checked by each act
