"""Stub."""

from typing import Any
from uuid import UUID

from agent_api.database import Connection


async def _todo(connection: Connection, *, user_id: UUID, **more: Any) -> Any:
    raise NotImplementedError


get_content = get_passage = _todo
