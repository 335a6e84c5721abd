"""The test cards of Stripe's documentation, and what each of them does."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Decline:
    """Why a bank says no: Stripe's error code, decline code and words."""

    code: str
    decline_code: str | None
    message: str
    param: str | None = None


_DECLINED = "Your card was declined."
_GENERIC = Decline("card_declined", "generic_decline", _DECLINED)
_INSUFFICIENT = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
_LOST = Decline("card_declined", "lost_card", _DECLINED)
_STOLEN = Decline("card_declined", "stolen_card", _DECLINED)
_EXPIRED = Decline("expired_card", None, "Your card has expired.", "exp_month")
_CVC = Decline("incorrect_cvc", None, "Your card's security code is incorrect.", "cvc")
_PROCESSING = Decline(
    "processing_error", None, "An error occurred while processing your card. Try again in a little bit."
)
REAL_CARD = Decline(
    "card_declined",
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test card. For a list of valid test cards, "
    "visit: https://stripe.com/docs/testing.",
)
NOT_AUTHENTICATED = Decline(
    "payment_intent_authentication_failure",
    None,
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)


@dataclass(frozen=True)
class Card:
    """`payment_method` is the id under which the API and the CLI know the same card."""

    number: str
    brand: str
    payment_method: str
    summary: str
    decline: Decline | None = None
    authenticate: bool = False
    dispute_reason: str | None = None
    dispute_is_inquiry: bool = False

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def grouped(self) -> str:
        return " ".join(re.findall(".{4}", self.number)) if self.brand != "amex" else _grouped_amex(self.number)


def _grouped_amex(number: str) -> str:
    return f"{number[:4]} {number[4:10]} {number[10:]}"


CARDS = (
    Card("4242424242424242", "visa", "pm_card_visa", "Succeeds"),
    Card("5555555555554444", "mastercard", "pm_card_mastercard", "Succeeds (Mastercard)"),
    Card("378282246310005", "amex", "pm_card_amex", "Succeeds (American Express)"),
    Card("4000002500003155", "visa", "pm_card_authenticationRequiredOnSetup", "Asks for 3-D Secure", authenticate=True),
    Card("4000002760003184", "visa", "pm_card_authenticationRequired", "Always asks for 3-D Secure", authenticate=True),
    Card(
        "4000008260003178",
        "visa",
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        "3-D Secure, then insufficient funds",
        decline=_INSUFFICIENT,
        authenticate=True,
    ),
    Card("4000000000000002", "visa", "pm_card_visa_chargeDeclined", "Declined", decline=_GENERIC),
    Card(
        "4000000000009995",
        "visa",
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "Insufficient funds",
        decline=_INSUFFICIENT,
    ),
    Card("4000000000009987", "visa", "pm_card_visa_chargeDeclinedLostCard", "Lost card", decline=_LOST),
    Card("4000000000009979", "visa", "pm_card_visa_chargeDeclinedStolenCard", "Stolen card", decline=_STOLEN),
    Card("4000000000000069", "visa", "pm_card_chargeDeclinedExpiredCard", "Expired card", decline=_EXPIRED),
    Card("4000000000000127", "visa", "pm_card_chargeDeclinedIncorrectCvc", "Incorrect CVC", decline=_CVC),
    Card("4000000000000119", "visa", "pm_card_chargeDeclinedProcessingError", "Processing error", decline=_PROCESSING),
    Card(
        "4000000000000259", "visa", "pm_card_createDispute", "Succeeds, then is disputed", dispute_reason="fraudulent"
    ),
    Card(
        "4000000000002685",
        "visa",
        "pm_card_createDisputeProductNotReceived",
        "Succeeds, then is disputed as not received",
        dispute_reason="product_not_received",
    ),
    Card(
        "4000000000001976",
        "visa",
        "pm_card_createDisputeInquiry",
        "Succeeds, then the bank inquires",
        dispute_reason="fraudulent",
        dispute_is_inquiry=True,
    ),
)
_BY_NUMBER = {card.number: card for card in CARDS}
_BY_PAYMENT_METHOD = {card.payment_method: card for card in CARDS} | {
    "pm_card_chargeDeclined": _BY_NUMBER["4000000000000002"],
    "pm_card_chargeDeclinedInsufficientFunds": _BY_NUMBER["4000000000009995"],
    "pm_card_threeDSecureRequired": _BY_NUMBER["4000002760003184"],
}


def card_by_number(digits: str) -> Card:
    """The documented card; any other is treated as a real one, which test mode declines."""
    known = _BY_NUMBER.get(digits)
    if known is not None:
        return known
    return Card(digits, brand_of(digits), "", "Not a test card", decline=REAL_CARD)


def card_by_payment_method(identifier: str) -> Card | None:
    """The card behind a test payment method such as pm_card_visa."""
    return _BY_PAYMENT_METHOD.get(identifier)


def brand_of(digits: str) -> str:
    if digits[:2] in ("34", "37"):
        return "amex"
    if digits[:1] == "5":
        return "mastercard"
    return "visa" if digits[:1] == "4" else "unknown"


def passes_luhn(digits: str) -> bool:
    """The check digit of a card number."""
    if not 12 <= len(digits) <= 19 or not (digits.isascii() and digits.isdigit()):
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
