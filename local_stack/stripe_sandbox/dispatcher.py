"""The way of every API request: key, version, parameters, injected fault, idempotency, one transaction."""

import base64
import binascii
import hmac
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local_stack.stripe_sandbox import idempotency
from local_stack.stripe_sandbox.endpoints import Context, Endpoint, Reply
from local_stack.stripe_sandbox.errors import JsonObject, StripeError, invalid
from local_stack.stripe_sandbox.expansion import expand
from local_stack.stripe_sandbox.faults import failing_response, refuse, take_fault
from local_stack.stripe_sandbox.form import Raw, parse_form
from local_stack.stripe_sandbox.identifiers import new_id
from local_stack.stripe_sandbox.parameters import check, items, optional, text
from local_stack.stripe_sandbox.sandbox import Sandbox
from local_stack.stripe_sandbox.settings import API_VERSION, BODY_BYTES_MAX

_EXPAND = {"expand": optional(items(text()))}


@dataclass(frozen=True)
class _Call:
    """One request, read."""

    method: str
    path: str
    id: str
    raw: "dict[str, Raw]"
    base_url: str
    request_id: str
    idempotency_key: str | None


@dataclass(frozen=True)
class _Outcome:
    reply: Reply
    replayed_from: str | None = None


async def answer(sandbox: Sandbox, endpoint: Endpoint, request: Request) -> Response:
    """Answer an API request as Stripe would."""
    request_id = new_id("request")
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    try:
        _authenticate(request, sandbox.settings.secret_key)
        _require_version(request)
        call = await _read(request, request_id, key)
        with sandbox.store.transaction():
            fault = take_fault(sandbox.store, request.method, request.url.path)
        if fault is not None and fault.kind == "refused":
            endpoint, fault = replace(endpoint, handler=refuse), None
        if fault is not None and not fault.applied:
            return _labelled(await failing_response(fault), request_id, key)
        outcome = _perform(sandbox, endpoint, call)
        if fault is not None:
            return _labelled(await failing_response(fault), request_id, key)
    except StripeError as error:
        outcome = _Outcome(Reply(error.status, error.body()))
    response = _labelled(JSONResponse(outcome.reply.body, outcome.reply.status), request_id, key)
    if outcome.replayed_from is not None:
        response.headers["Idempotent-Replayed"] = "true"
        response.headers["Original-Request"] = outcome.replayed_from
    return response


async def answer_crash(_: Request, __: Exception) -> Response:
    """A fault of the sandbox itself, in a shape that clients understand; the server logs it."""
    error = StripeError(500, "The local sandbox has a fault; its log says more.", type="api_error")
    return _labelled(JSONResponse(error.body(), 500), new_id("request"), None)


async def answer_unknown(sandbox: Sandbox, request: Request) -> Response:
    """Nothing at this address, said in Stripe's words."""
    message = f"Unrecognized request URL ({request.method}: {request.url.path}). The local sandbox does not know it."
    error = StripeError(404, message)
    try:
        _authenticate(request, sandbox.settings.secret_key)
    except StripeError as refusal:
        error = refusal
    return _labelled(JSONResponse(error.body(), error.status), new_id("request"), None)


def _perform(sandbox: Sandbox, endpoint: Endpoint, call: _Call) -> _Outcome:
    store, key = sandbox.store, call.idempotency_key
    context = sandbox.context(call.base_url, request_id=call.request_id, idempotency_key=key)
    fingerprint = idempotency.fingerprint_of(call.raw)
    with store.transaction():
        if key is not None:
            first = idempotency.recall(store, key, path=call.path, fingerprint=fingerprint)
            if first is not None:
                return _Outcome(first.reply, first.original_request_id)
        parameters = check(call.raw, {**endpoint.shape, **_EXPAND})
        try:
            with store.savepoint():
                reply = _run(endpoint, context, parameters, call.id)
        except StripeError as error:
            if not error.remembered:
                raise
            reply = Reply(error.status, error.body())
        if key is not None:
            idempotency.remember(
                store,
                key,
                path=call.path,
                fingerprint=fingerprint,
                request_id=call.request_id,
                reply=reply,
                now=context.now,
            )
    sandbox.wake()
    return _Outcome(reply)


def _run(endpoint: Endpoint, context: Context, parameters: JsonObject, id: str) -> Reply:
    paths = parameters.pop("expand", [])
    result = endpoint.handler(context, parameters, id)
    if isinstance(result, Reply):
        return result
    expand(context, result, paths)
    return Reply(200, result)


def _authenticate(request: Request, secret_key: str) -> None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    given = credentials.strip()
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            given = ""
    if scheme.lower() not in ("basic", "bearer") or not given:
        message = "You did not provide an API key. You need to provide your API key in the Authorization header, using "
        raise StripeError(401, f"{message}Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').")
    if not hmac.compare_digest(given.encode(), secret_key.encode()):
        raise StripeError(401, f"Invalid API Key provided: {given[:8]}{'*' * 8}{given[-4:] if len(given) > 16 else ''}")


def _require_version(request: Request) -> None:
    wanted = request.headers.get("stripe-version", API_VERSION)
    if wanted != API_VERSION:
        message = f"Invalid Stripe API version: {wanted[:40]}. The local sandbox speaks only {API_VERSION}."
        raise StripeError(400, message)


async def _read(request: Request, request_id: str, key: str | None) -> _Call:
    encoded = request.url.query
    if request.method == "POST":
        kind = request.headers.get("content-type", "application/x-www-form-urlencoded").partition(";")[0]
        if kind.strip().lower() != "application/x-www-form-urlencoded":
            message = "Invalid request (check that your POST content type is application/x-www-form-urlencoded)."
            raise invalid(message)
        encoded = await read_text(request)
    return _Call(
        method=request.method,
        path=request.url.path,
        id=request.path_params.get("id", ""),
        raw=parse_form(encoded),
        base_url=str(request.base_url).rstrip("/"),
        request_id=request_id,
        idempotency_key=key,
    )


async def read_text(request: Request) -> str:
    """The body as text; raises StripeError when it is too large or no text."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            raise StripeError(413, f"The request body is larger than {BODY_BYTES_MAX} bytes.", remembered=False)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise invalid("The request body is not UTF-8.") from error


def _labelled(response: Response, request_id: str, key: str | None) -> Response:
    response.headers["Request-Id"] = request_id
    response.headers["Stripe-Version"] = API_VERSION
    if key is not None:
        response.headers["Idempotency-Key"] = key
    return response
