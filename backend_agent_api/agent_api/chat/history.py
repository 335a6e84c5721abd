"""What the model is told of a conversation before the question."""

import json

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
)
from pydantic_core import PydanticSerializationError, ValidationError

from agent_api.chat.events import NUL_ESCAPE
from agent_api.chat.queries import HistoryRow
from agent_api.text import clean_json


def build_history(rows: list[HistoryRow], *, characters_max: int) -> list[ModelMessage]:
    """The model's own messages of earlier turns, the newest that fit, oldest first.

    A turn whose messages were not kept (it broke, or an earlier version wrote it) is told by its texts.
    """
    turns: list[tuple[int, list[ModelMessage]]] = []
    question: str | None = None
    for row in rows:
        if row.is_human:
            if question is not None:
                turns.append((len(question), [_asked(question)]))
            question = row.content
            continue
        size = len(row.message_data or "") + len(question or "") + len(row.content)
        turns.append((size, _turn(question, row)))
        question = None
    if question is not None:
        turns.append((len(question), [_asked(question)]))
    return _newest_that_fit(turns, characters_max)


def dump_history(messages: list[ModelMessage]) -> str:
    """Messages as they are stored, to be told again in later turns."""
    try:
        stored = ModelMessagesTypeAdapter.dump_json(messages).decode()
    except PydanticSerializationError:
        stored = NUL_ESCAPE  # Lone surrogates, which UTF-8 cannot hold.
    if NUL_ESCAPE not in stored:
        return stored
    # Told again as it is, a provider would refuse it, in every later turn.
    return json.dumps(clean_json(ModelMessagesTypeAdapter.dump_python(messages, mode="json")))


def _asked(question: str) -> ModelMessage:
    return ModelRequest(parts=[UserPromptPart(question)])


def _turn(question: str | None, answer: HistoryRow) -> list[ModelMessage]:
    if answer.message_data:
        try:
            return ModelMessagesTypeAdapter.validate_json(answer.message_data)
        except ValidationError:
            pass  # Written by another version of the library: its texts still tell it.
    asked = [] if question is None else [_asked(question)]
    return [*asked, ModelResponse(parts=[TextPart(answer.content)])] if answer.content.strip() else asked


def _newest_that_fit(turns: list[tuple[int, list[ModelMessage]]], characters_max: int) -> list[ModelMessage]:
    kept: list[list[ModelMessage]] = []
    room = characters_max
    for size, messages in reversed(turns):
        room -= size
        if room < 0:
            break
        kept.append(messages)
    return [message for messages in reversed(kept) for message in messages]
