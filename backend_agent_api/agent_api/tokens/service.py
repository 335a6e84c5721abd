"""What a user may know about their tokens."""

from datetime import datetime
from uuid import UUID

from agent_api.database import Connection
from agent_api.pagination import decode_cursor, encode_cursor
from agent_api.tokens import queries
from agent_api.tokens.schemas import BalanceRead, TransactionPage, TransactionRead, TransactionType


async def get_balance(connection: Connection, *, user_id: UUID) -> BalanceRead:
    """Spendable tokens; expires what is due. Raises AccountNotFound."""
    return BalanceRead(tokens=await queries.current_balance(connection, user_id=user_id))


async def list_transactions(
    connection: Connection,
    *,
    user_id: UUID,
    limit: int,
    cursor: str | None,
    transaction_type: TransactionType | None,
    since: datetime | None,
    until: datetime | None,
) -> TransactionPage:
    """One page of the caller's movements, newest first. Raises InvalidRequest for a cursor that is none of ours."""
    before_seq = decode_cursor(cursor, int)[0] if cursor else None
    # One more than asked for tells whether another page follows.
    rows = await queries.list_transactions(
        connection,
        user_id=user_id,
        limit=limit + 1,
        before_seq=before_seq,
        transaction_type=transaction_type,
        since=since,
        until=until,
    )
    page = rows[:limit]
    return TransactionPage(
        items=[TransactionRead.model_validate(dict(row)) for row in page],
        next_cursor=encode_cursor(page[-1]["seq"]) if len(rows) > limit else None,
    )
