"""What is for sale. The one price table: a browser sends a tier, never an amount."""

from dataclasses import dataclass
from typing import Literal

Tier = Literal["tier_1", "tier_2", "tier_3"]
CURRENCY = "usd"


@dataclass(frozen=True)
class Package:
    """A pack of tokens and its price in minor units of CURRENCY."""

    tier: Tier
    tokens: int
    price_minor: int


PACKAGES: dict[Tier, Package] = {
    package.tier: package
    for package in (
        Package("tier_1", tokens=100, price_minor=500),
        Package("tier_2", tokens=250, price_minor=1000),
        Package("tier_3", tokens=600, price_minor=2000),
    )
}
BEST_VALUE: Tier = min(PACKAGES.values(), key=lambda package: package.price_minor / package.tokens).tier
