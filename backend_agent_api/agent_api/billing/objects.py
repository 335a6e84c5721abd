"""The parts of Stripe's objects that are read here, however they came: fetched, or inside an event."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MINOR_MAX = 2**53


class _StripeObject(BaseModel):
    # Stripe adds fields without a new version: what is not read here is not looked at. What is read is taken as it is.
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


Metadata = Annotated[dict[str, str], BeforeValidator(lambda value: {} if value is None else value)]
Minor = Annotated[int, Field(ge=0, le=MINOR_MAX)]
ObjectId = Annotated[str, Field(min_length=1, max_length=255)]


class PaymentError(_StripeObject):
    """Why an attempt to pay failed."""

    code: str | None = None
    decline_code: str | None = None


class Charge(_StripeObject):
    """What was taken, when expanded in a payment intent."""

    id: ObjectId
    created: int
    amount_refunded: Minor = 0
    disputed: bool = False


class PaymentIntent(_StripeObject):
    """One payment; `amount_received` in minor units."""

    id: ObjectId
    created: int
    status: str
    amount_received: Minor = 0
    currency: str
    livemode: bool
    metadata: Metadata = {}
    latest_charge: Charge | str | None = None
    last_payment_error: PaymentError | None = None


class CheckoutSession(_StripeObject):
    """A hosted page; `url` only while it is open."""

    id: ObjectId
    status: str | None = None
    url: str | None = None
    expires_at: int
    metadata: Metadata = {}
    payment_intent: ObjectId | None = None


class Refund(_StripeObject):
    """Money given back, or on its way."""

    amount: Minor
    status: str | None = None


class BalanceLine(_StripeObject):
    """Money that went (negative) or came back."""

    amount: int


class Dispute(_StripeObject):
    """A payment that the customer's bank takes back."""

    status: str
    balance_transactions: list[BalanceLine] = []


class EventData(_StripeObject):
    """What an event is about."""

    object: dict[str, Any]


class Event(_StripeObject):
    """What happened. `account` is set where a connected account is meant, which is never ours."""

    id: ObjectId
    type: Annotated[str, Field(min_length=1, max_length=255)]
    created: Annotated[int, Field(ge=0, le=253_402_300_799)]
    livemode: bool
    api_version: str | None = None
    account: str | None = None
    data: EventData
