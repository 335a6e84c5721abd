"""Following a turn that another process runs, through run_events; and repeating one that has ended."""

import asyncio
import contextvars
import json
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from pydantic_ai.ui.vercel_ai.response_types import BaseChunk

from agent_api.chat import queries, wire
from agent_api.chat.events import DONE, KEEP_ALIVE, SDK_VERSION, encode_event
from agent_api.chat.parts import chunks_from_parts
from agent_api.database import Database
from agent_api.errors import AppError
from agent_api.shutdown import Shutdown
from agent_api.tokens.queries import current_balance

log = structlog.stdlib.get_logger(__name__)

LAST_EVENTS_PATIENCE_POLLS = 8
"""Polls after a turn was settled in which its last events may still be stored by the process that ran it."""


def split_part(part: dict[str, Any], lengths: list[int] | None, skip: int) -> dict[str, Any]:
    """A joined text without its first `skip` events."""
    if skip <= 0 or not lengths:
        return part
    return {**part, "delta": part["delta"][sum(lengths[:skip]) :]}


@dataclass(frozen=True, slots=True)
class _StoredEvent:
    """A row of run_events, encoded once for all readers that take all of it."""

    row: queries.RunEventRow
    encoded: bytes

    def past(self, position: int) -> bytes:
        """What of it comes after an event."""
        row = self.row
        if position < row.first_seq or not row.lengths:
            return self.encoded
        part = split_part(row.part, row.lengths, position - row.first_seq + 1)
        return encode_event(row.seq, json.dumps(part))


class _FollowedTurn:
    """What this process has learned of a turn that runs elsewhere. One task reads it for all of its readers."""

    def __init__(self, user_id: UUID, request_id: UUID) -> None:
        self.user_id = user_id
        self.request_id = request_id
        self.readers = 0
        self.polling: asyncio.Task[None] | None = None
        self._events: list[_StoredEvent] = []
        self._waiting: set[asyncio.Event] = set()
        self._is_closed = False
        self._end: dict[str, Any] | None = None

    @property
    def position(self) -> int:
        """The last event that is known here."""
        return self._events[-1].row.seq if self._events else 0

    def add(self, rows: list[queries.RunEventRow]) -> bool:
        """Take in new rows and wake the readers; whether the turn's last event is among them."""
        for row in rows:
            is_end = row.part["type"] == "done"
            self._events.append(_StoredEvent(row, encode_event(row.seq, DONE if is_end else json.dumps(row.part))))
        self._wake()
        return bool(rows) and rows[-1].part["type"] == "done"

    def close(self, end: dict[str, Any] | None = None) -> None:
        """No further event comes. `end` tells the readers how the turn was settled where no event did."""
        if not self._is_closed:
            self._is_closed, self._end = True, end
            self._wake()

    def _wake(self) -> None:
        for waiting in self._waiting:
            waiting.set()

    async def read(self, after: int, *, keep_alive_seconds: float) -> AsyncIterator[bytes]:
        """Everything past event `after`; what arrived together leaves together."""
        position = max(after, 0)
        arrived = asyncio.Event()
        self._waiting.add(arrived)
        try:
            while True:
                arrived.clear()
                news = self._events[bisect_right(self._events, position, key=lambda event: event.row.seq) :]
                if news:
                    body = b"".join(event.past(position) for event in news)
                    position = news[-1].row.seq
                    yield body
                elif self._is_closed:
                    if self._end is not None:
                        yield encode_all(wire.end_chunks(self._end), position)
                    return
                else:
                    try:
                        async with asyncio.timeout(keep_alive_seconds):
                            await arrived.wait()
                    except TimeoutError:
                        yield KEEP_ALIVE
        finally:
            self._waiting.discard(arrived)


class RemoteFollower:
    """Serves readers of turns that run elsewhere; however many read a turn, it is polled once."""

    def __init__(
        self, database: Database, shutdown: Shutdown, *, poll_seconds: float, keep_alive_seconds: float
    ) -> None:
        self._database = database
        self._shutdown = shutdown
        self._poll_seconds = poll_seconds
        self._keep_alive_seconds = keep_alive_seconds
        self._followed: dict[UUID, _FollowedTurn] = {}

    async def follow(self, *, user_id: UUID, request_id: UUID, after: int) -> AsyncIterator[bytes]:
        """The events past `after` as they are stored, until the turn's end. `user_id` owns the turn."""
        turn = self._followed.get(request_id) or self._begin(user_id, request_id)
        turn.readers += 1
        try:
            async for body in turn.read(after, keep_alive_seconds=self._keep_alive_seconds):
                yield body
        finally:
            turn.readers -= 1
            if not turn.readers:
                self._forget(turn)

    def _begin(self, user_id: UUID, request_id: UUID) -> _FollowedTurn:
        turn = self._followed[request_id] = _FollowedTurn(user_id, request_id)
        # A context of its own: it outlives the request that happens to come first.
        turn.polling = asyncio.create_task(self._poll(turn), context=contextvars.Context())
        return turn

    def _forget(self, turn: _FollowedTurn) -> None:
        if self._followed.get(turn.request_id) is turn:
            del self._followed[turn.request_id]
        if turn.polling is not None and turn.polling is not asyncio.current_task():
            turn.polling.cancel()

    async def _poll(self, turn: _FollowedTurn) -> None:
        try:
            await self._poll_until_end(turn)
        except AppError as error:
            log.warning("remote_turn_unreadable", turn_id=str(turn.request_id), exc_info=error)
        except Exception as error:  # Nobody awaits this task; the readers attach again.
            log.error("remote_turn_unreadable", turn_id=str(turn.request_id), exc_info=error)
        finally:
            turn.close()
            # Whoever comes now begins anew; those who read keep what they hold.
            self._forget(turn)

    async def _poll_until_end(self, turn: _FollowedTurn) -> None:
        polls_after_end = 0
        while not self._shutdown.begun.is_set():
            async with self._database.statement() as connection:
                news = await queries.read_run_events(connection, request_id=turn.request_id, after=turn.position)
            if news.rows:
                if turn.add(news.rows):
                    return
            elif news.status is None:
                return  # The account was deleted.
            elif news.status != "running":
                polls_after_end += 1
                if polls_after_end > LAST_EVENTS_PATIENCE_POLLS:
                    # Its process was lost: the end is told from the row that a sweeper settled.
                    turn.close(await self._read_end(turn))
                    return
            await asyncio.sleep(self._poll_seconds)

    async def _read_end(self, turn: _FollowedTurn) -> dict[str, Any] | None:
        async with self._database.transaction() as connection:
            ended = await queries.read_ended_turn(connection, request_id=turn.request_id)
            balance = await current_balance(connection, user_id=turn.user_id)
        return None if ended is None else end_metadata(ended, balance)

    async def repeat(self, *, request_id: UUID, begun: queries.BegunTurn) -> AsyncIterator[bytes]:
        """A settled turn once more, from what was stored."""
        async with self._database.transaction() as connection:
            ended = await queries.read_ended_turn(connection, request_id=request_id)
        if ended is not None:
            yield encode_all(repeat_chunks(request_id, begun, ended), 0)


def end_metadata(ended: queries.EndedTurn, balance: int) -> dict[str, Any]:
    """What the end of a turn says, from its settled row."""
    usage = None
    if ended.output_tokens is not None:
        usage = {"input_tokens": ended.input_tokens, "output_tokens": ended.output_tokens}
    return wire.end_metadata(status=ended.status, reason=ended.reason, balance=balance, usage=usage)


def repeat_chunks(request_id: UUID, begun: queries.BegunTurn, ended: queries.EndedTurn) -> Iterator[BaseChunk]:
    """All events of a settled turn."""
    yield wire.start_chunk(
        message_id=begun.answer_message_id,
        session_id=begun.session_id,
        request_id=request_id,
        user_message_id=begun.user_message_id,
        balance=begun.balance,
    )
    if ended.message is not None:
        yield from chunks_from_parts(ended.message.get("parts", []))
    yield from wire.end_chunks(end_metadata(ended, begun.balance))


def encode_all(chunks: Iterator[BaseChunk], position: int) -> bytes:
    """Chunks as events, numbered on from `position`."""
    return b"".join(encode_event(position + n, chunk.encode(SDK_VERSION)) for n, chunk in enumerate(chunks, start=1))
