"""SQL of the chat turn. The rules themselves are functions in sql/18-chat-begin.sql and those after it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from agent_api.database import Connection

TurnStatus = Literal["running", "done", "stopped", "failed", "released"]


@dataclass(frozen=True)
class BegunTurn:
    """What begin_request says. `is_started` is False for a repeat of a known request."""

    is_started: bool
    session_id: str
    user_message_id: int
    answer_message_id: int
    balance: int
    status: str
    is_new_conversation: bool


async def begin_request(
    connection: Connection,
    *,
    user_id: UUID,
    request_id: UUID,
    session_id: str,
    text: str,
    trigger: str,
    message_reference: str | None,
    previous_reference: str | None,
    client_message_id: str | None,
    lease_holder: UUID,
    lease_seconds: int,
    rate_limit: int,
    rate_window_seconds: int,
) -> BegunTurn:
    """Reserve a turn: one transaction, one round trip. Refusals arrive as the types of `errors.py`."""
    row = await connection.fetchrow(
        """
        select outcome, session_id, user_message_id, answer_message_id, balance, status, is_new_conversation
        from public.begin_request($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        user_id, request_id, session_id, text, trigger, message_reference, previous_reference, client_message_id,
        lease_holder, lease_seconds, rate_limit, rate_window_seconds,
    )  # fmt: skip
    assert row is not None  # The function returns one row or raises.
    outcome, *values = row.values()
    return BegunTurn(outcome == "started", *values)


@dataclass(frozen=True)
class TurnResult:
    """Everything that settling a turn writes."""

    status: str
    reason: str | None
    message: dict[str, Any] | None
    message_data: str | None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    usage_estimated: bool | None = None
    cost_usd: Decimal | None = None


@dataclass(frozen=True)
class Settlement:
    """`is_settled` is False when the turn had ended before; `status` is what it ended as, None when it is gone."""

    is_settled: bool
    status: str | None
    balance: int


async def settle_request(
    connection: Connection, *, user_id: UUID, request_id: UUID, lease_holder: UUID, result: TurnResult
) -> Settlement:
    """Store the answer and settle the turn, in one transaction."""
    row = await connection.fetchrow(
        """
        select settled, status, balance
        from public.settle_request($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        user_id, request_id, lease_holder, result.status, result.reason, result.message, result.message_data,
        result.model, result.input_tokens, result.output_tokens, result.usage_estimated, result.cost_usd,
    )  # fmt: skip
    assert row is not None
    return Settlement(row["settled"], row["status"], row["balance"])


async def flush_run_events(
    connection: Connection, *, lease_holder: UUID, request_ids: list[UUID], rows: str
) -> dict[UUID, bool]:
    """Store rows (a JSON array) and return the turns still held, each with whether it is to stop."""
    records = await connection.fetch(
        "select request_id, stop_requested from public.flush_run_events($1, $2, $3::text::jsonb)",
        lease_holder, request_ids, rows,
    )  # fmt: skip
    return {record["request_id"]: record["stop_requested"] for record in records}


async def renew_leases(
    connection: Connection, *, lease_holder: UUID, request_ids: list[UUID], lease_seconds: int
) -> set[UUID]:
    """Extend the leases of this process; what is missing from the answer was lost."""
    records = await connection.fetch(
        "select id from public.renew_leases($1, $2, $3) as id", lease_holder, request_ids, lease_seconds
    )
    return {record["id"] for record in records}


async def list_lost_requests(connection: Connection, *, limit: int) -> list[tuple[UUID, UUID]]:
    """(user id, request id) of running turns past their lease."""
    records = await connection.fetch("select user_id, request_id from public.list_lost_requests($1)", limit)
    return [(record["user_id"], record["request_id"]) for record in records]


async def settle_lost_request(connection: Connection, *, user_id: UUID, request_id: UUID) -> str | None:
    """Settle a turn whose process is gone; the status, or None when somebody else did."""
    return await connection.fetchval("select public.settle_lost_request($1, $2)", user_id, request_id)


async def purge_run_events(connection: Connection, *, limit: int) -> int:
    """Drop the events of turns settled long ago; how many rows went."""
    return await connection.fetchval("select public.purge_run_events($1)", limit)


async def request_stop(connection: Connection, *, user_id: UUID, session_id: str) -> UUID | None:
    """Ask for the running turn of a conversation to be stopped; its id, or None."""
    return await connection.fetchval("select public.request_stop($1, $2)", user_id, session_id)


async def find_running_request(connection: Connection, *, user_id: UUID, session_id: str) -> tuple[bool, UUID | None]:
    """(whether the conversation is the person's, the turn that runs in it)."""
    row = await connection.fetchrow(
        """
        select r.id
        from public.conversations as c
        left join public.requests as r on r.session_id = c.session_id and r.status = 'running'
        where c.session_id = $1 and c.user_id = $2
        """,
        session_id, user_id,
    )  # fmt: skip
    return row is not None, row["id"] if row else None


@dataclass(frozen=True, slots=True)
class RunEventRow:
    """Events `first_seq` to `seq`: one, or neighbouring deltas of one text joined, with the length of each."""

    first_seq: int
    seq: int
    part: dict[str, Any]
    lengths: list[int] | None


@dataclass(frozen=True)
class RemoteEvents:
    """New rows of a turn that runs elsewhere, and how the turn stands; no status: it is gone."""

    rows: list[RunEventRow]
    status: TurnStatus | None


async def read_run_events(connection: Connection, *, request_id: UUID, after: int) -> RemoteEvents:
    """What was stored past event `after`."""
    # One statement, so one snapshot: whatever was stored before the turn ended is seen together with its end.
    records = await connection.fetch(
        """
        select r.status, e.first_seq, e.seq, e.part, e.lengths
        from public.requests as r
        left join public.run_events as e on e.request_id = r.id and e.seq > $2
        where r.id = $1
        order by e.seq
        """,
        request_id, after,
    )  # fmt: skip
    rows = [
        RunEventRow(row["first_seq"], row["seq"], row["part"], row["lengths"])
        for row in records
        if row["seq"] is not None
    ]
    return RemoteEvents(rows, records[0]["status"] if records else None)


@dataclass(frozen=True)
class EndedTurn:
    """A settled turn as its repeat needs it."""

    status: TurnStatus
    reason: str | None
    message: dict[str, Any] | None
    input_tokens: int | None
    output_tokens: int | None


async def read_ended_turn(connection: Connection, *, request_id: UUID) -> EndedTurn | None:
    """How a turn ended, with the answer if one was kept; None when its account is gone."""
    row = await connection.fetchrow(
        """
        select r.status, r.reason, m.message, r.input_tokens, r.output_tokens
        from public.requests as r
        left join public.messages as m on m.id = r.answer_message_id
        where r.id = $1
        """,
        request_id,
    )
    return None if row is None else EndedTurn(*row.values())


@dataclass(frozen=True)
class HistoryRow:
    """One message on the way from the first message to the question."""

    is_human: bool
    content: str
    message_data: str | None


async def load_history(connection: Connection, *, user_message_id: int, messages_max: int) -> list[HistoryRow]:
    """The branch that ends with the question, oldest first, the question included.

    message_data is only that of turns this service wrote: in rows of earlier versions, people could forge it.
    """
    records = await connection.fetch(
        """
        with recursive branch as (
            select m.id, m.parent_id, m.message, m.message_data, m.request_id, 1 as depth
            from public.messages as m
            where m.id = $1
            union all
            select m.id, m.parent_id, m.message, m.message_data, m.request_id, b.depth + 1
            from public.messages as m
            join branch as b on m.id = b.parent_id
            where b.depth < $2
        )
        select message ->> 'type' = 'human' as is_human, coalesce(message ->> 'content', '') as content,
            case when request_id is not null then message_data end as message_data
        from branch
        order by depth desc
        """,
        user_message_id, messages_max,
    )  # fmt: skip
    return [HistoryRow(*record.values()) for record in records]


async def set_first_title(connection: Connection, *, session_id: str, title: str) -> None:
    """Title a conversation that has none; a name that a person gave meanwhile stays."""
    await connection.execute(
        "update public.conversations set title = $2 where session_id = $1 and title is null", session_id, title
    )
