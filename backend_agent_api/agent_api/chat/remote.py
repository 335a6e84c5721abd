"""Following a turn that another process runs, through run_events; and repeating one that has ended."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
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


class RemoteFollower:
    """Serves readers of turns that run elsewhere."""

    def __init__(
        self, database: Database, shutdown: Shutdown, *, poll_seconds: float, keep_alive_seconds: float
    ) -> None:
        self._database = database
        self._shutdown = shutdown
        self._poll_seconds = poll_seconds
        self._keep_alive_seconds = keep_alive_seconds

    async def follow(self, *, user_id: UUID, request_id: UUID, after: int) -> AsyncIterator[bytes]:
        """The events past `after` as they are stored, until the turn's end."""
        position = max(after, 0)
        silent_seconds = 0.0
        polls_after_end = 0
        while not self._shutdown.begun.is_set():
            try:
                async with self._database.transaction() as connection:
                    news = await queries.read_run_events(connection, request_id=request_id, after=position)
            except AppError as error:
                log.warning("remote_turn_unreadable", exc_info=error)
                return  # The reader attaches again.
            body = bytearray()
            for first_seq, seq, part, lengths in news.rows:
                is_end = part["type"] == "done"
                payload = DONE if is_end else json.dumps(split_part(part, lengths, position - first_seq + 1))
                body += encode_event(seq, payload)
                position = seq
                if is_end:
                    yield bytes(body)
                    return
            if body:
                silent_seconds = 0.0
                yield bytes(body)
            elif news.status is None:
                return  # The account was deleted.
            elif news.status != "running":
                polls_after_end += 1
                if polls_after_end > LAST_EVENTS_PATIENCE_POLLS:
                    # Its process was lost: the end is told from the row that a sweeper settled.
                    yield await self._end(user_id=user_id, request_id=request_id, position=position)
                    return
            await asyncio.sleep(self._poll_seconds)
            silent_seconds += self._poll_seconds
            if silent_seconds >= self._keep_alive_seconds:
                silent_seconds = 0.0
                yield KEEP_ALIVE

    async def _end(self, *, user_id: UUID, request_id: UUID, position: int) -> bytes:
        async with self._database.transaction() as connection:
            ended = await queries.read_ended_turn(connection, request_id=request_id)
            balance = await current_balance(connection, user_id=user_id)
        if ended is None:
            return b""
        return encode_all(wire.end_chunks(end_metadata(ended, balance)), position)

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
