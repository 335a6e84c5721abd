"""What the routes of a turn answer."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from agent_api.chat.queries import TurnStatus


class AnswerRead(BaseModel):
    """The answer as an AI SDK UI message."""

    id: str
    role: Literal["assistant"] = "assistant"
    parts: list[dict[str, Any]]


class ModelUsageRead(BaseModel):
    """Model tokens, as the provider counted them, or estimated for a broken answer."""

    input_tokens: int
    output_tokens: int


class TurnRead(BaseModel):
    """A settled turn; `message` is null where no output came and the token went back."""

    session_id: str
    request_id: UUID
    status: TurnStatus
    reason: str | None
    message: AnswerRead | None
    balance: int
    usage: ModelUsageRead | None


class StopRead(BaseModel):
    """`stopping`: a turn was told to stop; its stream tells the end. `idle`: nothing ran."""

    status: Literal["stopping", "idle"]
