"""HTTP of a chat turn."""

from collections.abc import AsyncGenerator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from starlette.responses import StreamingResponse

from agent_api.auth import CurrentUser
from agent_api.chat import wire
from agent_api.chat.schemas import AnswerRead, ModelUsageRead, StopRead, TurnRead
from agent_api.chat.service import ChatService
from agent_api.chat.wire import TurnRequest
from agent_api.documentation import documented
from agent_api.errors import (
    AccountNotFound,
    ConversationNotFound,
    DatabaseUnavailable,
    InsufficientTokens,
    MessageNotFound,
    MessageTooLarge,
    RateLimited,
    RequestIdConflict,
    RunInProgress,
    ServerBusy,
)
from agent_api.tokens.service import get_balance

router = APIRouter(prefix="/api/pydantic-agent", tags=["chat"])

EVENT_STREAM = "text/event-stream"
EVENT_ID_MAX = 2**31 - 1
STREAM_EXAMPLE = (
    'id: 1\ndata: {"type":"start","messageId":"812","messageMetadata":{'
    '"session_id":"7b0c9d5e-0a52-4b0e-9d2c-1f3f6f1f2a10","request_id":"0b9f2a3c-53c4-4d1e-8f60-5a1a2f0d9c11","user_message_id":"811","balance":41}}\n\n'
    'id: 2\ndata: {"type":"start-step"}\n\n'
    'id: 3\ndata: {"type":"text-start","id":"a"}\n\n'
    'id: 4\ndata: {"type":"text-delta","id":"a","delta":"Three months."}\n\n'
    'id: 5\ndata: {"type":"text-end","id":"a"}\n\n'
    'id: 6\ndata: {"type":"finish-step"}\n\n'
    'id: 7\ndata: {"type":"finish","finishReason":"stop","messageMetadata":{"status":"done","balance":41}}\n\n'
    "id: 8\ndata: [DONE]\n\n"
)
TURN_EXAMPLE = {
    "session_id": "7b0c9d5e-0a52-4b0e-9d2c-1f3f6f1f2a10",
    "request_id": "0b9f2a3c-53c4-4d1e-8f60-5a1a2f0d9c11",
    "status": "done",
    "reason": None,
    "message": {
        "id": "812",
        "role": "assistant",
        "parts": [{"type": "text", "text": "Three months.", "state": "done"}],
    },
    "balance": 41,
    "usage": {"input_tokens": 210, "output_tokens": 4},
}
SessionId = Annotated[str, Path(min_length=1, max_length=wire.SESSION_ID_MAX_CHARACTERS)]


def _service(request: Request) -> ChatService:
    service: ChatService = request.app.state.chat
    return service


async def take_seat(request: Request, user: CurrentUser) -> AsyncGenerator[None]:
    """Count a reader: refused before anything is charged or sent, released once the reply has ended."""
    with _service(request).seats.taken_by(user.id):
        yield


@router.post(
    "",
    summary="Ask, and stream the answer",
    dependencies=[Depends(take_seat)],
    response_model=None,
    # Names no media type of its own: the two below are all there is.
    response_class=StreamingResponse,
    responses=documented(
        AccountNotFound,
        InsufficientTokens,
        ConversationNotFound,
        MessageNotFound,
        RunInProgress,
        RequestIdConflict,
        MessageTooLarge,
        RateLimited,
        DatabaseUnavailable,
        ServerBusy,
        example=STREAM_EXAMPLE,
        media_type=EVENT_STREAM,
        json_alternative=(TurnRead, TURN_EXAMPLE),
    ),
)
async def ask(
    request: Request,
    user: CurrentUser,
    body: TurnRequest,
    stream: Annotated[bool, Query(description="false: wait, and answer one JSON object.")] = True,
) -> Response:
    """Take one token and answer the last user message, as the UI message stream of `ai` 7.

    `request_id` makes it repeatable: sent again, it attaches to the first turn and is not charged. The turn goes on
    when the connection breaks. A turn that ends without any output gives the token back.
    """
    service = _service(request)
    turn = await service.begin_turn(body, user_id=user.id)
    if stream:
        return StreamingResponse(turn.events, media_type=EVENT_STREAM, headers=wire.STREAM_HEADERS)
    ended = await service.wait_for_end(turn)
    async with request.app.state.database.transaction() as connection:
        balance = await get_balance(connection, user_id=user.id)
    message = ended.message
    turn_read = TurnRead(
        session_id=turn.begun.session_id,
        request_id=turn.request_id,
        status=ended.status,
        reason=ended.reason,
        message=AnswerRead(id=str(turn.begun.answer_message_id), parts=message.get("parts", [])) if message else None,
        balance=balance.tokens,
        usage=ModelUsageRead(input_tokens=ended.input_tokens or 0, output_tokens=ended.output_tokens)
        if ended.output_tokens is not None
        else None,
    )
    return Response(turn_read.model_dump_json(), media_type="application/json")


@router.get(
    "/{session_id}/stream",
    summary="Attach to the running answer",
    dependencies=[Depends(take_seat)],
    response_model=None,
    response_class=StreamingResponse,
    responses={
        **documented(ConversationNotFound, RateLimited, ServerBusy, example=STREAM_EXAMPLE, media_type=EVENT_STREAM),
        204: {"description": "Nothing runs in this conversation, or another turn than `request_id`."},
    },
)
async def attach(
    request: Request,
    user: CurrentUser,
    session_id: SessionId,
    after: Annotated[int, Query(ge=0, le=EVENT_ID_MAX, description="The id of the last event that was received.")] = 0,
    request_id: Annotated[
        UUID | None, Query(description="The turn that `after` counts in; 204 when it is not the one that runs.")
    ] = None,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """Continue the stream of the turn that runs in a conversation, on whichever replica it runs.

    Send `request_id` along with `after`: meanwhile another turn may run, whose events are counted from 1 again.
    """
    if not after and last_event_id and last_event_id.isdecimal():
        after = min(int(last_event_id), EVENT_ID_MAX)
    events = await _service(request).attach(user_id=user.id, session_id=session_id, after=after, request_id=request_id)
    if events is None:
        return Response(status_code=204)
    return StreamingResponse(events, media_type=EVENT_STREAM, headers=wire.STREAM_HEADERS)


@router.post(
    "/{session_id}/stop",
    summary="Stop the running answer",
    status_code=202,
    responses=documented(ConversationNotFound, example={"status": "stopping"}, status=202),
)
async def stop(request: Request, user: CurrentUser, session_id: SessionId) -> StopRead:
    """Stop the turn that runs in a conversation. Output so far is kept; without any, the token goes back."""
    stopped = await _service(request).stop(user_id=user.id, session_id=session_id)
    return StopRead(status="stopping" if stopped else "idle")
