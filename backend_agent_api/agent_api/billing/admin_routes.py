"""What an operator sees and does about payments."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from agent_api.billing import inbox_queries, reconciliation, service
from agent_api.billing.dependencies import BillingOf, CurrentAdmin
from agent_api.billing.errors import (
    BillingUnavailable,
    EventNotFound,
    FlagNotFound,
    ReconciliationNeverRan,
    ReconciliationRunning,
)
from agent_api.billing.lease import LeaseLost
from agent_api.billing.objects import Event
from agent_api.billing.report import AcknowledgedFlag, AcknowledgementWrite, ReconciliationRead, StartedRead
from agent_api.billing.schemas import EventStatus, ReappliedRead, StripeEventPage
from agent_api.database import DatabaseOf, Transaction
from agent_api.documentation import documented
from agent_api.errors import Forbidden
from agent_api.pagination import PAGE_MAX, Cursor

router = APIRouter(prefix="/api/admin", tags=["admin"])

EVENT_ID = "evt_1Qx..."
EVENT_EXAMPLE = {
    "id": EVENT_ID,
    "type": "payment_intent.succeeded",
    "status": "flagged",
    "error": "amount_mismatch",
    "livemode": True,
    "attempts": 1,
    "created_at": "2026-11-21T10:16:12Z",
    "received_at": "2026-11-21T10:16:13Z",
    "applied_at": "2026-11-21T10:16:13Z",
}
SIDE_EXAMPLE = {"purchases": 12, "paid_minor": 9000, "refunded_minor": 500, "disputed": 0, "tokens": 2150}
RECONCILIATION_EXAMPLE: dict[str, Any] = {
    "is_running": False,
    "last_run": {
        "started_at": "2026-11-21T10:20:00Z",
        "finished_at": "2026-11-21T10:20:02Z",
        "report": {
            "is_full": False,
            "compared_since": "2026-11-20T10:20:00Z",
            "compared_until": "2026-11-21T10:18:00Z",
            "currency": "usd",
            "stripe": SIDE_EXAMPLE,
            "ours": SIDE_EXAMPLE,
            "drift": 0,
            "differences": [],
            "repairs_made": 1,
            "repairs": [{"what": "event_applied", "id": EVENT_ID, "tokens_moved": 100}],
            "flagged": {"payments": 0, "paid_minor": 0},
            "unknown": {"payments": 0, "paid_minor": 0, "tokens": 0},
            "undelivered": {"purchases": 0, "tokens": 0},
            "events": {"listed": 14, "applied": 1, "failed": 0},
            "unpaid": {"checked": 3, "closed": 1},
            "audit_faults": None,
            "audit_finished": True,
            "audit_examples": [],
        },
    },
    "last_full_run": None,
    "last_failure": None,
    "events_by_status": {"applied": 240, "ignored": 17},
    "purchases_by_status": {"paid": 120, "expired": 31},
    "flagged_payments": [
        {
            "payment_intent_id": "pi_3Qx...",
            "reason": "second_payment",
            "raised_at": "2026-11-21T10:16:13Z",
            "purchase_id": "3f0c3d52-91f5-4d0f-8d2d-3a0c5b7e9a10",
            "user_id": "0c9a3f0e-6d8e-4a53-9d3e-0a8f5c7b2d11",
            "tier": "tier_1",
            "status": "paid",
            "tokens_undelivered": 0,
        }
    ],
}
ACKNOWLEDGED_EXAMPLE = {
    "payment_intent_id": "pi_3Qx...",
    "reason": "second_payment",
    "purchase_id": "3f0c3d52-91f5-4d0f-8d2d-3a0c5b7e9a10",
    "raised_at": "2026-11-21T10:16:13Z",
    "closed_at": "2026-11-21T11:02:40Z",
    "acknowledged_by": "0c9a3f0e-6d8e-4a53-9d3e-0a8f5c7b2d12",
    "note": "refunded in the Dashboard",
}


@router.get(
    "/stripe-events",
    summary="The inbox of Stripe's events",
    responses=documented(Forbidden, example={"items": [EVENT_EXAMPLE], "next_cursor": None}),
)
async def list_stripe_events(
    admin: CurrentAdmin,
    connection: Transaction,
    status: Annotated[EventStatus | None, Query(description="Only events with this status.")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
    cursor: Cursor = None,
) -> StripeEventPage:
    """Return one page of events, newest first, without what they hold about people."""
    return await service.list_events(connection, status=status, limit=limit, cursor=cursor)


@router.post(
    "/stripe-events/{event_id}/reapply",
    summary="Apply an event once more",
    responses=documented(
        Forbidden,
        EventNotFound,
        BillingUnavailable,
        example={"id": EVENT_ID, "status": "applied", "error": None, "tokens_moved": 100},
    ),
)
async def reapply_stripe_event(
    event_id: Annotated[str, Path(max_length=255)], admin: CurrentAdmin, database: DatabaseOf, billing: BillingOf
) -> ReappliedRead:
    """Apply a kept event again, whatever became of it before. What it has moved already is not moved twice."""
    async with database.statement() as connection:
        payload = await inbox_queries.read_event_payload(connection, event_id=event_id)
    if payload is None:
        raise EventNotFound
    applied = await billing.inbox.receive(Event.model_validate(payload), payload, again=True)
    return ReappliedRead.model_validate(
        {"id": event_id, "status": applied.status, "error": applied.error, "tokens_moved": applied.tokens_moved}
    )


@router.get(
    "/reconciliation",
    summary="Whether the books agree with Stripe",
    responses=documented(Forbidden, ReconciliationNeverRan, example=RECONCILIATION_EXAMPLE),
)
async def get_reconciliation(admin: CurrentAdmin, connection: Transaction) -> ReconciliationRead:
    """Return the newest reports and what waits for an operator."""
    return await reconciliation.get_reconciliation(connection)


@router.post(
    "/reconciliation",
    summary="Compare with Stripe now",
    status_code=202,
    responses=documented(
        Forbidden, ReconciliationRunning, BillingUnavailable, example={"status": "started"}, status=202
    ),
)
async def start_reconciliation(
    admin: CurrentAdmin,
    billing: BillingOf,
    days: Annotated[int | None, Query(ge=1, le=3650, description="Empty: from the first purchase on.")] = None,
) -> StartedRead:
    """Begin a comparison and an audit, repairing what it can. Its report is the next `last_run`."""
    try:
        await billing.reconciler.start(days=days)
    except LeaseLost:
        raise ReconciliationRunning from None
    return StartedRead()


@router.post(
    "/payment-flags/{payment_intent_id}/acknowledge",
    summary="Acknowledge a flagged payment",
    responses=documented(Forbidden, FlagNotFound, example=ACKNOWLEDGED_EXAMPLE),
)
async def acknowledge_payment_flag(
    payment_intent_id: Annotated[str, Path(max_length=255)],
    body: AcknowledgementWrite,
    admin: CurrentAdmin,
    connection: Transaction,
) -> AcknowledgedFlag:
    """Record that this payment was dealt with, by whom and when. It is not raised again; no money or token moves."""
    return await reconciliation.acknowledge_flag(
        connection, payment_intent_id=payment_intent_id, admin_id=admin.id, note=body.note
    )
