"""What happens when a card is charged: success, decline or a wait for authentication."""

from local_stack.stripe_sandbox.cards import NOT_AUTHENTICATED, Card, Decline, card_by_number
from local_stack.stripe_sandbox.endpoints import Context
from local_stack.stripe_sandbox.errors import JsonObject
from local_stack.stripe_sandbox.resources.charges import new_charge
from local_stack.stripe_sandbox.resources.disputes import open_dispute
from local_stack.stripe_sandbox.resources.events import emit
from local_stack.stripe_sandbox.resources.payment_methods import CardUse, new_payment_method


def pay(context: Context, intent: JsonObject, use: CardUse) -> JsonObject:
    """Try the card. Returns the intent, its status saying how it went; a decline is kept, not raised."""
    method = new_payment_method(context, use)
    intent["payment_method"] = method["id"]
    intent["last_payment_error"] = None
    if use.card.authenticate:
        intent["status"] = "requires_action"
        page = f"{context.base_url}/authenticate/{intent['id']}"
        intent["next_action"] = {
            "redirect_to_url": {"return_url": context.store.hidden(intent["id"]).get("return_url"), "url": page},
            "type": "redirect_to_url",
        }
        context.store.save(intent)
        emit(context, "payment_intent.requires_action", intent)
        return intent
    return _charge(context, intent, method, use.card, authenticated=False)


def authenticated(context: Context, intent: JsonObject) -> JsonObject:
    """The person confirmed: charge the waiting card."""
    method = context.store.get("payment_method", intent["payment_method"])
    card = card_by_number(context.store.hidden(method["id"])["number"])
    intent["next_action"] = None
    return _charge(context, intent, method, card, authenticated=True)


def denied(context: Context, intent: JsonObject) -> JsonObject:
    """The person did not confirm: nothing was charged, another card may be tried."""
    method = context.store.get("payment_method", intent["payment_method"])
    intent["next_action"] = None
    return _failed(context, intent, method, NOT_AUTHENTICATED, charge=None)


def after_payment(context: Context, intent: JsonObject) -> None:
    """What a bank does later; call it once the payment's own events are out."""
    method = context.store.get("payment_method", intent["payment_method"])
    card = card_by_number(context.store.hidden(method["id"])["number"])
    if card.dispute_reason is not None:
        charge = context.store.get("charge", intent["latest_charge"])
        open_dispute(context, charge, reason=card.dispute_reason, inquiry=card.dispute_is_inquiry)


def card_error(intent: JsonObject) -> JsonObject:
    """Stripe's error body for the intent's last failure."""
    error = dict(intent["last_payment_error"])
    return {"error": {**error, "payment_intent": {**intent, "last_payment_error": error}}}


def _charge(context: Context, intent: JsonObject, method: JsonObject, card: Card, *, authenticated: bool) -> JsonObject:
    charge = new_charge(context, intent, method, card, authenticated=authenticated)
    intent["latest_charge"] = charge["id"]
    if card.decline is not None:
        emit(context, "charge.failed", charge)
        return _failed(context, intent, method, card.decline, charge=charge["id"])
    intent["status"] = "succeeded"
    intent["amount_received"] = intent["amount"]
    context.store.save(intent)
    emit(context, "charge.succeeded", charge)
    emit(context, "payment_intent.succeeded", intent)
    return intent


def _failed(
    context: Context, intent: JsonObject, method: JsonObject, decline: Decline, *, charge: str | None
) -> JsonObject:
    error: JsonObject = {
        "code": decline.code,
        "doc_url": f"https://stripe.com/docs/error-codes/{decline.code.replace('_', '-')}",
        "message": decline.message,
        "payment_method": method,
        "type": "card_error",
    }
    if charge is not None:
        error["charge"] = charge
    if decline.decline_code is not None:
        error["decline_code"] = decline.decline_code
    if decline.param is not None:
        error["param"] = decline.param
    intent["status"] = "requires_payment_method"
    intent["payment_method"] = None
    intent["last_payment_error"] = error
    context.store.save(intent)
    emit(context, "payment_intent.payment_failed", intent)
    return intent
