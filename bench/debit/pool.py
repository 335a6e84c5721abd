"""begin_request through the API's own pool, in a process of its own: `python -m bench.debit.pool < job.json`."""

import asyncio
import json
import random
import sys
import time
from typing import Any
from uuid import UUID, uuid4

import uvloop

from agent_api.chat.queries import begin_request
from agent_api.database import Database, open_database
from agent_api.settings import load_settings

LEASE_SECONDS = 30
RATE_LIMIT = 1_000_000
RATE_WINDOW_SECONDS = 0
"""Nobody is refused, and the check reads as little as where people are: a handful of turns in their window."""


async def debit(database: Database, user: UUID, holder: UUID) -> None:
    """One turn begun in a new conversation: one token."""
    async with database.statement() as connection:
        begun = await begin_request(
            connection,
            user_id=user,
            request_id=uuid4(),
            session_id="",
            text="Hello",
            trigger="submit-message",
            message_reference=None,
            previous_reference=None,
            client_message_id=None,
            lease_holder=holder,
            lease_seconds=LEASE_SECONDS,
            rate_limit=RATE_LIMIT,
            rate_window_seconds=RATE_WINDOW_SECONDS,
        )
    assert begun.is_started


async def run(job: dict[str, Any]) -> dict[str, float]:
    """`clients` debit one after another until the time is over."""
    settings = load_settings(
        _env_file=None,
        database_url=job["database_url"],
        database_pool_min_size=job["clients"],
        database_pool_max_size=job["clients"],
        supabase_url="http://127.0.0.1:9",
        supabase_service_key="unused",
        llm_api_key="unused",
        stripe_secret_key="",
    )
    users = [UUID(user) for user in job["users"]]
    holder = uuid4()
    count = 0

    async with open_database(settings) as database:

        async def client() -> None:
            nonlocal count
            while time.perf_counter() < ends_at:
                await debit(database, random.choice(users), holder)  # noqa: S311 - no secret
                count += 1

        ends_at = time.perf_counter() + job["warm_up_seconds"]
        await asyncio.gather(*(client() for _ in range(job["clients"])))
        count = 0
        began, cpu_began = time.perf_counter(), time.process_time()
        ends_at = began + job["seconds"]
        await asyncio.gather(*(client() for _ in range(job["clients"])))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return {"debits": count, "per_second": count / seconds, "cpu_ms": cpu / count * 1000}


if __name__ == "__main__":
    json.dump(uvloop.run(run(json.load(sys.stdin))), sys.stdout)
