"""Conversations and their messages on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from agent_api.text import StorableText, refuse_unstorable

TITLE_MAX_CHARACTERS = 200
SESSION_ID_MAX_CHARACTERS = 200
MESSAGE_ID_MAX = 2**63 - 1

Title = Annotated[
    str,
    # Before the check of its characters: a constraint behind a validator would see the text before it is stripped.
    StringConstraints(strip_whitespace=True, min_length=1, max_length=TITLE_MAX_CHARACTERS),
    AfterValidator(refuse_unstorable),
]
SessionId = Annotated[StorableText, Path(max_length=SESSION_ID_MAX_CHARACTERS, description="A conversation's id.")]
MessageIdQuery = Annotated[int | None, Query(ge=1, le=MESSAGE_ID_MAX)]


class ConversationRead(BaseModel):
    """One conversation of the caller."""

    session_id: str
    title: str | None = Field(description="Null until the model or the person has named it.")
    created_at: datetime
    last_message_at: datetime
    is_archived: bool
    is_running: bool = Field(description="Whether an answer is being written in it.")


class ConversationPage(BaseModel):
    """Latest activity first."""

    items: list[ConversationRead]
    next_cursor: str | None


class ConversationUpdate(BaseModel):
    """What is left out, or null, stays as it is."""

    title: Title | None = None
    is_archived: bool | None = None


class MessageMetadata(BaseModel):
    """About the turn that wrote a message; without values in messages of earlier versions."""

    request_id: UUID | None
    status: str | None = Field(description="running, done, stopped, failed or released.")
    reason: str | None = Field(description="Why it was stopped, failed or released.")
    created_at: datetime


class MessageRead(BaseModel):
    """A UI message of the AI SDK, with its place among the branches."""

    id: str
    role: Literal["user", "assistant"]
    parts: list[dict[str, Any]]
    metadata: MessageMetadata
    parent_id: str | None
    sibling_ids: list[str] = Field(description="All messages with the same parent, this one included, oldest first.")


class MessagePage(BaseModel):
    """The end of one branch, or an earlier stretch of it; oldest message first."""

    items: list[MessageRead]
    next_before: str | None = Field(description="`before` of the stretch above; null at the beginning.")
    running_request_id: UUID | None
