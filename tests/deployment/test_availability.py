"""One replica is lost, or all are replaced one by one, while people go on asking through the proxy."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest_asyncio
from agent_api_support.chat import LiveStream, Person, new_id
from agent_api_support.model_server import Pause
from agent_api_support.ui_stream import UiStream, read_stream

from local_stack.paths import REPOSITORY
from tests.deployment.proxy import CARRIES_BODIES_ELSEWHERE, Proxy, caddy_version, run_proxy
from tests.end_to_end.fleet import Fleet

PEOPLE, TOKENS = 6, 100_000
HELD_STREAMS = 8
# The interval of Caddy's health check, on a busy machine: what an old Caddy needs to find a lost replica.
FOUND_SECONDS_MAX = 10.0
# Long enough that no turn is given up because a busy machine let its process wait.
LEASE_SECONDS = 8
LOST_SECONDS_MAX = 60.0
# What is read all the while: none of it may fail, whichever replica is asked.
READS = ("/health", "/api/balance", "/api/profile", "/api/conversations", "/api/transactions")


@pytest_asyncio.fixture
async def own_proxy(deployed_fleet: Fleet, built_site: Path, tmp_path: Path) -> AsyncGenerator[Proxy]:
    """A proxy whose replicas a test may lose."""
    settings = {"shutdown_grace_seconds": 10, "run_lease_seconds": LEASE_SECONDS}
    async with run_proxy(deployed_fleet, built_site, tmp_path, **settings) as running:
        yield running


@dataclass
class Traffic:
    """People who ask and read without a pause, as a browser does: what breaks off is sent again under its id."""

    proxy: Proxy
    text: str
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    people: list[Person] = field(default_factory=list[Person])
    asked: dict[UUID, UiStream] = field(default_factory=dict[UUID, UiStream])
    broken: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    """When each attempt began that got no complete answer, and what came instead."""
    failed_reads: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    killed_at: float = 0
    """A replica was lost then: what it was just answering broke off."""
    reads: int = 0

    async def ask(self, person: Person) -> None:
        while not self.stop.is_set():
            request_id, session_id = uuid4(), new_id()
            while (answer := await self._attempt(person, request_id, session_id)) is None:
                pass
            self.asked[request_id] = answer

    async def _attempt(self, person: Person, request_id: UUID, session_id: str) -> UiStream | None:
        began = time.monotonic()
        try:
            reply = await person.post(person.body(self.text, request_id=request_id, session_id=session_id))
        except httpx.TransportError as error:
            self.broken.append((began, repr(error)))
            return None
        if reply.status_code == 200 and reply.content.endswith(b"[DONE]\n\n"):
            return read_stream(reply.content)
        # The replica was lost before it answered or while it did.
        assert reply.status_code in (200, 502), reply.text
        self.broken.append((began, f"{reply.status_code} {reply.text[-200:]}"))
        return None

    async def read(self, person: Person) -> None:
        while not self.stop.is_set():
            for path in READS:
                self.reads += 1
                began = time.monotonic()
                try:
                    reply = await person.client.get(path, headers=person.headers)
                except httpx.TransportError as error:
                    self.failed_reads.append((began, f"{path}: {error!r}"))
                else:
                    if reply.status_code != 200:
                        self.failed_reads.append((began, f"{path}: {reply.status_code}"))

    async def answered(self, more: int) -> None:
        """Wait until so many further questions have their answer."""
        target = len(self.asked) + more
        async with asyncio.timeout(60):
            while True:
                if len(self.asked) >= target:
                    return
                await asyncio.sleep(0.02)

    async def processes_used(self) -> int:
        """How many processes have begun a turn so far."""
        rows = await self.proxy.fleet.books.rows(
            "select lease_holder from public.requests where user_id = any($1) group by lease_holder",
            [person.user_id for person in self.people],
        )
        return len(rows)

    async def assert_exact(self) -> None:
        """Every question has one answer, one charge, and nothing else was taken."""
        books = self.proxy.fleet.books
        assert [what for began, what in self.failed_reads if began >= self.killed_at] == []
        rows = await books.rows(
            "select r.id, r.status, (select count(*) from public.transactions as t where t.request_id = r.id) as moves"
            " from public.requests as r where r.user_id = any($1)",
            [person.user_id for person in self.people],
        )
        assert {row["id"] for row in rows} == self.asked.keys()
        for row in rows:
            assert row["status"] == self.asked[row["id"]].end["status"]
            assert row["moves"] == (2 if row["status"] == "released" else 1)
        kept = await books.rows(
            "select p.id, p.tokens from public.user_profiles as p where p.id = any($1)",
            [person.user_id for person in self.people],
        )
        spent = sum(row["status"] != "released" for row in rows)
        assert sum(row["tokens"] for row in kept) == PEOPLE * TOKENS - spent
        await books.assert_sound()


async def begin_traffic(proxy: Proxy, text: str, stack: AsyncExitStack) -> Traffic:
    """Start it; it ends with the stack."""
    proxy.fleet.model.say(text, ["An ", Pause(0.05), "answer."])
    traffic = Traffic(proxy, text)
    client = await stack.enter_async_context(proxy.client())
    group = await stack.enter_async_context(asyncio.TaskGroup())
    stack.callback(traffic.stop.set)
    for _ in range(PEOPLE):
        person = await proxy.fleet.books.person(client, tokens=TOKENS)
        traffic.people.append(person)
        group.create_task(traffic.ask(person))
        group.create_task(traffic.read(person))
    return traffic


async def test_a_killed_replica_takes_nothing_but_its_own_streams(own_proxy: Proxy) -> None:
    proxy, books = own_proxy, own_proxy.fleet.books
    go_on = asyncio.Event()
    proxy.fleet.model.say("held", ["Begun ", go_on, "and ended"])
    doomed, _ = proxy.replicas
    async with AsyncExitStack() as stack:
        # Who holds a turn that was asked for directly is the replica that will be killed.
        direct = await proxy.fleet.person(doomed)
        mark = uuid4()
        live = await stack.enter_async_context(direct.asking("held", request_id=mark))
        await live.until_text("Begun")
        holder = (await books.request(mark))["lease_holder"]

        client = await stack.enter_async_context(proxy.client())
        held: dict[UUID, tuple[Person, str, LiveStream]] = {}
        for _ in range(HELD_STREAMS):
            person, request_id, session_id = await books.person(client), uuid4(), new_id()
            stream = await stack.enter_async_context(
                person.asking("held", request_id=request_id, session_id=session_id)
            )
            await stream.until_text("Begun")
            held[request_id] = person, session_id, stream
            await books.until("select 1 from public.run_events where request_id = $1", request_id)
        its_own = {
            row["id"]
            for row in await books.rows(
                "select id from public.requests where lease_holder = $1 and id = any($2)", holder, list(held)
            )
        }
        assert 0 < len(its_own) < HELD_STREAMS

        async with AsyncExitStack() as traffic_stack:
            traffic = await begin_traffic(proxy, "while one is killed", traffic_stack)
            await traffic.answered(2 * PEOPLE)
            await doomed.kill()
            traffic.killed_at = time.monotonic()
            await asyncio.gather(*(_settled_elsewhere(*held[request_id]) for request_id in its_own))
            await traffic.answered(2 * PEOPLE)
        go_on.set()
        for request_id in held.keys() - its_own:
            assert (await held[request_id][2].rest()).end["status"] == "done"
        statuses = await books.rows("select id, status from public.requests where id = any($1)", list(held))
        assert {row["id"]: row["status"] for row in statuses} == {
            request_id: "failed" if request_id in its_own else "done" for request_id in held
        }
        # Only what was on its way to the lost replica had to be asked again.
        assert not_excused(traffic) == []
        await traffic.assert_exact()


def not_excused(traffic: Traffic) -> list[tuple[float, str]]:
    """Of the attempts that failed, those that may not: with a Caddy of today all that began without the lost replica.

    An older one tries elsewhere too when a connection is refused, but the first try has closed the body, so that the
    second cannot send it and the answer is 502. That ends when the health check finds the replica, and the site sends
    such a question again under its id. No setting helps: lb_retry_match repeats the same error, a route for errors
    reads the same closed body, and buffering hands the buffer to other requests while it is read again.
    """
    after = [each for each in traffic.broken if each[0] >= traffic.killed_at]
    if caddy_version() >= CARRIES_BODIES_ELSEWHERE:
        assert len(traffic.broken) - len(after) <= PEOPLE, "more than each one's question that was under way"
        return after
    found_at = traffic.killed_at + FOUND_SECONDS_MAX
    excused = [each for each in after if each[0] < found_at and each[1].startswith("502")]
    closed = traffic.proxy.log.read_text(encoding="utf-8").count('http: invalid Read on closed Body","request"')
    assert closed >= len(excused), "they failed for another reason"
    return [each for each in after if each not in excused]


async def _settled_elsewhere(person: Person, session_id: str, stream: LiveStream) -> None:
    """Its stream breaks; it attaches again through the proxy and learns after the lease how the turn was settled."""
    # Older Caddys end a broken stream as if it were complete, newer ones cut the connection.
    with suppress(httpx.TransportError):
        await stream.rest()
    assert not stream.seen.is_done
    async with asyncio.timeout(LOST_SECONDS_MAX), person.attached(session_id, after=stream.seen.last_id) as again:
        end = (await again.rest()).end
    assert (end["status"], end["reason"], end["balance"]) == ("failed", "process_lost", 4)


async def test_replacing_the_replicas_one_by_one_loses_no_turn_and_charges_none_twice(own_proxy: Proxy) -> None:
    async with AsyncExitStack() as replacements:
        async with AsyncExitStack() as stack:
            traffic = await begin_traffic(own_proxy, "while all are replaced", stack)
            await traffic.answered(2 * PEOPLE)
            for replica in own_proxy.replicas:
                port = replica.client.base_url.port
                replica.signal(signal.SIGTERM)
                assert await replica.ended() in (0, -signal.SIGTERM)
                await traffic.answered(2 * PEOPLE)
                replaced = await traffic.processes_used()
                await replacements.enter_async_context(
                    own_proxy.fleet.api(port, shutdown_grace_seconds=10, run_lease_seconds=LEASE_SECONDS)
                )
                # The new one is found alive and in use.
                async with asyncio.timeout(60):
                    while await traffic.processes_used() == replaced:
                        await traffic.answered(1)
        # What reached a replica that was just asked to stop is answered in its grace period.
        assert {answer.end["status"] for answer in traffic.asked.values()} == {"done"}
        await traffic.assert_exact()


async def test_the_smoke_tests_question_is_refused_by_the_api_however_often_it_is_asked(deployed_fleet: Fleet) -> None:
    script = (REPOSITORY / "deploy" / "compose" / "smoke.sh").read_text(encoding="utf-8")
    (question,) = re.findall(r"(?m)^QUESTION='(.+)'$", script)
    async with deployed_fleet.api(rate_limit_requests=5) as replica:
        person = await deployed_fleet.person(replica, tokens=0)
        assert [(await person.post(question.encode())).status_code for _ in range(20)] == [402] * 20


async def test_a_frozen_replica_is_passed_over_once_it_is_found(proxy: Proxy) -> None:
    frozen, _ = proxy.replicas
    frozen.signal(signal.SIGSTOP)
    try:
        async with proxy.client() as client:
            user = await proxy.fleet.books.person(client)
            # Whoever is sent to it waits; the check needs its own limit of 5 s to find it.
            async with asyncio.timeout(60):
                while True:
                    replies = await asyncio.gather(
                        *(client.get("/api/balance", headers=user.headers, timeout=10) for _ in range(6)),
                        return_exceptions=True,
                    )
                    if all(isinstance(reply, httpx.Response) and reply.status_code == 200 for reply in replies):
                        break
            assert (await user.ask("Hello")).end["status"] == "done"
    finally:
        frozen.signal(signal.SIGCONT)
