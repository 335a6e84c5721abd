"""HTTP of balances and transactions."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime

from agent_api.auth import CurrentUser
from agent_api.database import Transaction
from agent_api.documentation import documented
from agent_api.errors import AccountNotFound, RateLimited, ServerBusy
from agent_api.pagination import PAGE_MAX, Cursor
from agent_api.tokens import service
from agent_api.tokens.live import BalanceFeed
from agent_api.tokens.schemas import BalanceRead, TransactionPage, TransactionType
from agent_api.tokens.stream import BalanceStream

router = APIRouter(prefix="/api", tags=["tokens"])

TRANSACTIONS_EXAMPLE = {
    "items": [
        {
            "id": "0d9b4f5e-54a5-4c3f-8b0e-0b7b3a8f0c11",
            "type": "consumption",
            "tokens": -1,
            "balance_after": 41,
            "created_at": "2026-11-21T10:15:00Z",
            "request_id": "7f0c3d52-91f5-4d0f-8d2d-3a0c5b7e9a10",
            "session_id": "c56a4180-65aa-42ec-a945-5fd21dec0538",
            "purchase_id": None,
            "price_minor": None,
            "currency": None,
        }
    ],
    "next_cursor": None,
}


@router.get("/balance", summary="Spendable tokens", responses=documented(AccountNotFound, example={"tokens": 42}))
async def get_balance(user: CurrentUser, connection: Transaction) -> BalanceRead:
    """Return the caller's spendable tokens; lots that are due are expired first."""
    return await service.get_balance(connection, user_id=user.id)


@router.get(
    "/balance/stream",
    summary="Spendable tokens, live",
    status_code=200,
    response_class=BalanceStream,
    responses=documented(
        AccountNotFound,
        RateLimited,
        ServerBusy,
        example='data: {"tokens": 42}\n\n: keep-alive\n\ndata: {"tokens": 41}\n\n',
        media_type="text/event-stream",
    ),
)
async def stream_balance(request: Request, user: CurrentUser) -> BalanceStream:
    """Server-sent events: the balance at once, then each change. Ends with the jwt; reconnect with a fresh one."""
    state = request.app.state
    feed: BalanceFeed = state.balance_feed
    return BalanceStream(
        feed,
        user=user,
        tokens=await feed.balance_now(user.id),
        keep_alive_seconds=state.settings.balance_keep_alive_seconds,
        shutdown=state.shutdown,
    )


@router.get(
    "/transactions", summary="Movements of tokens", responses=documented(AccountNotFound, example=TRANSACTIONS_EXAMPLE)
)
async def list_transactions(
    user: CurrentUser,
    connection: Transaction,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
    cursor: Cursor = None,
    type: Annotated[TransactionType | None, Query(description="Only movements of this type.")] = None,
    since: Annotated[AwareDatetime | None, Query(alias="from", description="Only from this moment on.")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to", description="Only before this moment.")] = None,
) -> TransactionPage:
    """Return one page of the caller's movements, newest first."""
    return await service.list_transactions(
        connection, user_id=user.id, limit=limit, cursor=cursor, transaction_type=type, since=since, until=until
    )
