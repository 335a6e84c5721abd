"""What people and operators read: purchases, usage, the inbox."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from agent_api_support.api import refusal
from agent_api_support.billing import STRIPE_AND_HTTPX, Shop, deliver, event_about, marks, payment_intent

pytestmark = STRIPE_AND_HTTPX


async def get(shop: Shop, user_id: UUID, path: str, **query: Any) -> Any:
    response = await shop.api.client.get(path, headers=shop.api.headers(user_id), params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def add_admin(shop: Shop) -> UUID:
    user_id = await shop.database.add_user()
    async with shop.database.connect() as connection:
        await connection.execute("update public.user_profiles set is_admin = true where id = $1", user_id)
    return user_id


async def test_purchases_come_by_page_newest_first_and_only_ones_own(shop: Shop) -> None:
    user_id, other_id = await shop.database.add_user(), await shop.database.add_user()
    made = [(await shop.begin(user_id))[0] for _ in range(5)]
    await shop.begin(other_id)
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = await get(shop, user_id, "/api/purchases", **query)
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        await shop.begin(user_id)  # Made meanwhile: shifts no later page.
        query["cursor"] = page["next_cursor"]
    assert found == [str(purchase_id) for purchase_id in reversed(made)]


@pytest.mark.parametrize("cursor", ["x", "WyJ4IiwieSJd", "WzEsMl0", "WyIyMDI2LTAxLTAxIiwieCJd"])
@pytest.mark.parametrize("path", ["/api/purchases", "/api/admin/stripe-events"])
async def test_a_foreign_cursor_is_refused(shop: Shop, path: str, cursor: str) -> None:
    headers = shop.api.headers(await add_admin(shop))
    response = await shop.api.client.get(path, headers=headers, params={"cursor": cursor})
    assert refusal(response) == (422, "invalid_request")


async def test_a_purchase_that_never_was_is_not_found(shop: Shop) -> None:
    headers = shop.api.headers(await shop.database.add_user())
    response = await shop.api.client.get(f"/api/purchases/{uuid4()}", headers=headers)
    assert refusal(response) == (404, "purchase_not_found")
    response = await shop.api.client.get("/api/purchases/7", headers=headers)
    assert refusal(response) == (422, "invalid_request")


async def move(shop: Shop, user_id: UUID, day: date) -> None:
    """Make what a person did lately that of a day. The ledger refuses that to everybody but this test."""
    async with shop.database.superuser() as connection:
        await connection.execute("set session_replication_role = replica")
        # S608: both names stand in this line.
        for table, column in (("transactions", "created_at"), ("requests", "timestamp")):
            await connection.execute(
                f'update public.{table} set "{column}" = $2'  # noqa: S608
                f""" where user_id = $1 and "{column}" > now() - interval '1 day'""",
                user_id,
                datetime.combine(day, time(12), UTC),
            )


async def turn(shop: Shop, user_id: UUID, session_id: str, *, released: bool = False) -> None:
    holder, request_id = uuid4(), uuid4()
    async with shop.database.connect() as connection:
        await connection.execute(
            "select public.begin_request($1, $2, $3, 'Hello', 'submit-message', null, null, null, $4, 30, 1000, 60)",
            *(user_id, request_id, session_id, holder),
        )
        await connection.execute(
            "select public.settle_request($1, $2, $3, $4, null, $5, '[]', 'demo', 1, 1, false, null)",
            *(user_id, request_id, holder, "released" if released else "done"),
            None if released else '{"type": "ai", "content": "Hi"}',
        )


async def test_usage_sums_by_day_month_and_conversation(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    purchase_id = await shop.buy(user_id)
    # No day on which the test runs: midnight may pass meanwhile.
    last = datetime.now(UTC).date() - timedelta(days=2)
    first = last - timedelta(days=40)
    await move(shop, user_id, first)
    long, short = str(uuid4()), str(uuid4())
    for session_id, released in ((long, False), (long, False), (long, True), (short, False)):
        await turn(shop, user_id, session_id, released=released)
    await shop.refund(purchase_id, 250)
    await shop.deliver_news(purchase_id)
    await move(shop, user_id, last)
    usage = await get(shop, user_id, "/api/usage", **{"from": str(first), "to": str(last)})
    nothing = {"bought": 0, "granted": 0, "spent": 0, "released": 0, "taken_back": 0, "expired": 0}
    spent = {"spent": 4, "released": 1, "taken_back": 50}
    assert (usage["from_day"], usage["to_day"]) == (str(first), str(last))
    assert usage["total"] == {**nothing, "bought": 100, **spent}
    assert usage["days"] == [{"day": str(first), **nothing, "bought": 100}, {"day": str(last), **nothing, **spent}]
    assert [month["month"] for month in usage["months"]] == sorted({f"{first:%Y-%m}", f"{last:%Y-%m}"})
    assert sum(month["bought"] for month in usage["months"]) == 100
    turns = [(each["session_id"], each["turns"], each["tokens"]) for each in usage["conversations"]]
    assert turns == [(long, 3, 2), (short, 1, 1)]
    total = usage["total"]
    assert total["bought"] + total["released"] - total["spent"] - total["taken_back"] == await shop.balance(user_id)
    # Thirty days by default, today with them.
    before = datetime.now(UTC).date()
    usage = await get(shop, user_id, "/api/usage")
    assert usage["total"] == {**nothing, **spent}
    to_day = date.fromisoformat(usage["to_day"])
    assert before <= to_day <= datetime.now(UTC).date()
    assert to_day - date.fromisoformat(usage["from_day"]) == timedelta(days=29)
    other_id = await shop.database.add_user()
    assert (await get(shop, other_id, "/api/usage"))["conversations"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2026-01-02", "to": "2026-01-01"}, "from"),
        ({"from": "2025-01-01", "to": "2026-01-02"}, "from"),
        ({"from": "9999-12-31", "to": "9999-12-31"}, "to"),
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-13-01"}, "to"),
    ],
)
async def test_usage_has_a_bounded_range(shop: Shop, query: dict[str, str], field: str) -> None:
    headers = shop.api.headers(await shop.database.add_user())
    response = await shop.api.client.get("/api/usage", headers=headers, params=query)
    assert refusal(response) == (422, "invalid_request")
    assert response.json()["error"]["field"] == field


async def test_usage_of_the_first_days_there_are(shop: Shop) -> None:
    user_id = await shop.database.add_user()
    assert (await get(shop, user_id, "/api/usage", to="0001-01-03"))["from_day"] == "0001-01-01"


async def test_operators_only(shop: Shop) -> None:
    headers = shop.api.headers(await shop.database.add_user())
    client = shop.api.client
    for response in (
        await client.get("/api/admin/stripe-events", headers=headers),
        await client.post("/api/admin/stripe-events/evt_1/reapply", headers=headers),
        await client.get("/api/admin/reconciliation", headers=headers),
    ):
        assert refusal(response) == (403, "forbidden")
    assert refusal(await client.get("/api/admin/stripe-events")) == (401, "unauthorized")


async def test_the_inbox_is_read_by_status_without_what_it_holds_about_people(shop: Shop) -> None:
    admin_id, user_id = await add_admin(shop), await shop.database.add_user()
    purchase_id, _ = await shop.begin(user_id)
    intents = [payment_intent(marks(purchase_id, user_id), amount_received=amount) for amount in (1, 2, 3)]
    events = [event_about("payment_intent.succeeded", body) for body in intents]
    for event in events:
        await deliver(shop.api, event)
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"status": "flagged", "limit": 2}
    while len(found) < 3:
        page = await get(shop, admin_id, "/api/admin/stripe-events", **query)
        found += page["items"]
        query["cursor"] = page["next_cursor"]
    assert [item["id"] for item in found[:3]] == [event["id"] for event in reversed(events)]
    assert found[0]["error"] == "amount_mismatch"
    assert "payload" not in found[0]
    assert {item["status"] for item in found} == {"flagged"}


async def test_an_operator_applies_an_event_again_and_nothing_moves_twice(shop: Shop) -> None:
    admin_id, user_id = await add_admin(shop), await shop.database.add_user()
    headers = shop.api.headers(admin_id)
    purchase_id, _ = await shop.begin(user_id)
    event = event_about("payment_intent.succeeded", payment_intent(marks(purchase_id, user_id)))
    async with shop.database.connect() as connection:
        # What the operator then finds to be wrong, and corrects.
        await connection.execute("update public.purchases set price_minor = 400 where id = $1", purchase_id)
        assert (await deliver(shop.api, event)).json() == {"status": "flagged"}
        await connection.execute("update public.purchases set price_minor = 500 where id = $1", purchase_id)
    # What was decided once is not decided anew by a repeat, only by the operator.
    assert (await deliver(shop.api, event)).json() == {"status": "flagged"}
    assert await shop.ledger(user_id) == []
    path = f"/api/admin/stripe-events/{event['id']}/reapply"
    for moved in (100, 0):
        response = await shop.api.client.post(path, headers=headers)
        assert response.json() == {"id": event["id"], "status": "applied", "error": None, "tokens_moved": moved}
    assert await shop.ledger(user_id) == [("purchase", 100)]
    unknown = await shop.api.client.post("/api/admin/stripe-events/evt_unknown/reapply", headers=headers)
    assert refusal(unknown) == (404, "event_not_found")
