"""Where Stripe delivers its events."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request

from agent_api.billing.dependencies import BillingOf
from agent_api.billing.errors import BillingUnavailable, EventNotApplied, InvalidEvent, InvalidSignature
from agent_api.billing.schemas import WebhookRead
from agent_api.billing.webhook import read_body, read_event
from agent_api.documentation import documented
from agent_api.errors import DatabaseUnavailable, MessageTooLarge
from agent_api.settings import Settings

router = APIRouter(prefix="/api/webhook", tags=["billing"])

BODY: dict[str, Any] = {
    "required": True,
    "description": "An event, as Stripe signs it.",
    "content": {"application/json": {"schema": {"type": "object"}, "example": {"id": "evt_1...", "object": "event"}}},
}


@router.post(
    "/stripe",
    summary="Stripe's events",
    responses=documented(
        InvalidSignature,
        InvalidEvent,
        MessageTooLarge,
        EventNotApplied,
        BillingUnavailable,
        DatabaseUnavailable,
        example={"status": "applied"},
        public=True,
    ),
    openapi_extra={"requestBody": BODY},
)
async def receive_stripe_event(
    request: Request, billing: BillingOf, stripe_signature: Annotated[str, Header()] = ""
) -> WebhookRead:
    """Verify, keep and apply an event. 2xx: done for good. 5xx: send it again; nothing is applied twice."""
    settings: Settings = request.app.state.settings
    event, payload = read_event(
        await read_body(request, bytes_max=settings.webhook_body_max_bytes),
        stripe_signature,
        secrets=billing.webhook_secrets,
        tolerance_seconds=settings.webhook_tolerance_seconds,
    )
    applied = await billing.inbox.receive(event, payload)
    if applied.status == "failed":
        raise EventNotApplied
    return WebhookRead.model_validate({"status": applied.status})
