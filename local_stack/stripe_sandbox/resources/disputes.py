"""Disputes: a bank takes the money back, until it is won or for good."""

from local_stack.stripe_sandbox.endpoints import Context, Endpoint
from local_stack.stripe_sandbox.errors import JsonObject, refused
from local_stack.stripe_sandbox.identifiers import new_id
from local_stack.stripe_sandbox.listing import CREATED, PAGING, list_of
from local_stack.stripe_sandbox.parameters import Shape, fields, flag, merged_metadata, metadata, optional, text
from local_stack.stripe_sandbox.resources.events import emit

CLOSED = ("won", "lost", "warning_closed", "prevented")
_RESPONSE_SECONDS = 7 * 24 * 3600
_FEE = 1500
_EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


def open_dispute(
    context: Context,
    charge: JsonObject,
    *,
    reason: str = "fraudulent",
    inquiry: bool = False,
    prevented: bool = False,
) -> JsonObject:
    """A customer disputes what was not refunded; an inquiry takes no money yet, a prevented one is over at once."""
    amount = charge["amount"] - charge["amount_refunded"]
    if charge["status"] != "succeeded" or amount == 0:
        raise refused(f"Charge {charge['id']} holds no money that could be disputed.")
    if charge["disputed"]:
        raise refused(f"Charge {charge['id']} has been disputed before.")
    dispute: JsonObject = {
        "id": new_id("dispute"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": context.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**{name: None for name in _EVIDENCE}, "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": context.now + _RESPONSE_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": charge["payment_method_details"]["card"]["brand"],
                "case_type": "inquiry" if inquiry else "chargeback",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "prevented" if prevented else "warning_needs_response" if inquiry else "needs_response",
    }
    context.store.insert(dispute, created=context.now)
    charge["disputed"] = True
    context.store.save(charge)
    emit(context, "charge.dispute.created", dispute)
    if not inquiry:
        _book(dispute, -amount, fee=_FEE)
        context.store.save(dispute)
        emit(context, "charge.dispute.funds_withdrawn", dispute)
    if prevented:
        emit(context, "charge.dispute.closed", dispute)
    return dispute


def appeal_dispute(context: Context, dispute: JsonObject) -> JsonObject:
    """A lost dispute is taken up again; the bank keeps the money meanwhile."""
    if dispute["status"] != "lost":
        raise refused(f"Only a lost dispute can be appealed, this one is {dispute['status']}.")
    dispute["status"] = "appeal_needs_response"
    context.store.save(dispute)
    emit(context, "charge.dispute.updated", dispute)
    return dispute


def win_dispute(context: Context, dispute: JsonObject) -> JsonObject:
    """The bank decides for us: the money comes back (an inquiry just ends)."""
    _require_open(dispute)
    inquiry = dispute["status"].startswith("warning_")
    dispute["status"] = "warning_closed" if inquiry else "won"
    dispute["is_charge_refundable"] = True
    if not inquiry:
        _book(dispute, dispute["amount"], fee=0)
    context.store.save(dispute)
    emit(context, "charge.dispute.closed", dispute)
    if not inquiry:
        emit(context, "charge.dispute.funds_reinstated", dispute)
    return dispute


def lose_dispute(context: Context, dispute: JsonObject) -> JsonObject:
    """The bank decides for the customer; an inquiry becomes a chargeback first."""
    _require_open(dispute)
    if dispute["status"].startswith("warning_"):
        _book(dispute, -dispute["amount"], fee=_FEE)
        emit(context, "charge.dispute.funds_withdrawn", dispute)
    dispute.update(status="lost", is_charge_refundable=False)
    context.store.save(dispute)
    emit(context, "charge.dispute.closed", dispute)
    return dispute


def blocks_refunds(context: Context, charge: JsonObject) -> bool:
    """Whether a dispute holds the charge's money."""
    disputes = context.store.select("dispute", fields={"charge": charge["id"]})
    return any(not dispute["is_charge_refundable"] for dispute in disputes)


def _book(dispute: JsonObject, amount: int, *, fee: int) -> None:
    """A line of Stripe's balance; only these are kept, see the README."""
    dispute["balance_transactions"].append(
        {
            "id": f"txn_{dispute['id']}_{len(dispute['balance_transactions'])}",
            "object": "balance_transaction",
            "amount": amount,
            "currency": dispute["currency"],
            "fee": fee,
            "net": amount - fee,
            "reporting_category": "dispute" if amount < 0 else "dispute_reversal",
            "source": dispute["id"],
            "type": "adjustment",
        }
    )


def _require_open(dispute: JsonObject) -> None:
    if dispute["status"] in CLOSED:
        raise refused(f"This dispute is already closed ({dispute['status']}).")


def _update(context: Context, parameters: JsonObject, id: str) -> JsonObject:
    """Evidence decides as documented: winning_evidence and losing_evidence in uncategorized_text."""
    dispute = context.store.get("dispute", id)
    if "metadata" in parameters:
        dispute["metadata"] = merged_metadata(dispute["metadata"], parameters["metadata"])
    if "evidence" in parameters:
        _require_open(dispute)
        dispute["evidence"].update(parameters["evidence"])
        dispute["evidence_details"]["has_evidence"] = True
        if parameters.get("submit", True):
            dispute["evidence_details"]["submission_count"] += 1
            dispute["status"] = dispute["status"].replace("needs_response", "under_review")
    context.store.save(dispute)
    emit(context, "charge.dispute.updated", dispute)
    verdict = dispute["evidence"]["uncategorized_text"] if dispute["status"].endswith("under_review") else None
    if verdict == "winning_evidence":
        return win_dispute(context, dispute)
    if verdict == "losing_evidence":
        return lose_dispute(context, dispute)
    return dispute


def _close(context: Context, _: JsonObject, id: str) -> JsonObject:
    return lose_dispute(context, context.store.get("dispute", id))


def _retrieve(context: Context, _: JsonObject, id: str) -> JsonObject:
    return context.store.get("dispute", id)


def _list(context: Context, parameters: JsonObject, _: str) -> JsonObject:
    return list_of(context, "dispute", parameters, url="/v1/disputes", filters=("charge", "payment_intent"))


_EVIDENCE_SHAPE: Shape = {name: optional(text(20_000)) for name in _EVIDENCE}
ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/disputes",
        _list,
        {**PAGING, **CREATED, "charge": optional(text()), "payment_intent": optional(text())},
    ),
    Endpoint("GET", "/v1/disputes/{id}", _retrieve),
    Endpoint(
        "POST",
        "/v1/disputes/{id}",
        _update,
        {
            "evidence": optional(fields(_EVIDENCE_SHAPE)),
            "metadata": optional(metadata()),
            "submit": optional(flag()),
        },
    ),
    Endpoint("POST", "/v1/disputes/{id}/close", _close),
)
