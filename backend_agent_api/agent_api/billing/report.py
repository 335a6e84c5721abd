"""What reconciliation found and did. Money is in minor units, tokens are those of purchases."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from agent_api.text import StorableText

LISTED_MAX = 100


class Side(BaseModel):
    """The compared payments as one of both sides knows them."""

    purchases: int = 0
    paid_minor: int = 0
    refunded_minor: int = 0
    disputed: int = Field(default=0, description="Purchases with a dispute that is open or lost.")
    tokens: int = Field(default=0, description="That these payments amount to now.")


class Difference(BaseModel):
    """What the two sides still say differently after the repairs, or what kept them from being compared."""

    payment_intent_id: str
    purchase_id: UUID | None
    field: str = Field(description="error: this payment could not be compared; ours or stripe says why.")
    ours: str
    stripe: str


class Repair(BaseModel):
    """What a lost webhook had left, made good."""

    what: Literal["payment_recorded", "facts_updated", "event_applied", "purchase_closed"]
    id: str = Field(description="Of the event or the purchase.")
    tokens_moved: int = 0


class EventSums(BaseModel):
    """Events that Stripe knows since the last run, and those that had failed here."""

    listed: int = 0
    applied: int = 0
    failed: int = 0


class UnpaidSums(BaseModel):
    """Purchases that Stripe was asked about."""

    checked: int = 0
    closed: int = 0


class Flagged(BaseModel):
    """Paid in a way that does not match; nothing was credited, an operator decides."""

    payments: int = 0
    paid_minor: int = 0


class Unknown(BaseModel):
    """Paid in our books, not known to Stripe, and acknowledged by an operator: part of neither side."""

    payments: int = 0
    paid_minor: int = 0
    tokens: int = Field(default=0, description="That people keep of them.")

    def add(self, *, paid_minor: int, tokens: int) -> None:
        self.payments += 1
        self.paid_minor += paid_minor
        self.tokens += tokens


class Undelivered(BaseModel):
    """Tokens that were paid and whose account is deleted; an operator gives the money back."""

    purchases: int = 0
    tokens: int = 0


class Report(BaseModel):
    """One comparison. `drift` counts all differences; the lists hold the first hundred."""

    is_full: bool
    compared_since: datetime | None = Field(description="Null: from the first purchase on, and as far as a daily run.")
    compared_until: datetime = Field(description="What is younger is left to its webhook.")
    currency: str
    stripe: Side = Side()
    ours: Side = Side()
    drift: int = 0
    differences: list[Difference] = []
    repairs_made: int = 0
    repairs: list[Repair] = []
    flagged: Flagged = Flagged()
    unknown: Unknown = Unknown()
    undelivered: Undelivered = Undelivered()
    events: EventSums = EventSums()
    unpaid: UnpaidSums = UnpaidSums()
    audit_faults: int | None = Field(default=None, description="Of audit_ledger(). Null: not asked.")
    audit_finished: bool = Field(default=True, description="False: it was cut off, and audit_faults says nothing.")
    audit_examples: list[str] = []

    def add_difference(self, difference: Difference) -> None:
        self.drift += 1
        if len(self.differences) < LISTED_MAX:
            self.differences.append(difference)

    def add_repair(self, repair: Repair) -> None:
        self.repairs_made += 1
        if len(self.repairs) < LISTED_MAX:
            self.repairs.append(repair)

    @property
    def is_clean(self) -> bool:
        """Whether the books agree with Stripe and with themselves."""
        return self.drift == 0 and not self.audit_faults and self.audit_finished


class RunRead(BaseModel):
    """One finished run."""

    started_at: datetime
    finished_at: datetime
    report: Report


class FailedRunRead(BaseModel):
    """A run that could not finish; the next one begins where it did."""

    started_at: datetime
    error: str


class PaymentFlag(BaseModel):
    """A payment that waits for an operator, and the purchase that it belongs to or claims to pay."""

    payment_intent_id: str
    reason: str
    raised_at: datetime
    purchase_id: UUID | None = Field(description="Null: it has no tie to any purchase.")
    user_id: UUID | None
    tier: str | None
    status: str | None
    tokens_undelivered: int | None


class StartedRead(BaseModel):
    """A run goes on; its report will be the newest."""

    status: Literal["started"] = "started"


class AcknowledgementWrite(BaseModel):
    """What the operator did about it."""

    note: StorableText = Field(default="", max_length=1000, description="For other operators; nobody else reads it.")


class AcknowledgedFlag(BaseModel):
    """A flagged payment that an operator has dealt with."""

    payment_intent_id: str
    reason: str
    purchase_id: UUID | None
    raised_at: datetime
    closed_at: datetime
    acknowledged_by: UUID = Field(description="Who was first.")
    note: str | None


class ReconciliationRead(BaseModel):
    """The newest runs, and what waits for an operator."""

    is_running: bool
    last_run: RunRead
    last_full_run: RunRead | None
    last_failure: FailedRunRead | None = Field(description="Only when newer than last_run.")
    events_by_status: dict[str, int]
    purchases_by_status: dict[str, int]
    flagged_payments: list[PaymentFlag] = Field(description="The newest hundred that no operator has acknowledged.")
