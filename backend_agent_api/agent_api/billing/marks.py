"""How what we make in a Stripe account is told from what others make there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from agent_api.settings import Settings

KIND = "token_pack"


@dataclass(frozen=True)
class Marks:
    """Metadata of everything this installation makes."""

    app: str
    env: str

    @classmethod
    def of_installation(cls, settings: Settings) -> "Marks":
        return cls(app=settings.stripe_app_name, env=settings.environment)

    def of_customer(self, user_id: UUID) -> dict[str, str]:
        return {"app": self.app, "env": self.env, "user_id": str(user_id)}

    def of_purchase(self, *, purchase_id: UUID, user_id: UUID, tier: str) -> dict[str, str]:
        return {**self.of_customer(user_id), "kind": KIND, "purchase_id": str(purchase_id), "tier": tier}

    def are_on(self, metadata: Mapping[str, str]) -> bool:
        """Whether this belongs to a purchase of this installation."""
        found = (metadata.get("app"), metadata.get("env"), metadata.get("kind"))
        return found == (self.app, self.env, KIND)


def metadata_in(body: Mapping[str, object]) -> dict[str, str]:
    """The metadata of an object as it came; whose it is can be told before the rest of it is understood."""
    found: object = body.get("metadata")
    if not isinstance(found, dict):
        return {}
    pairs = cast("dict[object, object]", found).items()
    return {name: value for name, value in pairs if isinstance(name, str) and isinstance(value, str)}


def uuid_in(metadata: Mapping[str, str], name: str) -> UUID | None:
    """A uuid of ours in metadata; None where somebody wrote something else there."""
    try:
        return UUID(metadata.get(name, ""))
    except ValueError:
        return None
