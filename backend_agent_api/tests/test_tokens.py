"""Balance, live balance and transactions over real HTTP."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from agent_api_support.api import Api, make_settings, refusal, run_api
from agent_api_support.transaction_pooler import run_transaction_pooler
from agent_api_support.waiting import until

from agent_api.tokens import live
from local_stack.postgres.testing import Database


async def grant(database: Database, user_id: UUID, tokens: int, *, expires_at: datetime | None = None) -> None:
    async with database.connect() as connection:
        await connection.execute(
            "select public.grant_tokens($1, $2, 'adjustment', $3, $4)", user_id, tokens, str(uuid4()), expires_at
        )


class Stream:
    """The events of one open balance stream."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next_line(self) -> str:
        async with asyncio.timeout(60):
            async for line in self._lines:
                if line:
                    return line
        raise EOFError

    async def next_balance(self) -> int:
        while not (line := await self.next_line()).startswith("data: "):
            pass
        return json.loads(line.removeprefix("data: "))["tokens"]


@asynccontextmanager
async def open_stream(api: Api, user_id: UUID, **claims: Any) -> AsyncGenerator[Stream]:
    async with api.client.stream("GET", "/api/balance/stream", headers=api.headers(user_id, **claims)) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


async def listening(api: Api) -> None:
    async with asyncio.timeout(60):
        await api.app.state.balance_feed.listening.wait()


async def test_balance_leaves_out_what_has_expired(api: Api, shared_database: Database) -> None:
    user_id = await shared_database.add_user(tokens=5)
    await grant(shared_database, user_id, 7, expires_at=datetime.now(UTC) + timedelta(hours=1))
    headers = api.headers(user_id)
    assert (await api.client.get("/api/balance", headers=headers)).json() == {"tokens": 12}
    async with shared_database.superuser() as connection:
        # An hour later.
        await connection.execute(
            "update public.token_grants set expires_at = clock_timestamp() where user_id = $1 and amount = 7", user_id
        )
    # The stream reads without a lock and must come to the same.
    async with open_stream(api, user_id) as stream:
        assert await stream.next_balance() == 5
    assert (await api.client.get("/api/balance", headers=headers)).json() == {"tokens": 5}
    async with shared_database.connect() as connection:
        assert await connection.fetch("select * from public.audit_ledger()") == []


async def test_a_change_reaches_every_stream_of_that_user_and_no_other(api: Api, shared_database: Database) -> None:
    user_id, other_id = await shared_database.add_user(tokens=1), await shared_database.add_user(tokens=50)
    await listening(api)
    async with (
        open_stream(api, user_id) as first,
        open_stream(api, user_id) as second,
        open_stream(api, other_id) as other,
    ):
        assert [await stream.next_balance() for stream in (first, second, other)] == [1, 1, 50]
        await grant(shared_database, user_id, 2)
        api.app.state.balance_notifier.changed(user_id)
        assert [await stream.next_balance() for stream in (first, second)] == [3, 3]
        await grant(shared_database, other_id, 5)
        api.app.state.balance_notifier.changed(other_id)
        # Its next event is its own change: nothing of the first user came this way.
        assert await other.next_balance() == 55


async def test_a_change_in_one_process_reaches_a_stream_of_another(api: Api, shared_database: Database) -> None:
    user_id = await shared_database.add_user(tokens=1)
    async with run_api(make_settings(shared_database.dsn())) as second:
        await listening(second)
        async with open_stream(second, user_id) as stream:
            assert await stream.next_balance() == 1
            await grant(shared_database, user_id, 1)
            api.app.state.balance_notifier.changed(user_id)
            assert await stream.next_balance() == 2


async def test_changes_travel_through_a_transaction_pooler_too(database: Database) -> None:
    user_id = await database.add_user(tokens=1)
    async with (
        run_transaction_pooler(database.dsn()) as (_pooler, through),
        run_api(make_settings(through, database_session_url=database.dsn())) as api,
    ):
        await listening(api)
        async with open_stream(api, user_id) as stream:
            assert await stream.next_balance() == 1
            await grant(database, user_id, 1)
            api.app.state.balance_notifier.changed(user_id)
            assert await stream.next_balance() == 2


async def test_many_changes_become_few_notifications(api: Api, shared_database: Database) -> None:
    user_ids = [uuid4() for _ in range(live.IDS_PER_NOTIFICATION * 2 + 1)]
    wanted = {str(user_id) for user_id in user_ids}
    payloads: list[set[str]] = []
    async with shared_database.connect() as connection:

        def collect(_connection: object, _pid: int, _channel: str, payload: object) -> None:
            if wanted & (named := set[str](json.loads(str(payload)))):
                payloads.append(named)

        await connection.add_listener(live.CHANNEL, collect)
        for user_id in user_ids * 3:
            api.app.state.balance_notifier.changed(user_id)
        await until(lambda: wanted <= set[str]().union(*payloads))
        await connection.remove_listener(live.CHANNEL, collect)
    assert max(map(len, payloads)) <= live.IDS_PER_NOTIFICATION
    assert len(payloads) <= 4  # Three by size; one more where the interval ended while they were collected.


async def test_what_no_notification_told_a_reader_finds_by_itself(database: Database) -> None:
    user_id = await database.add_user(tokens=1)
    async with (
        run_api(make_settings(database.dsn(), balance_reread_seconds=0.1)) as api,
        open_stream(api, user_id) as stream,
    ):
        assert await stream.next_balance() == 1
        await grant(database, user_id, 4)
        assert await stream.next_balance() == 5


async def test_a_lost_listen_connection_is_made_again_and_misses_nothing(database: Database) -> None:
    user_id = await database.add_user(tokens=1)
    async with run_api(make_settings(database.dsn())) as api:
        await listening(api)
        async with open_stream(api, user_id) as stream:
            assert await stream.next_balance() == 1
            await grant(database, user_id, 1)
            async with database.superuser() as connection:
                ended = await connection.fetchval(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    " where application_name = 'agent_api_listen' and datname = current_database()"
                )
            assert ended == 1
            # Without a notification: reconnecting alone brings it.
            assert await stream.next_balance() == 2
            await grant(database, user_id, 1)
            api.app.state.balance_notifier.changed(user_id)
            assert await stream.next_balance() == 3


async def test_a_quiet_stream_is_kept_alive(shared_database: Database) -> None:
    user_id = await shared_database.add_user(tokens=1)
    async with (
        run_api(make_settings(shared_database.dsn(), balance_keep_alive_seconds=0.05)) as api,
        open_stream(api, user_id) as stream,
    ):
        assert await stream.next_line() == 'data: {"tokens": 1}'
        assert await stream.next_line() == ": keep-alive"


async def test_a_stream_ends_with_its_jwt(shared_database: Database) -> None:
    user_id = await shared_database.add_user(tokens=1)
    seen: set[str] = set()
    async with run_api(make_settings(shared_database.dsn(), jwt_leeway_seconds=60)) as api:
        ends_at = int(time.time()) + 2
        async with open_stream(api, user_id, exp=ends_at) as stream:
            with pytest.raises(EOFError):
                async with asyncio.timeout(60):
                    while True:
                        seen.add(await stream.next_line())
            assert time.time() >= ends_at
    # On a busy machine it may have ended before anything could be said.
    assert seen <= {'data: {"tokens": 1}', ": keep-alive"}


async def test_streams_are_limited_per_user_and_per_process_and_given_back(shared_database: Database) -> None:
    user_id, other_id = await shared_database.add_user(), await shared_database.add_user()
    settings = make_settings(shared_database.dsn(), balance_streams_per_user_max=2, balance_streams_per_process_max=3)
    async with run_api(settings) as api:
        path = "/api/balance/stream"
        async with open_stream(api, user_id) as first:
            await first.next_balance()
            async with open_stream(api, user_id) as second:
                await second.next_balance()
                refused = await api.client.get(path, headers=api.headers(user_id))
                assert refusal(refused) == (429, "rate_limited")
                assert int(refused.headers["retry-after"]) > 0
                async with open_stream(api, other_id) as third:
                    await third.next_balance()
                    busy = await api.client.get(path, headers=api.headers(other_id))
                    assert refusal(busy) == (503, "server_busy")
        # Leaving frees the places: nothing is left behind by a browser that went away.
        feed = api.app.state.balance_feed
        await until(lambda: feed.reader_count == 0)
        async with open_stream(api, user_id) as again:
            assert await again.next_balance() == 0


async def test_transactions_come_by_page_newest_first_and_only_ones_own(api: Api, shared_database: Database) -> None:
    user_id, other_id = await shared_database.add_user(tokens=100), await shared_database.add_user(tokens=7)
    for amount in (1, 2, 3, 4):
        await grant(shared_database, user_id, amount)
    headers = api.headers(user_id)
    pages: list[list[dict[str, Any]]] = []
    cursor: str | None = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        body = (await api.client.get("/api/transactions", headers=headers, params=query)).json()
        pages.append(body["items"])
        if len(pages) == 1:
            await grant(shared_database, user_id, 9)  # Written meanwhile: shifts no later page.
        cursor = body["next_cursor"]
        if cursor is None:
            break
    assert [[item["tokens"] for item in page] for page in pages] == [[4, 3], [2, 1], [100]]
    assert [item["balance_after"] for page in pages for item in page] == [110, 106, 103, 101, 100]
    assert {item["type"] for page in pages for item in page} == {"adjustment"}
    theirs = (await api.client.get("/api/transactions", headers=api.headers(other_id))).json()
    assert [item["tokens"] for item in theirs["items"]] == [7]
    filtered = await api.client.get("/api/transactions", headers=headers, params={"type": "consumption"})
    assert filtered.json() == {"items": [], "next_cursor": None}


async def test_a_consumption_names_its_conversation(api: Api, shared_database: Database) -> None:
    user_id, session_id, request_id = await shared_database.add_user(tokens=3), str(uuid4()), uuid4()
    async with shared_database.connect() as connection:
        await connection.execute(
            "select public.begin_request($1, $2, $3, 'Hello', 'submit-message', null, null, null, $4, 30, 5, 60)",
            user_id,
            request_id,
            session_id,
            uuid4(),
        )
    query = {"type": "consumption"}
    items = (await api.client.get("/api/transactions", headers=api.headers(user_id), params=query)).json()["items"]
    assert [(item["tokens"], item["session_id"], item["request_id"]) for item in items] == [
        (-1, session_id, str(request_id))
    ]


async def test_a_movement_of_a_purchase_names_it_with_its_price(api: Api, shared_database: Database) -> None:
    user_id, purchase_id = await shared_database.add_user(), uuid4()
    async with shared_database.connect() as connection:
        await connection.execute(
            "select public.begin_purchase($1, $2, 'tier_2', 250, 1000, 'usd', false, 10, 60)", user_id, purchase_id
        )
        await connection.execute(
            "select public.record_payment($1, $2, 'tier_2', $3, 1000, 'usd', false, now())",
            purchase_id,
            user_id,
            f"pi_{purchase_id}",
        )
    [item] = (await api.client.get("/api/transactions", headers=api.headers(user_id))).json()["items"]
    assert (item["type"], item["tokens"]) == ("purchase", 250)
    assert (item["purchase_id"], item["price_minor"], item["currency"]) == (str(purchase_id), 1000, "usd")


async def test_transactions_are_narrowed_to_a_span_of_time(api: Api, shared_database: Database) -> None:
    user_id = await shared_database.add_user(tokens=5)
    for amount in (1, 2):
        await grant(shared_database, user_id, amount)
    headers = api.headers(user_id)

    async def tokens(**query: str) -> list[int]:
        response = await api.client.get("/api/transactions", headers=headers, params=query)
        return [item["tokens"] for item in response.json()["items"]]

    items = (await api.client.get("/api/transactions", headers=headers)).json()["items"]
    newest, middle, oldest = (item["created_at"] for item in items)
    assert await tokens(**{"from": middle}) == [2, 1]
    assert await tokens(**{"from": oldest, "to": newest}) == [1, 5]
    assert await tokens(to=oldest) == []
    naive = await api.client.get("/api/transactions", headers=headers, params={"from": "2026-11-21T00:00:00"})
    assert refusal(naive) == (422, "invalid_request")
