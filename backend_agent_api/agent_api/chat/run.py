"""One running turn: a task of the process, not of a connection. It outlives every reader and is settled once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal
from uuid import UUID

import asyncpg
import stamina
import structlog
from genai_prices import calc_price
from pydantic_ai import AgentRunEvents
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.ui.vercel_ai.response_types import (
    BaseChunk,
    ReasoningDeltaChunk,
    TextDeltaChunk,
    ToolInputDeltaChunk,
)
from pydantic_ai.usage import RunUsage

from agent_api.agent.agent import ChatAgent, usage_limits
from agent_api.agent.dependencies import AgentDependencies
from agent_api.agent.retrieval import Retriever
from agent_api.chat import queries, wire
from agent_api.chat.events import EventLog
from agent_api.chat.failures import failure_code
from agent_api.chat.history import build_history, dump_history
from agent_api.chat.parts import PartsBuilder
from agent_api.chat.queries import BegunTurn, Settlement, TurnResult
from agent_api.database import Database
from agent_api.errors import AppError, DatabaseUnavailable, InvalidRequest
from agent_api.settings import Settings
from agent_api.text import clean_json, clean_text

log = structlog.stdlib.get_logger(__name__)

EndCause = Literal["stopped", "model_timeout", "answer_too_long", "shutdown", "lease_lost"]
CANCEL_PATIENCE_SECONDS = 5
"""How long a cancelled run may take to come to rest before its task is cancelled outright."""
CHARACTERS_PER_MODEL_TOKEN = 4
"""The usual rule of thumb, for usage that a provider did not report. Marked as estimated."""


@dataclass(frozen=True)
class RunContext:
    """What every run of a process shares."""

    process_id: UUID
    settings: Settings
    database: Database
    agent: ChatAgent
    retriever: Retriever
    balance_changed: Callable[[UUID], None]


@dataclass(frozen=True)
class Turn:
    """The facts of one turn, from the verified caller and from begin_request."""

    request_id: UUID
    user_id: UUID
    begun: BegunTurn
    question: str
    """Empty when an existing question is answered again: then the history holds it."""


class Run:
    """Drives the agent, writes the event log, settles. Create, then `start()`."""

    def __init__(self, context: RunContext, turn: Turn) -> None:
        self.turn = turn
        self.log = EventLog(turn.request_id)
        self.is_settling = False
        self._context = context
        self._question = turn.question
        self._parts = PartsBuilder()
        self._stream = wire.AnswerStream(sdk_version=7)
        self._usage = RunUsage()
        self._events: AgentRunEvents[str] | None = None
        self._cause: EndCause | None = None
        self._answering: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._started_at = self._last_event_at = self._loop.time()

    @property
    def request_id(self) -> UUID:
        return self.turn.request_id

    @property
    def question(self) -> str:
        """What is being answered."""
        return self._question

    def start(self) -> asyncio.Task[None]:
        """Begin; the task ends when the turn is settled, or given up to its lease."""
        self._emit(
            wire.start_chunk(
                message_id=self.turn.begun.answer_message_id,
                session_id=self.turn.begun.session_id,
                request_id=self.turn.request_id,
                user_message_id=self.turn.begun.user_message_id,
                balance=self.turn.begun.balance,
            )
        )
        self._answering = asyncio.create_task(self._answer())
        self._watch_time()
        return asyncio.create_task(self._run(self._answering), name=f"turn {self.turn.request_id}")

    def cancel(self, cause: EndCause) -> None:
        """End the run early; the first cause counts. Returns at once, also after the end."""
        if self._cause is not None or self.is_settling or self._answering is None:
            return
        self._cause = cause
        if self._events is None:
            self._answering.cancel()
            return
        self._events.cancel()
        self._loop.call_later(CANCEL_PATIENCE_SECONDS, self._answering.cancel)

    def _emit(self, chunk: BaseChunk) -> None:
        self._last_event_at = self._loop.time()
        chunk = wire.cleaned(chunk)
        if isinstance(chunk, TextDeltaChunk | ReasoningDeltaChunk):
            room = self._context.settings.answer_max_characters - self._parts.text_length
            if len(chunk.delta) > room:
                self.cancel("answer_too_long")
                chunk.delta = chunk.delta[:room]
            if not chunk.delta:
                return
        if self.log.size_bytes >= self._context.settings.answer_events_max_bytes:
            self.cancel("answer_too_long")
            if isinstance(chunk, TextDeltaChunk | ReasoningDeltaChunk | ToolInputDeltaChunk):
                return  # Only what ends something may still follow.
        self._parts.add(chunk)
        self.log.append(chunk)

    def _watch_time(self) -> None:
        """Cancel when the model is silent for too long or the whole answer takes too long; otherwise look again."""
        settings, now = self._context.settings, self._loop.time()
        ends_at = min(
            self._last_event_at + settings.model_idle_timeout_seconds,
            self._started_at + settings.model_deadline_seconds,
        )
        if now >= ends_at:
            self.cancel("model_timeout")
        else:
            self._watch = self._loop.call_at(ends_at, self._watch_time)

    async def _run(self, answering: asyncio.Task[None]) -> None:
        failure: BaseException | None = None
        try:
            await asyncio.wait({answering})
            failure = asyncio.CancelledError() if answering.cancelled() else answering.exception()
        finally:
            if self._watch is not None:
                self._watch.cancel()
        self.is_settling = True
        try:
            await self._end(failure or self._stream.failure)
        finally:
            self.log.close()

    async def _answer(self) -> None:
        context = self._context
        history = await self._load_history()
        dependencies = AgentDependencies(self.turn.user_id, context.database, context.retriever)
        async with context.agent.run_stream_events(
            self._question,
            message_history=history,
            deps=dependencies,
            usage=self._usage,
            usage_limits=usage_limits(context.settings),
        ) as events:
            self._events = events
            async for chunk in self._stream.transform_stream(events):
                self._emit(chunk)

    async def _load_history(self) -> list[ModelMessage]:
        if self.turn.begun.is_new_conversation:
            return []
        settings = self._context.settings
        async with self._context.database.statement() as connection:
            rows = await queries.load_history(
                connection,
                user_message_id=self.turn.begun.user_message_id,
                messages_max=settings.history_messages_max,
            )
        *earlier, question = rows
        self._question = question.content
        return build_history(earlier, characters_max=settings.history_max_characters)

    def _judge(self, failure: BaseException | None) -> tuple[str, str | None]:
        """(status, reason) by the rules of a turn: without output the token goes back."""
        has_output = self._parts.has_output
        if self._cause == "stopped":
            return ("stopped", None) if has_output else ("released", "stopped")
        if self._cause is not None:
            return "failed" if has_output else "released", self._cause
        if failure is not None:
            code = failure_code(failure, has_output=has_output)
            if code == "internal_error":
                log.error("turn_failed", turn_id=str(self.request_id), exc_info=failure)
            else:
                log.warning("turn_broke", turn_id=str(self.request_id), reason=code, exc_info=failure)
            return "failed" if has_output else "released", code
        return ("done", None) if has_output else ("released", "empty_answer")

    async def _end(self, failure: BaseException | None) -> None:
        status, reason = self._judge(failure)
        if self._cause == "lease_lost":
            # Another process settles, or has settled, this turn: readers learn it from there.
            return
        result = self._result(status, reason)
        try:
            settlement = await self._settle_storable(result)
        except AppError as error:
            # The lease runs out and a sweeper settles by what run_events hold.
            log.error("turn_not_settled", turn_id=str(self.request_id), exc_info=error)
            return
        if not settlement.is_settled:
            return  # Another process took the turn over, or it was deleted.
        self._context.balance_changed(self.turn.user_id)
        self._emit_end(settlement, status, reason, result)

    async def _settle_storable(self, result: TurnResult) -> Settlement:
        try:
            return await self._settle(result)
        except (InvalidRequest, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if result.message is None:
                raise
            # A model can make a tool call of what JSON allows and jsonb does not: endless numbers, endless depth.
            log.error("answer_parts_not_storable", turn_id=str(self.request_id), exc_info=error)
            text = self._parts.text
            message = {"type": "ai", "content": text, "parts": [{"type": "text", "text": text, "state": "done"}]}
            return await self._settle(replace(result, message=message, message_data=None))

    async def _settle(self, result: TurnResult) -> Settlement:
        async for attempt in stamina.retry_context(
            on=DatabaseUnavailable,
            attempts=None,
            timeout=self._context.settings.settle_deadline_seconds,
            wait_initial=0.1,
            wait_max=2,
        ):
            with attempt:
                async with self._context.database.statement() as connection:
                    return await queries.settle_request(
                        connection,
                        user_id=self.turn.user_id,
                        request_id=self.turn.request_id,
                        lease_holder=self._context.process_id,
                        result=result,
                    )
        raise AssertionError("stamina ends by returning or raising")

    def _result(self, status: str, reason: str | None) -> TurnResult:
        if status == "released":
            return TurnResult(status, reason, None, None)
        text = self._parts.text
        new_messages = self._events.new_messages() if self._events is not None else []
        usage = self._usage
        # A broken response reports nothing, whatever the responses before it said.
        is_estimated = status != "done" or usage.output_tokens == 0
        if is_estimated:
            usage = RunUsage(
                input_tokens=usage.input_tokens or -(-len(self._question) // CHARACTERS_PER_MODEL_TOKEN),
                output_tokens=max(usage.output_tokens, -(-len(text) // CHARACTERS_PER_MODEL_TOKEN)),
            )
        model = next((m.model_name for m in reversed(new_messages) if isinstance(m, ModelResponse)), None)
        model = clean_text(model or self._context.settings.llm_choice)
        return TurnResult(
            status,
            reason,
            {"type": "ai", "content": text, "parts": clean_json(self._parts.build())},
            # A broken turn is retold to the model by its text: its messages may end in the middle of a call.
            dump_history(new_messages) if status == "done" else None,
            model,
            usage.input_tokens,
            usage.output_tokens,
            is_estimated,
            _price(usage, model),
        )

    def _emit_end(self, settlement: Settlement, status: str, reason: str | None, result: TurnResult) -> None:
        usage = None
        if result.output_tokens is not None:
            usage = {"input_tokens": result.input_tokens, "output_tokens": result.output_tokens}
        metadata = wire.end_metadata(status=status, reason=reason, balance=settlement.balance, usage=usage)
        for chunk in wire.end_chunks(metadata, finish_reason=self._stream.finish_reason):
            self._emit(chunk)


def _price(usage: RunUsage, model: str) -> Decimal | None:
    try:
        return calc_price(usage, model_ref=model).total_price
    except LookupError:
        return None
