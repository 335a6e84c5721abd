"""HTTP of buying tokens."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from agent_api.auth import CurrentUser
from agent_api.billing import service
from agent_api.billing.dependencies import BillingOf, get_billing
from agent_api.billing.errors import BillingUnavailable, StripeUnavailable
from agent_api.billing.schemas import (
    CheckoutRead,
    CheckoutWrite,
    PackageList,
    PurchasePage,
    PurchaseRead,
    UsageRead,
)
from agent_api.database import Transaction
from agent_api.documentation import documented
from agent_api.errors import (
    AccountNotFound,
    PurchaseClosed,
    PurchaseConflict,
    PurchaseNotFound,
    RateLimited,
)
from agent_api.pagination import PAGE_MAX, Cursor

router = APIRouter(prefix="/api", tags=["billing"])

PURCHASE_ID = "3f0c3d52-91f5-4d0f-8d2d-3a0c5b7e9a10"
PACKAGES_EXAMPLE = service.list_packages().model_dump(mode="json")
CHECKOUT_EXAMPLE = {"url": "https://checkout.stripe.com/c/pay/cs_test_a1...", "purchase_id": PURCHASE_ID}
PURCHASE_EXAMPLE = {
    "id": PURCHASE_ID,
    "tier": "tier_1",
    "tokens": 100,
    "price_minor": 500,
    "currency": "usd",
    "status": "paid",
    "tokens_credited": 100,
    "refunded_minor": 0,
    "dispute": "none",
    "failure_code": None,
    "checkout_url": None,
    "created_at": "2026-11-21T10:15:00Z",
    "paid_at": "2026-11-21T10:16:12Z",
}
SUMS_EXAMPLE = {"bought": 100, "granted": 10, "spent": 42, "released": 1, "taken_back": 0, "expired": 0}
USAGE_EXAMPLE = {
    "from_day": "2026-11-01",
    "to_day": "2026-11-30",
    "total": SUMS_EXAMPLE,
    "days": [{"day": "2026-11-21", **SUMS_EXAMPLE}],
    "months": [{"month": "2026-11", **SUMS_EXAMPLE}],
    "conversations": [
        {"session_id": "c56a4180-65aa-42ec-a945-5fd21dec0538", "title": "Warranty terms", "turns": 42, "tokens": 41}
    ],
}


@router.get(
    "/token-packages",
    summary="Packs for sale",
    dependencies=[Depends(get_billing)],
    responses=documented(BillingUnavailable, example=PACKAGES_EXAMPLE),
)
async def list_packages(user: CurrentUser) -> PackageList:
    """Return every pack with its price; the same table is charged by."""
    return service.list_packages()


@router.post(
    "/checkout",
    summary="Begin or continue a purchase",
    responses=documented(
        AccountNotFound,
        PurchaseNotFound,
        PurchaseConflict,
        PurchaseClosed,
        RateLimited,
        StripeUnavailable,
        BillingUnavailable,
        example=CHECKOUT_EXAMPLE,
    ),
)
async def start_checkout(body: CheckoutWrite, user: CurrentUser, billing: BillingOf) -> CheckoutRead:
    """Return the address of the hosted page; the same `purchase_id` gets the same page and is charged once."""
    url = await billing.checkout.start(user_id=user.id, tier=body.tier, purchase_id=body.purchase_id)
    return CheckoutRead(url=url, purchase_id=body.purchase_id)


@router.get(
    "/purchases/{purchase_id}",
    summary="One purchase",
    responses=documented(PurchaseNotFound, example=PURCHASE_EXAMPLE),
)
async def get_purchase(purchase_id: UUID, user: CurrentUser, connection: Transaction) -> PurchaseRead:
    """Return what the server knows. Tokens are there once `status` is `paid`, never before."""
    return await service.get_purchase(connection, user_id=user.id, purchase_id=purchase_id)


@router.get(
    "/purchases",
    summary="Purchases",
    responses=documented(example={"items": [PURCHASE_EXAMPLE], "next_cursor": None}),
)
async def list_purchases(
    user: CurrentUser,
    connection: Transaction,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
    cursor: Cursor = None,
) -> PurchasePage:
    """Return one page of the caller's purchases, newest first."""
    return await service.list_purchases(connection, user_id=user.id, limit=limit, cursor=cursor)


@router.get("/usage", summary="Tokens by day, month and conversation", responses=documented(example=USAGE_EXAMPLE))
async def get_usage(
    user: CurrentUser,
    connection: Transaction,
    since: Annotated[date | None, Query(alias="from", description="First day, UTC; empty: 30 days.")] = None,
    until: Annotated[date | None, Query(alias="to", description="Last day, UTC; empty: today.")] = None,
) -> UsageRead:
    """Return what was bought, spent and given back in a range of at most 366 days, and the turns that cost it."""
    return await service.get_usage(connection, user_id=user.id, since=since, until=until)
