"""Profiles on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from agent_api.text import StorableText

FULL_NAME_MAX_CHARACTERS = 200


class ProfileRead(BaseModel):
    """Who the caller is here."""

    id: UUID
    email: str | None
    full_name: str | None
    is_admin: bool
    tokens: int = Field(ge=0, description="Spendable tokens.")
    created_at: datetime


class ProfileUpdate(BaseModel):
    """What the caller may change. Empty or null clears the name."""

    full_name: Annotated[StorableText, Field(max_length=FULL_NAME_MAX_CHARACTERS)] | None
