"""What the hosted pages do."""

import uuid
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local_stack.stripe_sandbox import payments
from local_stack.stripe_sandbox.dispatcher import read_text
from local_stack.stripe_sandbox.endpoints import Context
from local_stack.stripe_sandbox.errors import JsonObject, StripeError
from local_stack.stripe_sandbox.identifiers import new_id
from local_stack.stripe_sandbox.pages.authentication import authentication_page
from local_stack.stripe_sandbox.pages.card_form import CardForm
from local_stack.stripe_sandbox.pages.checkout import checkout_page
from local_stack.stripe_sandbox.pages.html import STYLE_PATH, message_page, redirect, style
from local_stack.stripe_sandbox.resources.checkout_sessions import complete_session, expire_if_due, intent_of
from local_stack.stripe_sandbox.sandbox import Sandbox

_FORM_FIELDS_MAX = 20


def page_routes(sandbox: Sandbox) -> list[Route]:
    async def show_checkout(request: Request) -> Response:
        with sandbox.store.transaction():
            return _show_checkout(_person(sandbox, request), request)

    async def submit_checkout(request: Request) -> Response:
        values = await read_values(request)
        with sandbox.store.transaction():
            response = _submit_checkout(_person(sandbox, request), request.path_params["id"], values)
        sandbox.wake()
        return response

    async def show_authentication(request: Request) -> Response:
        with sandbox.store.transaction():
            return _show_authentication(_person(sandbox, request), request.path_params["id"])

    async def submit_authentication(request: Request) -> Response:
        values = await read_values(request)
        with sandbox.store.transaction():
            response = _submit_authentication(_person(sandbox, request), request.path_params["id"], values)
        sandbox.wake()
        return response

    async def stylesheet(_: Request) -> Response:
        return style()

    return [
        Route("/c/pay/{id}", show_checkout),
        Route("/c/pay/{id}", submit_checkout, methods=["POST"]),
        Route("/authenticate/{id}", show_authentication),
        Route("/authenticate/{id}", submit_authentication, methods=["POST"]),
        Route(STYLE_PATH, stylesheet),
    ]


async def read_values(request: Request) -> dict[str, str]:
    """A page's form; an unreadable one is an empty one, whose fields are then asked for again."""
    try:
        return dict(parse_qsl(await read_text(request), keep_blank_values=True, max_num_fields=_FORM_FIELDS_MAX))
    except (StripeError, ValueError):
        return {}


def _person(sandbox: Sandbox, request: Request) -> Context:
    """A person's click is a request to Stripe too, with a key of the page's own."""
    base_url = str(request.base_url).rstrip("/")
    return sandbox.context(base_url, request_id=new_id("request"), idempotency_key=str(uuid.uuid4()))


def _show_checkout(context: Context, request: Request) -> Response:
    session = _session(context, request.path_params["id"])
    if session is None or session["status"] != "open":
        return _closed(session)
    number = request.query_params.get("card", "")
    form = CardForm(number=number, expiry="12 / 40" if number else "", name="Sample Person" if number else "")
    known = _known_email(context, session)
    form.email = known or ("person@example.com" if number else "")
    failure = None
    if "unauthenticated" in request.query_params and session["payment_intent"]:
        intent = context.store.get("payment_intent", session["payment_intent"])
        error: JsonObject = intent["last_payment_error"] or {}
        failure = error.get("message")
    return checkout_page(session, _lines(context, session), form, email_is_known=known is not None, failure=failure)


def _submit_checkout(context: Context, id: str, values: dict[str, str]) -> Response:
    session = _session(context, id)
    if session is None or session["status"] != "open":
        # A second click on Pay lands here after the first one paid.
        return redirect(_success_url(session)) if session and session["status"] == "complete" else _closed(session)
    known = _known_email(context, session)
    form = CardForm.of(values, email=known)
    use = form.card_use()
    if use is None:
        return checkout_page(session, _lines(context, session), form, email_is_known=known is not None, status=422)
    intent = payments.pay(context, intent_of(context, session, form.email), use)
    if intent["status"] == "requires_action":
        return redirect(f"/authenticate/{intent['id']}")
    if intent["status"] == "succeeded":
        return _paid(context, session, intent)
    failure = intent["last_payment_error"]["message"]
    return checkout_page(
        session, _lines(context, session), form, email_is_known=known is not None, failure=failure, status=402
    )


def _show_authentication(context: Context, id: str) -> Response:
    intent = context.store.find("payment_intent", id)
    if intent is None or intent["status"] != "requires_action":
        return message_page("Nothing to confirm", "This payment does not wait for authentication.", status=404)
    method = context.store.get("payment_method", intent["payment_method"])
    return authentication_page(intent, method["card"]["last4"])


def _submit_authentication(context: Context, id: str, values: dict[str, str]) -> Response:
    intent = context.store.find("payment_intent", id)
    sessions = context.store.select("checkout.session", fields={"payment_intent": id})
    session = expire_if_due(context, sessions[0]) if sessions else None
    if intent is None or intent["status"] != "requires_action" or (session and session["status"] == "expired"):
        # The second click on a button, or a session that ended meanwhile.
        return _show_authentication(context, id) if session is None else _closed(session)
    if values.get("decision") not in ("complete", "fail"):
        return _show_authentication(context, id)
    agreed = values["decision"] == "complete"
    intent = payments.authenticated(context, intent) if agreed else payments.denied(context, intent)
    if session is None:
        return _back_to_caller(context, intent)
    if intent["status"] == "succeeded":
        return _paid(context, session, intent)
    return redirect(f"/c/pay/{session['id']}?unauthenticated=1")


def _paid(context: Context, session: JsonObject, intent: JsonObject) -> Response:
    method = context.store.get("payment_method", intent["payment_method"])
    billing = method["billing_details"]
    complete_session(context, session, email=billing["email"], name=billing["name"])
    payments.after_payment(context, intent)
    return redirect(_success_url(session))


def _back_to_caller(context: Context, intent: JsonObject) -> Response:
    """An intent made without a session names its own way back."""
    if intent["status"] == "succeeded":
        payments.after_payment(context, intent)
    return_url = context.store.hidden(intent["id"]).get("return_url")
    if return_url:
        sign = "&" if "?" in return_url else "?"
        return redirect(f"{return_url}{sign}payment_intent={intent['id']}&redirect_status={intent['status']}")
    return message_page("Done", f"The payment is now {intent['status'].replace('_', ' ')}.")


def _session(context: Context, id: str) -> JsonObject | None:
    session = context.store.find("checkout.session", id)
    return None if session is None else expire_if_due(context, session)


def _closed(session: JsonObject | None) -> Response:
    if session is None:
        return message_page("Page not found", "There is no such payment.", status=404)
    if session["status"] == "complete":
        link = (_success_url(session), "Continue")
        return message_page("You're all done here", "This payment has been completed.", link=link)
    link = (session["cancel_url"], "Go back") if session["cancel_url"] else None
    words = "The time for this payment is over. Nothing was charged."
    return message_page("This page has expired", words, status=410, link=link)


def _success_url(session: JsonObject) -> str:
    return session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])


def _known_email(context: Context, session: JsonObject) -> str | None:
    if session["customer"]:
        customer = context.store.find("customer", session["customer"])
        return customer["email"] if customer else None
    return session["customer_email"]


def _lines(context: Context, session: JsonObject) -> list[JsonObject]:
    return context.store.hidden(session["id"])["line_items"]
