"""Currencies and how amounts are written."""

from local_stack.stripe_sandbox.errors import invalid
from local_stack.stripe_sandbox.form import Raw
from local_stack.stripe_sandbox.parameters import Parse, text

_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "cad": "CA$", "aud": "A$", "inr": "₹", "chf": "CHF "}
_WITHOUT_MINOR_UNIT = {"jpy"}


def currency() -> Parse:
    """A currency this sandbox knows, in lower case."""
    single = text(3)

    def parse(raw: Raw, name: str) -> str:
        value = str(single(raw, name)).lower()
        if value not in _SYMBOLS:
            raise invalid(f"Invalid currency: {value}. The sandbox knows: {', '.join(_SYMBOLS)}", param=name)
        return value

    return parse


def written(amount: int, code: str) -> str:
    """An amount in minor units as people write it, such as $5.00."""
    number = f"{amount:,}" if code in _WITHOUT_MINOR_UNIT else f"{amount / 100:,.2f}"
    return f"{_SYMBOLS[code]}{number}"
