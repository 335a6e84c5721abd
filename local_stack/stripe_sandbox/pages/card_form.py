"""What a person types on the payment page, checked as Stripe's page checks it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local_stack.stripe_sandbox.cards import brand_of, card_by_number, passes_luhn
from local_stack.stripe_sandbox.resources.payment_methods import CardUse

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_EXPIRY = re.compile(r"(\d{1,2})\s*/?\s*(\d{4}|\d{2})")
_VALUE_CHARACTERS_MAX = 512


@dataclass
class CardForm:
    """The typed values, and what is wrong with them by field name."""

    email: str = ""
    number: str = ""
    expiry: str = ""
    cvc: str = ""
    name: str = ""
    errors: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, values: Mapping[str, str], *, email: str | None) -> "CardForm":
        """The form as sent; `email` is the customer's known address, which the page does not change."""

        def typed(name: str) -> str:
            return values.get(name, "").strip()[:_VALUE_CHARACTERS_MAX]

        return cls(email or typed("email"), typed("number"), typed("expiry"), typed("cvc"), typed("name"))

    def card_use(self, now: datetime | None = None) -> CardUse | None:
        """The card, or None with `errors` filled."""
        digits = re.sub(r"[\s-]", "", self.number)
        expiry = _EXPIRY.fullmatch(self.expiry)
        month, year = (int(expiry[1]), int(expiry[2])) if expiry else (0, 0)
        year += 2000 if year < 100 else 0
        self.errors = {
            name: words
            for name, words in (
                ("email", "" if _EMAIL.fullmatch(self.email) else "Enter an email address, such as you@example.com."),
                ("number", _number_fault(digits)),
                ("expiry", _expiry_fault(month, year, now or datetime.now(UTC))),
                ("cvc", _cvc_fault(self.cvc, digits)),
                ("name", "" if self.name else "Enter the name on the card."),
            )
            if words
        }
        if self.errors:
            return None
        return CardUse(card_by_number(digits), month, year, self.name, self.email)


def _number_fault(digits: str) -> str:
    if not (digits.isascii() and digits.isdigit()) or len(digits) < 12:
        return "Your card number is incomplete."
    return "" if passes_luhn(digits) else "Your card number is invalid."


def _expiry_fault(month: int, year: int, now: datetime) -> str:
    if not 1 <= month <= 12:
        return "Your card's expiration date is incomplete. Write it as MM / YY."
    if (year, month) < (now.year, now.month):
        return "Your card's expiration date is in the past."
    return "" if year < now.year + 50 else "Your card's expiration year is invalid."


def _cvc_fault(cvc: str, digits: str) -> str:
    wanted = 4 if brand_of(digits) == "amex" else 3
    return "" if cvc.isascii() and cvc.isdigit() and len(cvc) == wanted else "Your card's security code is incomplete."
