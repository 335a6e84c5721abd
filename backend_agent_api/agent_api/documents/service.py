"""Stub."""

from typing import Any
from uuid import UUID

from agent_api.database import Connection


async def _todo(connection: Connection, *, user_id: UUID, **more: Any) -> Any:
    raise NotImplementedError


list_documents = get_summary = get_document = update_document = retry_document = _todo
