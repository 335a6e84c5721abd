"""Refunds: whole, partial, several; and the ones a bank sends back."""

from local_stack.stripe_sandbox.endpoints import Context, Endpoint
from local_stack.stripe_sandbox.errors import JsonObject, invalid, refused
from local_stack.stripe_sandbox.identifiers import new_id
from local_stack.stripe_sandbox.listing import CREATED, PAGING, list_of
from local_stack.stripe_sandbox.money import written
from local_stack.stripe_sandbox.parameters import choice, merged_metadata, metadata, optional, text, whole
from local_stack.stripe_sandbox.resources.disputes import blocks_refunds
from local_stack.stripe_sandbox.resources.events import emit
from local_stack.stripe_sandbox.settings import AMOUNT_MAX


def refund_charge(
    context: Context,
    charge: JsonObject,
    *,
    amount: int | None = None,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
) -> JsonObject:
    """Give money back: `amount` minor units, or what is left. Refuses more than is left."""
    left = charge["amount"] - charge["amount_refunded"]
    _refuse_if_impossible(context, charge, left, amount)
    refund: JsonObject = {
        "id": new_id("refund"),
        "object": "refund",
        "amount": left if amount is None else amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": context.now,
        "currency": charge["currency"],
        "destination_details": {
            "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"},
            "type": "card",
        },
        "metadata": merged_metadata({}, metadata or {}),
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }
    context.store.insert(refund, created=context.now)
    previous = {name: charge[name] for name in ("amount_refunded", "refunded")}
    charge["amount_refunded"] += refund["amount"]
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    context.store.save(charge)
    emit(context, "refund.created", refund)
    emit(context, "charge.refunded", charge, previous)
    return refund


def fail_refund(context: Context, refund: JsonObject) -> JsonObject:
    """The bank could not pay it out: the money is back in the account, and with it the charge's state."""
    if refund["status"] != "succeeded":
        raise refused(f"Only a refund that has succeeded can fail, this one is {refund['status']}.")
    refund.update(status="failed", failure_reason="lost_or_stolen_card", failure_balance_transaction=None)
    context.store.save(refund)
    charge = context.store.get("charge", refund["charge"])
    previous = {name: charge[name] for name in ("amount_refunded", "refunded")}
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    context.store.save(charge)
    for type in ("refund.updated", "charge.refund.updated"):
        emit(context, type, refund, {"status": "succeeded"})
    emit(context, "refund.failed", refund)
    emit(context, "charge.updated", charge, previous)
    return refund


def _refuse_if_impossible(context: Context, charge: JsonObject, left: int, amount: int | None) -> None:
    if charge["status"] != "succeeded":
        raise refused(f"Charge {charge['id']} has not succeeded and cannot be refunded.", param="charge")
    if blocks_refunds(context, charge):
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise refused(message, code="charge_disputed")
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise refused(message, code="charge_already_refunded")
    if amount is not None and amount > left:
        code = charge["currency"]
        asked, rest = written(amount, code), written(left, code)
        what = "unrefunded amount on charge" if charge["amount_refunded"] else "charge amount"
        raise refused(f"Refund amount ({asked}) is greater than {what} ({rest})", param="amount")


def _create(context: Context, parameters: JsonObject, _: str) -> JsonObject:
    charge = _charge_of(context, parameters)
    return refund_charge(
        context,
        charge,
        amount=parameters.get("amount"),
        reason=parameters.get("reason"),
        metadata=parameters.get("metadata"),
    )


def _charge_of(context: Context, parameters: JsonObject) -> JsonObject:
    if parameters.get("charge"):
        charge = context.store.get("charge", parameters["charge"], param="charge")
        if parameters.get("payment_intent") not in (None, charge["payment_intent"]):
            raise invalid("The charge does not belong to the payment_intent.", param="payment_intent")
        return charge
    if not parameters.get("payment_intent"):
        raise invalid("One of the following params should be provided for this request: payment_intent or charge.")
    intent = context.store.get("payment_intent", parameters["payment_intent"], param="payment_intent")
    if intent["status"] != "succeeded":
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise refused(message, param="payment_intent")
    return context.store.get("charge", intent["latest_charge"])


def _retrieve(context: Context, _: JsonObject, id: str) -> JsonObject:
    return context.store.get("refund", id)


def _update(context: Context, parameters: JsonObject, id: str) -> JsonObject:
    refund = context.store.get("refund", id)
    previous = {"metadata": refund["metadata"]}
    refund["metadata"] = merged_metadata(refund["metadata"], parameters.get("metadata", {}))
    context.store.save(refund)
    for type in ("refund.updated", "charge.refund.updated"):
        emit(context, type, refund, previous)
    return refund


def _list(context: Context, parameters: JsonObject, _: str) -> JsonObject:
    return list_of(context, "refund", parameters, url="/v1/refunds", filters=("charge", "payment_intent"))


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/refunds",
        _create,
        {
            "amount": optional(whole(1, AMOUNT_MAX)),
            "charge": optional(text()),
            "metadata": optional(metadata()),
            "payment_intent": optional(text()),
            "reason": optional(choice("duplicate", "fraudulent", "requested_by_customer")),
        },
    ),
    Endpoint(
        "GET",
        "/v1/refunds",
        _list,
        {**PAGING, **CREATED, "charge": optional(text()), "payment_intent": optional(text())},
    ),
    Endpoint("GET", "/v1/refunds/{id}", _retrieve),
    Endpoint("POST", "/v1/refunds/{id}", _update, {"metadata": optional(metadata())}),
)
