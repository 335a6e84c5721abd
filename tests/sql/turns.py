"""Chat turns as the API drives them: one call to begin, one to settle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg

# Longer than any test may take.
LEASE_SECONDS = 600
RATE_WINDOW_SECONDS = 3600
# High enough never to matter in a test that is about something else.
RATE_LIMIT = 100_000


@dataclass(frozen=True)
class Begun:
    request_id: UUID
    outcome: str
    session_id: str
    user_message_id: int
    answer_message_id: int
    balance: int
    status: str
    is_new_conversation: bool


@dataclass(frozen=True)
class Settled:
    settled: bool
    status: str | None
    balance: int


@dataclass(frozen=True)
class Turns:
    """The turns of one person on one connection, run by one process."""

    connection: asyncpg.Connection
    user_id: UUID
    holder: UUID = field(default_factory=uuid4)

    async def begin(
        self,
        text: str | None = "Hello",
        *,
        request_id: UUID | None = None,
        session_id: str = "",
        trigger: str = "submit-message",
        message: str | int | None = None,
        previous: str | int | None = None,
        client_message_id: str | None = None,
        rate_limit: int = RATE_LIMIT,
        lease_seconds: int = LEASE_SECONDS,
    ) -> Begun:
        request_id = request_id or uuid4()
        row = await self.connection.fetchrow(
            "select * from public.begin_request($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            *(self.user_id, request_id, session_id, text, trigger, _reference(message), _reference(previous)),
            *(client_message_id, self.holder, lease_seconds, rate_limit, RATE_WINDOW_SECONDS),
        )
        assert row is not None
        return Begun(request_id, **dict(row))

    async def settle(
        self, request_id: UUID, status: str = "done", *, content: str = "An answer.", reason: str | None = None
    ) -> Settled:
        row = await self.connection.fetchrow(
            "select * from public.settle_request($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            *(self.user_id, request_id, self.holder, status, reason),
            json.dumps({"type": "ai", "content": content}),
            *('[{"kind": "response"}]', "demo", 10, 20, False, None),
        )
        assert row is not None
        return Settled(**dict(row))

    async def answer(self, text: str = "Hello", *, session_id: str = "") -> Begun:
        """Begin a turn and settle it as done."""
        begun = await self.begin(text, session_id=session_id)
        await self.settle(begun.request_id)
        return begun

    async def emit(self, request_id: UUID, *parts: dict[str, str], first_seq: int = 1) -> list[UUID]:
        """Store parts of the running answer as its process does; returns the turns that process still holds."""
        events = [
            {"request_id": str(request_id), "first_seq": number, "seq": number, "part": part}
            for number, part in enumerate(parts, first_seq)
        ]
        rows = await self.connection.fetch(
            "select * from public.flush_run_events($1, $2, $3)", self.holder, [request_id], json.dumps(events)
        )
        return [row["request_id"] for row in rows]

    async def lose(self, request_id: UUID) -> None:
        """Let the lease of a turn run out, as after a crash."""
        await self.connection.execute(
            "update public.requests set lease_expires_at = clock_timestamp() - interval '1 second' where id = $1",
            request_id,
        )

    async def settle_lost(self, request_id: UUID) -> str | None:
        return await self.connection.fetchval("select public.settle_lost_request($1, $2)", self.user_id, request_id)

    async def balance(self) -> int:
        return await self.connection.fetchval("select public.current_balance($1)", self.user_id)


def _reference(value: str | int | None) -> str | None:
    return None if value is None else str(value)


async def audit(connection: asyncpg.Connection) -> list[tuple[UUID, str, str]]:
    """What audit_ledger reports: no rows when the books are right."""
    return [tuple(row) for row in await connection.fetch("select * from public.audit_ledger()")]
