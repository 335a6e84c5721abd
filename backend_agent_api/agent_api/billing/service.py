"""What a person may know about their purchases and their usage, and an operator about the inbox."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from agent_api.billing import inbox_queries, queries
from agent_api.billing.packages import BEST_VALUE, CURRENCY, PACKAGES
from agent_api.billing.schemas import (
    ConversationUsage,
    DayUsage,
    EventStatus,
    MonthUsage,
    PackageList,
    PackageRead,
    PurchasePage,
    PurchaseRead,
    StripeEventPage,
    StripeEventRead,
    TokenSums,
    UsageRead,
)
from agent_api.database import Connection
from agent_api.errors import InvalidRequest, PurchaseNotFound
from agent_api.pagination import decode_cursor, encode_cursor

USAGE_DAYS_DEFAULT = 30
USAGE_DAYS_MAX = 366


def list_packages() -> PackageList:
    """What is for sale."""
    return PackageList(
        items=[
            PackageRead(
                tier=package.tier,
                tokens=package.tokens,
                price_minor=package.price_minor,
                currency=CURRENCY,
                price_per_token_minor=round(package.price_minor / package.tokens, 2),
                is_best_value=package.tier == BEST_VALUE,
            )
            for package in PACKAGES.values()
        ]
    )


async def get_purchase(connection: Connection, *, user_id: UUID, purchase_id: UUID) -> PurchaseRead:
    """One purchase of the caller. Raises PurchaseNotFound."""
    row = await queries.find_purchase(connection, user_id=user_id, purchase_id=purchase_id)
    if row is None:
        raise PurchaseNotFound
    return PurchaseRead.model_validate(dict(row))


async def list_purchases(connection: Connection, *, user_id: UUID, limit: int, cursor: str | None) -> PurchasePage:
    """One page of the caller's purchases, newest first. Raises InvalidRequest for a cursor that is none of ours."""
    rows = await queries.list_purchases(connection, user_id=user_id, limit=limit + 1, before=_purchase_key(cursor))
    page = rows[:limit]
    more = len(rows) > limit
    return PurchasePage(
        items=[PurchaseRead.model_validate(dict(row)) for row in page],
        next_cursor=encode_cursor(page[-1]["created_at"].isoformat(), str(page[-1]["id"])) if more else None,
    )


def _purchase_key(cursor: str | None) -> tuple[datetime, UUID] | None:
    if not cursor:
        return None
    moment, purchase_id = decode_cursor(cursor, str, str)
    try:
        return _moment(moment), UUID(purchase_id)
    except ValueError:
        raise InvalidRequest("cursor: not one that this service gave out", field="cursor") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment has a time zone")
    return moment


async def get_usage(connection: Connection, *, user_id: UUID, since: date | None, until: date | None) -> UsageRead:
    """What the caller bought and spent from one day to another, both included. Raises InvalidRequest."""
    last = until or datetime.now(UTC).date()
    first = since or last - min(timedelta(days=USAGE_DAYS_DEFAULT - 1), last - date.min)
    if first > last:
        raise InvalidRequest("from: must not be after to", field="from")
    if (last - first).days >= USAGE_DAYS_MAX:
        raise InvalidRequest(f"from: at most {USAGE_DAYS_MAX} days before to", field="from")
    if last == date.max:
        raise InvalidRequest("to: is too far away", field="to")
    rows = await queries.usage_by_day(connection, user_id=user_id, since=first, until=last)
    days = [DayUsage.model_validate(dict(row)) for row in rows]
    turns = await queries.usage_by_conversation(connection, user_id=user_id, since=first, until=last)
    return UsageRead(
        from_day=first,
        to_day=last,
        total=TokenSums(**_sums(days)),
        days=days,
        months=_by_month(days),
        conversations=[ConversationUsage.model_validate(dict(row)) for row in turns],
    )


def _sums(days: Iterable[TokenSums]) -> dict[str, int]:
    kept = list(days)
    return {name: sum(getattr(day, name) for day in kept) for name in TokenSums.model_fields}


def _by_month(days: list[DayUsage]) -> list[MonthUsage]:
    months: dict[str, list[DayUsage]] = {}
    for day in days:
        months.setdefault(day.day.strftime("%Y-%m"), []).append(day)
    return [MonthUsage(month=month, **_sums(within)) for month, within in months.items()]


async def list_events(
    connection: Connection, *, status: EventStatus | None, limit: int, cursor: str | None
) -> StripeEventPage:
    """One page of the inbox, newest first. Raises InvalidRequest for a cursor that is none of ours."""
    rows = await inbox_queries.list_events(connection, status=status, limit=limit + 1, before=_event_key(cursor))
    page = rows[:limit]
    more = len(rows) > limit
    return StripeEventPage(
        items=[StripeEventRead.model_validate(dict(row)) for row in page],
        next_cursor=encode_cursor(page[-1]["received_at"].isoformat(), page[-1]["id"]) if more else None,
    )


def _event_key(cursor: str | None) -> tuple[datetime, str] | None:
    if not cursor:
        return None
    key: list[Any] = decode_cursor(cursor, str, str)
    try:
        return _moment(key[0]), key[1]
    except ValueError:
        raise InvalidRequest("cursor: not one that this service gave out", field="cursor") from None
