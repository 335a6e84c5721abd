"""HTTP of conversations and their messages."""

from typing import Annotated

from fastapi import APIRouter, Query

from agent_api.auth import CurrentUser
from agent_api.chat import conversation_queries as queries
from agent_api.chat import conversations
from agent_api.chat.conversation_schemas import (
    ConversationPage,
    ConversationRead,
    ConversationUpdate,
    MessageIdQuery,
    MessagePage,
    SessionId,
)
from agent_api.database import Transaction
from agent_api.documentation import documented
from agent_api.errors import ConversationNotFound, MessageNotFound, RunInProgress
from agent_api.pagination import PAGE_MAX, Cursor

router = APIRouter(prefix="/api/conversations", tags=["conversations"])

CONVERSATION_EXAMPLE = {
    "session_id": "c56a4180-65aa-42ec-a945-5fd21dec0538",
    "title": "Opening hours",
    "created_at": "2026-11-21T10:15:00Z",
    "last_message_at": "2026-11-21T10:15:04Z",
    "is_archived": False,
    "is_running": False,
}
MESSAGES_EXAMPLE = {
    "items": [
        {
            "id": "41",
            "role": "user",
            "parts": [{"type": "text", "text": "When are you open?"}],
            "metadata": {
                "request_id": "7f0c3d52-91f5-4d0f-8d2d-3a0c5b7e9a10",
                "status": "done",
                "reason": None,
                "created_at": "2026-11-21T10:15:00Z",
            },
            "parent_id": None,
            "sibling_ids": ["41"],
        }
    ],
    "next_before": None,
    "running_request_id": None,
}


@router.get(
    "",
    summary="My conversations",
    responses=documented(example={"items": [CONVERSATION_EXAMPLE], "next_cursor": None}),
)
async def list_conversations(
    user: CurrentUser,
    connection: Transaction,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 30,
    cursor: Cursor = None,
    archived: Annotated[bool, Query(description="The archive instead of what is current.")] = False,
) -> ConversationPage:
    """Return one page of the caller's conversations, latest activity first."""
    return await conversations.list_conversations(
        connection, user_id=user.id, is_archived=archived, limit=limit, cursor=cursor
    )


@router.get(
    "/{session_id}",
    summary="One conversation",
    responses=documented(ConversationNotFound, example=CONVERSATION_EXAMPLE),
)
async def get_conversation(session_id: SessionId, user: CurrentUser, connection: Transaction) -> ConversationRead:
    """Return one of the caller's conversations; another person's is not found."""
    return await conversations.get_conversation(connection, user_id=user.id, session_id=session_id)


@router.patch(
    "/{session_id}",
    summary="Rename or archive",
    responses=documented(ConversationNotFound, example=CONVERSATION_EXAMPLE),
)
async def update_conversation(
    session_id: SessionId, changes: ConversationUpdate, user: CurrentUser, connection: Transaction
) -> ConversationRead:
    """Change the title, or move the conversation into the archive or out of it."""
    return await conversations.update_conversation(connection, user_id=user.id, session_id=session_id, changes=changes)


@router.delete(
    "/{session_id}",
    summary="Delete a conversation",
    status_code=204,
    responses=documented(ConversationNotFound, RunInProgress),
)
async def delete_conversation(session_id: SessionId, user: CurrentUser, connection: Transaction) -> None:
    """Delete a conversation with its messages; refused while an answer is being written in it."""
    await queries.delete_conversation(connection, user_id=user.id, session_id=session_id)


@router.get(
    "/{session_id}/messages",
    summary="Messages of a conversation",
    responses=documented(ConversationNotFound, MessageNotFound, example=MESSAGES_EXAMPLE),
)
async def list_messages(
    session_id: SessionId,
    user: CurrentUser,
    connection: Transaction,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
    before: MessageIdQuery = None,
    branch: MessageIdQuery = None,
) -> MessagePage:
    """Return the newest messages of a branch, oldest first; `before` leads to those above, on the same branch."""
    return await conversations.list_messages(
        connection, user_id=user.id, session_id=session_id, limit=limit, before=before, branch=branch
    )
