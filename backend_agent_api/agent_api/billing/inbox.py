"""The inbox: every event is stored and applied once, whoever brings it - the webhook, reconciliation or an operator."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog

from agent_api.billing import inbox_queries
from agent_api.billing.client import API_VERSION
from agent_api.billing.effects import OBSERVED, Effect, Effects
from agent_api.billing.inbox_queries import AppliedEvent
from agent_api.billing.objects import Event
from agent_api.database import Database

log = structlog.stdlib.get_logger(__name__)


class Inbox:
    """One per process."""

    def __init__(self, database: Database, effects: Effects, balance_changed: Callable[[UUID], None]) -> None:
        self._database = database
        self._effects = effects
        self._balance_changed = balance_changed

    async def receive(self, event: Event, payload: dict[str, Any], *, again: bool = False) -> AppliedEvent:
        """Apply an event, once unless `again`. Raises DatabaseUnavailable: then nothing of it is kept."""
        effect = await self._effect(event, again=again)
        if event.api_version != API_VERSION and effect.action != "ignore":
            # Nothing is read from such a payload but whose it is; the endpoint should still be put right.
            log.error("stripe_event_of_another_version", event_id=event.id, api_version=event.api_version)
        return await self._apply(event, payload, effect, again=again)

    async def catch_up(self, event: Event, payload: dict[str, Any]) -> AppliedEvent | None:
        """Apply an event that no delivery has brought; what is not ours is not kept, and None."""
        effect = await self._effects.of(event)
        return None if effect.action == "ignore" else await self._apply(event, payload, effect, again=False)

    async def _apply(self, event: Event, payload: dict[str, Any], effect: Effect, *, again: bool) -> AppliedEvent:
        async with self._database.statement() as connection:
            applied = await inbox_queries.apply_event(
                connection, event=event, payload=payload, action=effect.action, facts=effect.facts, again=again
            )
        if applied.user_id is not None and applied.tokens_moved:
            self._balance_changed(applied.user_id)
        _log(event, applied)
        return applied

    async def _effect(self, event: Event, *, again: bool) -> Effect:
        if event.type in OBSERVED and not again:
            async with self._database.statement() as connection:
                done = await inbox_queries.settled_event_ids(connection, event_ids=[event.id])
            if done:
                return Effect("none")  # A repeat, which changes nothing: not worth three requests to Stripe.
        return await self._effects.of(event)


def _log(event: Event, applied: AppliedEvent) -> None:
    fields: dict[str, Any] = {"event_id": event.id, "type": event.type, "status": applied.status}
    if applied.is_repeat:
        log.info("stripe_event_repeated", **fields)
    elif applied.status in ("failed", "flagged"):
        log.error("stripe_event_" + applied.status, error=applied.error, **fields)
    else:
        log.info("stripe_event", tokens_moved=applied.tokens_moved, **fields)
