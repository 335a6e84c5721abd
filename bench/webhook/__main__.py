"""`python -m bench.webhook`: events a second with one API process, and what limits it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from bench.machine import cpu_seconds, load_line, machine_line
from bench.servers import BenchError, add_users, ledger_faults, run_postgres, run_server
from bench.webhook.load import SECRET, Outcome, payment_event, request_bytes, send_all
from local_stack.paths import REPOSITORY
from local_stack.postgres.cluster import Cluster
from local_stack.processes import free_ports

APPLY = "select * from public.apply_stripe_event($1, $2, false, null, to_timestamp($3), $4, 'payment', $5)"
APPLIED = '200 {"status":"applied"}'
IGNORED = '200 {"status":"ignored"}'


@dataclass(frozen=True)
class Options:
    """What to run."""

    connections: list[int]
    rounds: int
    events: int
    people: int


async def begin_purchases(cluster: Cluster, users: list[UUID], count: int) -> list[tuple[UUID, UUID]]:
    """Purchases that wait for their payment, spread over people."""
    made = [(uuid4(), users[number % len(users)]) for number in range(count)]
    owner = await asyncpg.connect(cluster.dsn())
    try:
        await owner.executemany(
            "select public.begin_purchase($2, $1, 'tier_1', 100, 500, 'usd', false, 1000000, 3600)", made
        )
    finally:
        await owner.close()
    return made


async def without_the_api(cluster: Cluster, events: list[dict[str, Any]], *, connections: int) -> float:
    """Events a second when the same function is called from here: what the database alone does."""
    pool = await asyncpg.create_pool(cluster.dsn(), min_size=connections, max_size=connections)
    waiting = iter(events)

    async def call() -> None:
        async with pool.acquire() as connection:
            for event in waiting:
                body = event["data"]["object"]
                facts = {
                    **{name: body["metadata"][name] for name in ("purchase_id", "user_id", "tier")},
                    "payment_intent_id": body["id"],
                    "amount_minor": body["amount_received"],
                    "currency": body["currency"],
                    "livemode": False,
                    "paid_at": "2026-11-21T10:00:00Z",
                }
                row = await connection.fetchrow(
                    APPLY, event["id"], event["type"], event["created"], json.dumps(event), json.dumps(facts)
                )
                assert row is not None
                if row["status"] != "applied":
                    raise BenchError(f"an event was {row['status']}: {row['error']}")

    began = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(connections)))
    seconds = time.perf_counter() - began
    await pool.close()
    return len(events) / seconds


def report(title: str, outcome: Outcome, *, count: int, cpu: float, expected: str) -> float:
    """One line; gives events a second. Raises BenchError where an answer was another one."""
    if outcome.answers != {expected: count}:
        raise BenchError(f"{title}: expected {count} times {expected}, got {outcome.answers}")
    rate = count / outcome.seconds
    ordered = sorted(outcome.latencies)
    print(
        f"  {title:34} {rate:7.0f} events/s   median {median(ordered) * 1000:6.1f} ms"
        f"   p95 {ordered[int(len(ordered) * 0.95)] * 1000:6.1f} ms"
        f"   API {cpu / count * 1000:5.2f} ms CPU/event, {cpu / outcome.seconds:4.0%} of a core:"
        f" {count / cpu:5.0f} events/s if nothing else limits it",
        flush=True,
    )
    return rate


async def run_round(
    cluster: Cluster, port: int, pid: int, users: list[UUID], options: Options, connections: int
) -> None:
    count = options.events
    purchases = await begin_purchases(cluster, users, count)
    payments = [payment_event(*purchase) for purchase in purchases]
    kinds = (
        ("a payment each", payments, APPLIED),
        ("the same events again", payments, APPLIED),
        ("of another app: kept, ignored", [payment_event(*each, app="another") for each in purchases], IGNORED),
    )
    for title, events, expected in kinds:
        requests = [request_bytes(event) for event in events]
        before = cpu_seconds(pid)
        outcome = await send_all(port, requests, connections=connections)
        report(title, outcome, count=count, cpu=cpu_seconds(pid) - before, expected=expected)
    direct = [payment_event(*purchase) for purchase in await begin_purchases(cluster, users, count)]
    rate = await without_the_api(cluster, direct, connections=connections)
    print(f"  {'the SQL function alone':34} {rate:7.0f} events/s", flush=True)


async def run(options: Options, directory: Path) -> None:
    (port,) = free_ports(1)
    with run_postgres(directory) as cluster:
        users = await add_users(cluster, count=options.people, tokens=1)
        environment = {
            "DATABASE_URL": cluster.dsn(),
            "SUPABASE_URL": "http://127.0.0.1:9",
            "SUPABASE_SERVICE_KEY": "unused",
            "LLM_API_KEY": "unused",
            "LOG_LEVEL": "WARNING",
            "STRIPE_SECRET_KEY": "sk_test_unused",
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "STRIPE_API_BASE": "http://127.0.0.1:9",
        }
        command = [sys.executable, "-m", "uvicorn", "agent_api:app", "--port", str(port), "--no-access-log"]
        server = run_server(
            "the API",
            command,
            health_url=f"http://127.0.0.1:{port}/health",
            log=directory / "api.log",
            environment=environment,
            cwd=REPOSITORY / "backend_agent_api",
        )
        with server as pid:
            for number in range(options.rounds):
                for connections in options.connections:
                    print(f"round {number + 1}, {connections} connections, {load_line()}", flush=True)
                    await run_round(cluster, port, pid, users, options, connections)
        faults = await ledger_faults(cluster)
    if faults:
        raise BenchError(f"audit_ledger() returned {faults} rows")
    print("audit_ledger(): no faults")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.webhook", description=__doc__)
    parser.add_argument("--connections", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--people", type=int, default=200)
    arguments = parser.parse_args()
    options = Options(arguments.connections, arguments.rounds, arguments.events, arguments.people)
    print(machine_line())
    with tempfile.TemporaryDirectory(prefix="bench-webhook-") as directory:
        Path(directory).chmod(0o755)  # Postgres may run as another user and reaches its data through here.
        try:
            asyncio.run(run(options, Path(directory)))
        except BenchError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
