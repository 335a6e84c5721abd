"""Tokens on the wire."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

TransactionType = Literal[
    "opening",
    "signup_bonus",
    "purchase",
    "consumption",
    "release",
    "expiry",
    "refund",
    "dispute",
    "reversal",
    "grant",
    "adjustment",
]


class BalanceRead(BaseModel):
    """Spendable tokens."""

    tokens: int = Field(ge=0, examples=[42])


class TransactionRead(BaseModel):
    """One movement of the ledger."""

    id: UUID
    type: str = Field(description="One of the ledger's types; rows older than the ledger hold what was written then.")
    tokens: int = Field(description="Signed change of the balance.")
    balance_after: int | None = Field(description="Null in rows older than the ledger.")
    created_at: datetime
    request_id: UUID | None
    session_id: str | None = Field(description="The conversation it was spent in, while that exists.")
    purchase_id: UUID | None = Field(description="The purchase it belongs to: bought, refunded, disputed.")
    price_minor: int | None = Field(description="What that purchase cost, in minor units of `currency`.")
    currency: str | None


class TransactionPage(BaseModel):
    """Newest first."""

    items: list[TransactionRead]
    next_cursor: str | None
