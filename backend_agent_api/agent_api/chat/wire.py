"""The wire of a turn: the body that the AI SDK sends, and the stream that it reads.

The stream is the UI message stream of `ai` 7, written by pydantic-ai's Vercel encoder. What it must not say itself is
taken out here: exception texts, and an end that comes before the turn is settled.
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_ai.exceptions import RunCancelled
from pydantic_ai.run import AgentRunResultEvent
from pydantic_ai.ui.vercel_ai import VercelAIEventStream
from pydantic_ai.ui.vercel_ai.response_types import (
    AbortChunk,
    BaseChunk,
    DoneChunk,
    ErrorChunk,
    FinishChunk,
    FinishReason,
    FinishStepChunk,
    MessageMetadataChunk,
    ReasoningDeltaChunk,
    StartChunk,
    TextDeltaChunk,
    ToolInputAvailableChunk,
    ToolInputDeltaChunk,
    ToolInputErrorChunk,
    ToolInputStartChunk,
    ToolOutputAvailableChunk,
    ToolOutputErrorChunk,
)

from agent_api.agent.dependencies import AgentDependencies
from agent_api.chat.failures import failure_message
from agent_api.errors import InvalidRequest, MessageTooLarge, app_error_from_validation
from agent_api.text import StorableText, clean_json, clean_text

STREAM_HEADERS = {
    "X-Vercel-AI-UI-Message-Stream": "v1",
    "Cache-Control": "no-cache, no-transform",
    # Otherwise nginx and its kin gather the events into larger pieces.
    "X-Accel-Buffering": "no",
}
TOOL_FAILED_MESSAGE = "The tool call failed."
"""What a browser learns of it; the model is told more."""
CLIENT_ID_MAX_CHARACTERS = 200
SESSION_ID_MAX_CHARACTERS = 100

ClientId = Annotated[StorableText, Field(max_length=CLIENT_ID_MAX_CHARACTERS)]


class TextInput(BaseModel):
    """A text part of the question."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["text"]
    text: StorableText


class UserMessage(BaseModel):
    """The one message of a body that is read."""

    model_config = ConfigDict(extra="ignore")

    id: ClientId = ""
    parts: Annotated[list[TextInput], Field(min_length=1, max_length=100)]

    @property
    def text(self) -> str:
        return "\n\n".join(part.text for part in self.parts)


class TurnRequest(BaseModel):
    """What `DefaultChatTransport` of `ai` 7 sends, plus `request_id` and `parent_id`. Unknown fields are ignored.

    Of `messages` only the last one of the user is read: the history is the server's.
    """

    model_config = ConfigDict(
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=False,
        json_schema_extra={
            "example": {
                "id": "7b0c9d5e-0a52-4b0e-9d2c-1f3f6f1f2a10",
                "messages": [
                    {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "What is the notice period?"}]}
                ],
                "trigger": "submit-message",
                "request_id": "0b9f2a3c-53c4-4d1e-8f60-5a1a2f0d9c11",
            }
        },
    )

    id: Annotated[StorableText, Field(max_length=SESSION_ID_MAX_CHARACTERS)] = ""
    """The conversation: an unknown uuid creates it, an empty one lets the server choose."""
    messages: Annotated[list[JsonValue], Field(min_length=1)]
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    message_id: ClientId | None = None
    """The message that is edited or answered again."""
    request_id: Annotated[UUID | None, Field(alias="request_id")] = None
    """The idempotency key of the turn; without one the server makes one."""
    parent_id: Annotated[ClientId | None, Field(alias="parent_id")] = None
    """The message that the question follows, where that is not the newest one."""

    def question(self, *, characters_max: int) -> UserMessage:
        """The last user message. Raises InvalidRequest or MessageTooLarge."""
        for number in range(len(self.messages) - 1, -1, -1):
            message = self.messages[number]
            if isinstance(message, dict) and message.get("role") == "user":
                return _read_question(message, number, characters_max)
        raise InvalidRequest("messages: there is no message of the user", field="messages")

    def previous_reference(self) -> str | None:
        """What the question follows: `parent_id`, or the message before it in the client's own list."""
        if self.parent_id:
            return self.parent_id
        for number in range(len(self.messages) - 1, 0, -1):
            message, before = self.messages[number], self.messages[number - 1]
            if isinstance(message, dict) and message.get("role") == "user":
                reference = before.get("id") if isinstance(before, dict) else None
                is_usable = isinstance(reference, str) and 0 < len(reference) <= CLIENT_ID_MAX_CHARACTERS
                return str(reference) if is_usable and "\x00" not in str(reference) else None
        return None


def _read_question(message: dict[str, JsonValue], number: int, characters_max: int) -> UserMessage:
    try:
        question = UserMessage.model_validate(message)
    except ValidationError as error:
        faults = [{**fault, "loc": ("messages", number, *fault["loc"])} for fault in error.errors()]
        raise app_error_from_validation(faults) from None
    if not question.text.strip():
        raise InvalidRequest("messages: the question is empty", field=f"messages.{number}.parts")
    if len(question.text) > characters_max:
        raise MessageTooLarge(f"A message may have at most {characters_max} characters.")
    return question


class AnswerStream(VercelAIEventStream[AgentDependencies, str]):
    """Encodes a run's events; its start and its end are the turn's own, because both carry what SQL says."""

    failure: Exception | None = None
    """What ended the run, for the turn to judge. It never reaches the stream."""

    @property
    def finish_reason(self) -> FinishReason:
        return self._finish_reason

    async def before_stream(self) -> AsyncIterator[BaseChunk]:
        return
        yield

    async def after_stream(self) -> AsyncIterator[BaseChunk]:
        if self._step_started:
            yield FinishStepChunk()

    async def handle_run_result(self, event: AgentRunResultEvent[str]) -> AsyncIterator[BaseChunk]:
        async for chunk in super().handle_run_result(event):
            # pydantic-ai's own notes about the response are not for browsers.
            if not isinstance(chunk, MessageMetadataChunk):
                yield chunk

    async def on_error(self, error: Exception) -> AsyncIterator[BaseChunk]:
        self.failure = error
        async for chunk in super().on_error(error):
            if not isinstance(chunk, ErrorChunk):
                yield chunk

    async def on_cancelled(self, cancelled: RunCancelled) -> AsyncIterator[BaseChunk]:
        self.failure = cancelled
        return
        yield


def cleaned(chunk: BaseChunk) -> BaseChunk:
    """The event with only text that can be stored and sent, and that browsers may see."""
    match chunk:
        case TextDeltaChunk() | ReasoningDeltaChunk():
            chunk.delta = clean_text(chunk.delta)
        case ToolInputStartChunk() | ToolInputDeltaChunk() | ToolInputAvailableChunk() | ToolOutputAvailableChunk():
            chunk = type(chunk).model_validate(clean_json(chunk.model_dump()))
        case ToolInputErrorChunk() | ToolOutputErrorChunk():
            chunk = type(chunk).model_validate(clean_json(chunk.model_dump()))
            chunk.error_text = TOOL_FAILED_MESSAGE
        case _:
            pass
    return chunk


def start_chunk(
    *, message_id: int, session_id: str, request_id: UUID, user_message_id: int, balance: int
) -> StartChunk:
    """The first event: where everything of this turn is found."""
    return StartChunk(
        message_id=str(message_id),
        message_metadata={
            "session_id": session_id,
            "request_id": str(request_id),
            "user_message_id": str(user_message_id),
            "balance": balance,
        },
    )


def end_metadata(*, status: str, reason: str | None, balance: int, usage: dict[str, Any] | None) -> dict[str, Any]:
    """How the turn was settled."""
    metadata: dict[str, Any] = {"status": status, "balance": balance}
    if reason is not None:
        metadata["reason"] = reason
    if usage is not None:
        metadata["usage"] = usage
    return metadata


def end_chunks(metadata: dict[str, Any], *, finish_reason: FinishReason = None) -> Iterator[BaseChunk]:
    """The last events of a turn, by how it was settled."""
    status, reason = metadata["status"], metadata.get("reason")
    if status == "done":
        yield FinishChunk(finish_reason=finish_reason or "stop", message_metadata=metadata)
    elif status == "stopped" or reason == "stopped":
        yield AbortChunk(reason="stopped")
        yield FinishChunk(message_metadata=metadata)
    else:
        # The metadata first: clients read nothing after an error.
        yield MessageMetadataChunk(message_metadata=metadata)
        code = reason or "internal_error"
        yield ErrorChunk(error_text=json.dumps({"code": code, "message": failure_message(code)}))
    yield DoneChunk()
