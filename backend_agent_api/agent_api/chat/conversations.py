"""What a person may do with their conversations, apart from speaking in them."""

from datetime import datetime
from uuid import UUID

import asyncpg

from agent_api.chat import conversation_queries as queries
from agent_api.chat.conversation_schemas import (
    ConversationPage,
    ConversationRead,
    ConversationUpdate,
    MessageMetadata,
    MessagePage,
    MessageRead,
)
from agent_api.database import Connection
from agent_api.errors import ConversationNotFound, InvalidRequest, MessageNotFound
from agent_api.pagination import decode_cursor, encode_cursor


async def list_conversations(
    connection: Connection, *, user_id: UUID, is_archived: bool, limit: int, cursor: str | None
) -> ConversationPage:
    """One page, latest activity first. Raises InvalidRequest for a cursor that is none of ours."""
    # One more than asked for tells whether another page follows.
    rows = await queries.list_conversations(
        connection, user_id=user_id, is_archived=is_archived, limit=limit + 1, before=_read_cursor(cursor)
    )
    page = [ConversationRead.model_validate(dict(row)) for row in rows[:limit]]
    more = len(rows) > limit
    return ConversationPage(
        items=page,
        next_cursor=encode_cursor(page[-1].last_message_at.isoformat(), page[-1].session_id) if more else None,
    )


def _read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if not cursor:
        return None
    moment, session_id = decode_cursor(cursor, str, str)
    try:
        before = datetime.fromisoformat(moment)
    except ValueError:
        raise InvalidRequest("cursor: not one that this service gave out", field="cursor") from None
    return before, session_id


async def get_conversation(connection: Connection, *, user_id: UUID, session_id: str) -> ConversationRead:
    """One conversation. Raises ConversationNotFound."""
    return ConversationRead.model_validate(dict(await _owned(connection, user_id=user_id, session_id=session_id)))


async def update_conversation(
    connection: Connection, *, user_id: UUID, session_id: str, changes: ConversationUpdate
) -> ConversationRead:
    """Rename it, put it into the archive or take it out. Raises ConversationNotFound."""
    await queries.update_conversation(
        connection, user_id=user_id, session_id=session_id, title=changes.title, is_archived=changes.is_archived
    )
    return await get_conversation(connection, user_id=user_id, session_id=session_id)


async def list_messages(
    connection: Connection, *, user_id: UUID, session_id: str, limit: int, before: int | None, branch: int | None
) -> MessagePage:
    """The last `limit` messages of a branch, or of what stands before the message `before`.

    Without `branch` it is the one that is being answered, else the newest; with it, the newest through that message.
    Raises ConversationNotFound and MessageNotFound.
    """
    conversation = await _owned(connection, user_id=user_id, session_id=session_id)
    if before is not None:
        last = await _parent_of(connection, session_id=session_id, message_id=before)
    elif branch is not None:
        last = await queries.newest_message_id_below(connection, session_id=session_id, message_id=branch)
        if last is None:
            raise MessageNotFound
    else:
        # A new answer to an earlier question is not stored yet, but its branch is the one that is looked at.
        last = conversation["running_user_message_id"]
        last = last or await queries.newest_message_id(connection, session_id=session_id)
    rows: list[asyncpg.Record] = []
    if last is not None:
        rows = await queries.list_branch(
            connection, user_id=user_id, session_id=session_id, last_message_id=last, limit=limit + 1
        )
    page = rows[:limit]
    return MessagePage(
        items=[_message(row) for row in reversed(page)],
        next_before=str(page[-1]["id"]) if len(rows) > limit else None,
        running_request_id=conversation["running_request_id"],
    )


async def _owned(connection: Connection, *, user_id: UUID, session_id: str) -> asyncpg.Record:
    conversation = await queries.get_conversation(connection, user_id=user_id, session_id=session_id)
    if conversation is None:
        raise ConversationNotFound
    return conversation


async def _parent_of(connection: Connection, *, session_id: str, message_id: int) -> int | None:
    row = await queries.get_message(connection, session_id=session_id, message_id=message_id)
    if row is None:
        raise MessageNotFound
    return row["parent_id"]


def _message(row: asyncpg.Record) -> MessageRead:
    message = row["message"]
    return MessageRead(
        id=str(row["id"]),
        role="user" if message.get("type") == "human" else "assistant",
        # Questions, and messages of earlier versions, are stored as text alone.
        parts=message.get("parts") or [{"type": "text", "text": str(message.get("content") or "")}],
        metadata=MessageMetadata(
            request_id=row["request_id"], status=row["status"], reason=row["reason"], created_at=row["created_at"]
        ),
        parent_id=None if row["parent_id"] is None else str(row["parent_id"]),
        sibling_ids=[str(sibling) for sibling in row["sibling_ids"]],
    )
