"""Races, with real connections and committed data."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest

from local_stack.postgres.testing import Database
from tests.sql.test_queue import wait_for_lock
from tests.sql.turns import Begun, Turns, audit

CONNECTIONS = 40
SECONDS_MAX = 120

Act: TypeAlias = Callable[[asyncpg.Connection], Awaitable[object]]


@pytest.fixture
async def connections(database: Database) -> AsyncIterator[list[asyncpg.Connection]]:
    opened: list[asyncpg.Connection] = []
    try:
        for _ in range(CONNECTIONS):
            opened.append(await asyncpg.connect(database.dsn()))
        yield opened
    finally:
        for connection in opened:
            await connection.close()


async def at_once(connections: Sequence[asyncpg.Connection], acts: Sequence[Act]) -> list[object]:
    """Run all acts, as many at a time as there are connections; a refusal is returned as its SQLSTATE."""
    waiting = list(enumerate(acts))
    results: list[object] = [None] * len(acts)

    async def work(connection: asyncpg.Connection) -> None:
        while waiting:
            number, act = waiting.pop(0)
            try:
                results[number] = await act(connection)
            except asyncpg.PostgresError as error:
                results[number] = error.sqlstate

    async with asyncio.timeout(SECONDS_MAX):
        await asyncio.gather(*(work(connection) for connection in connections))
    return results


def begin(user_id: UUID, request_id: UUID | None = None, session_id: str = "", rate_limit: int = 100_000) -> Act:
    """Begin a turn; the act returns what came of it."""

    async def act(connection: asyncpg.Connection) -> str:
        turn = await Turns(connection, user_id).begin(
            request_id=request_id, session_id=session_id, rate_limit=rate_limit
        )
        return turn.outcome

    return act


async def test_200_turns_at_once_on_50_tokens_start_50_and_refuse_150(
    database: Database, connections: list[asyncpg.Connection]
) -> None:
    user_id = await database.add_user(tokens=50)
    results = await at_once(connections, [begin(user_id, session_id=str(uuid4())) for _ in range(200)])
    assert Counter(results) == {"started": 50, "AP402": 150}
    assert await connections[0].fetchval("select count(*) from public.requests") == 50
    assert await connections[0].fetchval("select count(*) from public.conversations") == 50
    assert await Turns(connections[0], user_id).balance() == 0
    assert await audit(connections[0]) == []


async def test_one_request_id_20_times_at_once_costs_one_token(
    database: Database, connections: list[asyncpg.Connection]
) -> None:
    for session_id in ("", str(uuid4())):
        user_id, request_id = await database.add_user(tokens=5), uuid4()
        results = await at_once(connections, [begin(user_id, request_id, session_id) for _ in range(20)])
        assert Counter(results) == {"started": 1, "known": 19}
        entries = "select count(*) from public.transactions where request_id = $1"
        assert await connections[0].fetchval(entries, request_id) == 1
        asked = "select count(*) from public.messages where request_id = $1"
        assert await connections[0].fetchval(asked, request_id) == 1
        assert await Turns(connections[0], user_id).balance() == 4
    assert await audit(connections[0]) == []


async def test_the_rate_limit_holds_for_turns_at_once(
    database: Database, connections: list[asyncpg.Connection]
) -> None:
    user_id = await database.add_user(tokens=50)
    results = await at_once(connections, [begin(user_id, rate_limit=5) for _ in range(40)])
    assert Counter(results) == {"started": 5, "AP429": 35}


async def test_one_turn_at_once_runs_in_a_conversation(
    database: Database, connections: list[asyncpg.Connection]
) -> None:
    user_id, session_id = await database.add_user(tokens=50), str(uuid4())
    results = await at_once(connections, [begin(user_id, session_id=session_id) for _ in range(40)])
    assert Counter(results) == {"started": 1, "AP409": 39}


async def test_two_people_who_make_the_same_conversation_at_once(
    database: Database, connections: list[asyncpg.Connection]
) -> None:
    people = [await database.add_user(tokens=50) for _ in range(2)]
    for _ in range(20):
        session_id = str(uuid4())
        results = await at_once(connections[:2], [begin(person, session_id=session_id) for person in people])
        assert Counter(results) == {"started": 1, "AP404": 1}
    assert await audit(connections[0]) == []


async def test_two_people_who_send_the_same_request_id_at_once(
    database: Database, connections: list[asyncpg.Connection]
) -> None:
    people = [await database.add_user(tokens=50) for _ in range(2)]
    for _ in range(20):
        request_id = uuid4()
        results = await at_once(connections[:2], [begin(person, request_id) for person in people])
        assert Counter(results) == {"started": 1, "AP40R": 1}
    assert await audit(connections[0]) == []


async def test_a_second_person_waits_for_the_first_and_is_refused(
    database: Database, connections: list[asyncpg.Connection]
) -> None:
    """The same two races with the order forced: the first has not committed when the second asks."""
    user, stranger = [await database.add_user(tokens=5) for _ in range(2)]
    for request_id, session_id, expected in ((uuid4(), "", "AP40R"), (None, str(uuid4()), "AP404")):
        transaction = connections[0].transaction()
        await transaction.start()
        assert await begin(user, request_id, session_id)(connections[0]) == "started"
        second = asyncio.create_task(at_once(connections[1:2], [begin(stranger, request_id, session_id)]))
        await wait_for_lock(database)
        await transaction.commit()
        assert await second == [expected]


async def test_a_turn_is_settled_once_by_its_process_and_the_sweepers(
    database: Database, connections: list[asyncpg.Connection]
) -> None:
    user_id = await database.add_user(tokens=20)
    turns = Turns(connections[0], user_id)
    for _ in range(10):
        begun = await turns.begin()
        await turns.lose(begun.request_id)

        async def by_process(connection: asyncpg.Connection, begun: Begun = begun) -> str | None:
            settled = await Turns(connection, user_id, turns.holder).settle(begun.request_id)
            return "process" if settled.settled else None

        async def by_sweeper(connection: asyncpg.Connection, begun: Begun = begun) -> str | None:
            return await Turns(connection, user_id).settle_lost(begun.request_id)

        results = await at_once(connections, [by_process, *([by_sweeper] * 8)])
        assert sum(result is not None for result in results) == 1
    assert await audit(connections[0]) == []


async def test_everything_at_once_neither_deadlocks_nor_breaks_the_books(
    database: Database, connections: list[asyncpg.Connection]
) -> None:
    """Begin, settle, renew, flush, sweep, stop, delete, purchases and grants of three people, in one storm."""
    rng = random.Random(20)  # noqa: S311 - a repeatable storm, no secret
    people = [await database.add_user(tokens=200) for _ in range(3)]
    purchases = {person: uuid4() for person in people}
    for person, purchase_id in purchases.items():
        await connections[0].execute(
            "insert into public.purchases (id, user_id, tier, pack_tokens, price_minor, currency, status, paid_minor)"
            " values ($1, $2, 'tier_1', 100, 500, 'usd', 'paid', 500)",
            *(purchase_id, person),
        )
    holder = uuid4()
    begun: list[tuple[UUID, Begun]] = []
    ended: list[tuple[UUID, Begun]] = []
    deleted: list[tuple[UUID, Begun]] = []

    async def start(connection: asyncpg.Connection) -> None:
        person = rng.choice(people)
        begun.append((person, await Turns(connection, person, holder).begin()))

    async def settle(connection: asyncpg.Connection) -> None:
        if begun:
            person, turn = begun.pop(rng.randrange(len(begun)))
            ended.append((person, turn))
            await Turns(connection, person, holder).settle(turn.request_id, rng.choice(["done", "failed", "released"]))

    async def delete(connection: asyncpg.Connection) -> None:
        # A running one is refused with 409, a deleted one with 404; ended ones go.
        piles = [pile for pile in (begun, ended, deleted) if pile]
        if piles:
            person, turn = rng.choice(rng.choice(piles))
            await connection.execute("select public.delete_conversation($1, $2)", person, turn.session_id)
            deleted.append((person, turn))

    async def stop(connection: asyncpg.Connection) -> None:
        if begun:
            person, turn = rng.choice(begun)
            await connection.execute("select public.request_stop($1, $2)", person, turn.session_id)

    async def sweep(connection: asyncpg.Connection) -> None:
        if begun:
            person, turn = rng.choice(begun)
            await Turns(connection, person).lose(turn.request_id)
            await Turns(connection, person).settle_lost(turn.request_id)

    async def renew(connection: asyncpg.Connection) -> None:
        ids = [turn.request_id for _, turn in begun]
        rng.shuffle(ids)
        await connection.execute("select * from public.renew_leases($1, $2, 30)", holder, ids)

    async def flush(connection: asyncpg.Connection) -> None:
        if begun:
            person, turn = rng.choice(begun)
            await Turns(connection, person, holder).emit(turn.request_id, {"type": "text-delta", "delta": "a"})

    async def refund(connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            person = rng.choice(people)
            # As the webhook does: the person's lock first, then the purchase.
            await connection.execute("select private.lock_profile($1)", person)
            await connection.execute(
                "update public.purchases set refunded_minor = $2 where id = $1",
                *(purchases[person], rng.randrange(501)),
            )
            await connection.execute("select public.settle_purchase($1)", purchases[person])

    async def give(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "select public.grant_tokens($1, 3, 'activation_code', $2, clock_timestamp() + interval '300 milliseconds')",
            *(rng.choice(people), str(uuid4())),
        )

    acts: list[Act] = [*[start] * 8, *[settle] * 6, delete, stop, sweep, renew, flush, refund, give]
    results = await at_once(connections, [rng.choice(acts) for _ in range(1200)])
    refusals = Counter(result for result in results if isinstance(result, str))
    # AP422: a lot that was due before its turn came. Above all no deadlock (40P01).
    assert set(refusals) <= {"AP402", "AP404", "AP409", "AP422"}, refusals
    assert {"AP404", "AP409"} <= set(refusals)
    assert await audit(connections[0]) == []
    charged = await connections[0].fetchval(
        "select count(*) from public.requests as r where not exists ("
        " select from public.transactions as t where t.key = 'request:' || r.id)"
    )
    assert charged == 0


async def test_an_account_deleted_in_the_middle_of_its_turns(
    database: Database, connections: list[asyncpg.Connection]
) -> None:
    rng = random.Random(20)  # noqa: S311 - a repeatable order, no secret
    for _ in range(5):
        user_id, holder = await database.add_user(tokens=100), uuid4()
        running = [await Turns(connections[0], user_id, holder).begin() for _ in range(10)]

        def settle(turn: Begun, user_id: UUID = user_id, holder: UUID = holder) -> Act:
            async def act(connection: asyncpg.Connection) -> str | None:
                return (await Turns(connection, user_id, holder).settle(turn.request_id)).status

            return act

        async def delete(_: asyncpg.Connection, user_id: UUID = user_id) -> str:
            await database.delete_user(user_id)
            return "deleted"

        async def renew(connection: asyncpg.Connection, holder: UUID = holder, running: list[Begun] = running) -> None:
            ids = [turn.request_id for turn in running]
            for _ in range(10):
                await connection.execute(
                    "select * from public.renew_leases($1, $2, 30)", holder, rng.sample(ids, len(ids))
                )

        acts: list[Act] = [
            *[settle(turn) for turn in running[:5]],
            delete,
            *[settle(turn) for turn in running[5:]],
            *[renew] * 8,
        ]
        results = Counter(await at_once(connections, [*acts, *[begin(user_id) for _ in range(20)]]))
        assert set(results) <= {"done", "deleted", "started", "AP401", None}, results
        assert results["deleted"] == 1
    for table in ("requests", "conversations", "messages", "user_profiles"):
        assert await connections[0].fetchval(f"select count(*) from public.{table}") == 0, table
    assert await audit(connections[0]) == []
