"""Purchases, packages and usage on the wire. Money is in minor units (cents) of `currency`."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from agent_api.billing.packages import Tier

PurchaseStatus = Literal["created", "open", "paid", "failed", "expired", "flagged", "closed"]
DisputeState = Literal["none", "open", "won", "lost"]
Minor = Annotated[int, Field(ge=0, description="In minor units of `currency`.")]


class PackageRead(BaseModel):
    """One pack that is for sale."""

    tier: Tier
    tokens: int
    price_minor: Minor
    currency: str
    price_per_token_minor: float = Field(description="For display; nothing is charged by it.")
    is_best_value: bool


class PackageList(BaseModel):
    """From the smallest to the largest."""

    items: list[PackageRead]


class CheckoutWrite(BaseModel):
    """What to buy. Prices are the server's; whatever else a body holds is ignored."""

    tier: Tier
    purchase_id: UUID = Field(description="Made by the client, once per intention to buy: a repeat gets the same page.")


class CheckoutRead(BaseModel):
    """Where to pay."""

    url: str
    purchase_id: UUID


class PurchaseRead(BaseModel):
    """What the server knows about one purchase."""

    id: UUID
    tier: str
    tokens: int = Field(description="Of the pack.")
    price_minor: Minor
    currency: str
    status: PurchaseStatus = Field(
        description=(
            "created, open: not paid (yet). paid: the tokens are on the balance. failed, expired: nothing was charged, "
            "start a new purchase. flagged: paid in a way that does not match; an operator looks into it. closed: it "
            "was flagged, and that payment was given back or settled by an operator; start a new purchase."
        )
    )
    tokens_credited: int = Field(description="On the balance because of this purchase, after refunds and disputes.")
    refunded_minor: Minor
    dispute: DisputeState
    failure_code: str | None = Field(
        description="Why the last attempt to pay failed, in Stripe's words: card_declined, insufficient_funds, ..."
    )
    checkout_url: str | None = Field(description="Where to go on paying, while status is open.")
    created_at: datetime
    paid_at: datetime | None


class PurchasePage(BaseModel):
    """Newest first."""

    items: list[PurchaseRead]
    next_cursor: str | None


class TokenSums(BaseModel):
    """Tokens moved; each number is positive in the direction of its name."""

    bought: int
    granted: int = Field(description="Opening balances, bonuses, grants and adjustments.")
    spent: int
    released: int = Field(description="Given back because there was no answer.")
    taken_back: int = Field(description="For refunds and disputes, less what a won dispute gave back.")
    expired: int


class DayUsage(TokenSums):
    """One day, UTC."""

    day: date


class MonthUsage(TokenSums):
    """One month, UTC, as far as it lies in the range."""

    month: str = Field(pattern=r"^\d{4}-\d{2}$", examples=["2026-11"])


class ConversationUsage(BaseModel):
    """Turns of one conversation; null stands for all that were deleted."""

    session_id: str | None
    title: str | None
    turns: int
    tokens: int = Field(description="Spent less released.")


class UsageRead(BaseModel):
    """Days and months without movements are left out."""

    from_day: date
    to_day: date
    total: TokenSums
    days: list[DayUsage]
    months: list[MonthUsage]
    conversations: list[ConversationUsage] = Field(description="Those with the most turns, 100 at most.")


class WebhookRead(BaseModel):
    """What became of an event."""

    status: Literal["applied", "ignored", "flagged"]


EventStatus = Literal["received", "applied", "ignored", "failed", "flagged"]


class StripeEventRead(BaseModel):
    """One event of the inbox."""

    id: str
    type: str
    status: EventStatus
    error: str | None = Field(description="failed: the kind of failure. flagged: what did not match.")
    livemode: bool
    attempts: int
    created_at: datetime
    received_at: datetime
    applied_at: datetime | None


class StripeEventPage(BaseModel):
    """Newest first."""

    items: list[StripeEventRead]
    next_cursor: str | None


class ReappliedRead(BaseModel):
    """What became of an event this time."""

    id: str
    status: EventStatus
    error: str | None
    tokens_moved: int
