"""The servers of a benchmark: a Postgres of its own with the product's schema, and processes on free ports."""

import os
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from local_stack.paths import REPOSITORY
from local_stack.postgres.cluster import Cluster, remove_cluster, start_cluster
from local_stack.processes import free_ports
from local_stack.service import answers, start_process

START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 10
# Those of a server that keeps what it confirms: no test shortcuts.
POSTGRES_SETTINGS = {"synchronous_commit": "on", "fsync": "on"}


class BenchError(RuntimeError):
    """A server did not start, or what came back was not a complete answer."""


@contextmanager
def run_postgres(directory: Path) -> Generator[Cluster]:
    """A fresh cluster with the schema in its database `postgres`; deleted at the end."""
    (port,) = free_ports(1)
    home = directory / "postgres"
    with start_cluster(home, port, POSTGRES_SETTINGS) as cluster:
        cluster.apply_sql_scripts(REPOSITORY / "sql")
        yield cluster
    remove_cluster(home)


@contextmanager
def run_server(
    name: str,
    command: Sequence[str | Path],
    *,
    health_url: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    cwd: Path = REPOSITORY,
) -> Generator[int]:
    """A process that is healthy when the block begins; gives its pid. Raises BenchError."""
    process = start_process(command, cwd=cwd, environment={**clean_environment(), **(environment or {})}, log=log)
    try:
        _wait_until_healthy(name, process, health_url, log)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_healthy(name: str, process: subprocess.Popen[bytes], health_url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not answers(health_url):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-1500:]
            raise BenchError(f"{name} did not start:\n{tail}")
        time.sleep(0.1)


def clean_environment() -> dict[str, str]:
    """Without what would redirect a service, and without a person's own settings of it."""
    services = ("LLM_", "EMBEDDING_", "SUPABASE_", "DATABASE_", "STRIPE_", "RATE_", "MODEL_", "RUN_", "DEMO_", "PG")
    services += ("RAG_", "CHUNK_", "VISION_", "GOOGLE_", "UPLOAD_")
    return {name: value for name, value in os.environ.items() if not name.startswith(services)}


async def add_users(cluster: Cluster, *, count: int, tokens: int) -> list[UUID]:
    """People with a balance, signed up as the authentication service does."""
    users = [uuid4() for _ in range(count)]
    signup = await asyncpg.connect(cluster.dsn("supabase_auth_admin"))
    try:
        await signup.execute(
            "insert into auth.users (id, email) select u, u || '@example.com' from unnest($1::uuid[]) as u", users
        )
    finally:
        await signup.close()
    owner = await asyncpg.connect(cluster.dsn())
    try:
        await owner.execute(
            "select public.grant_tokens(u, $2, 'adjustment', 'bench:' || u) from unnest($1::uuid[]) as u", users, tokens
        )
    finally:
        await owner.close()
    return users


async def ledger_faults(cluster: Cluster) -> int:
    """How many rows audit_ledger() returns; 0 means that the books are right."""
    owner = await asyncpg.connect(cluster.dsn())
    try:
        return await owner.fetchval("select count(*) from public.audit_ledger()")
    finally:
        await owner.close()
