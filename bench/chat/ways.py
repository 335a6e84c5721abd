"""The ways from the model to a reader that are compared, each a server in one process of its own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from bench.servers import run_server
from local_stack.paths import REPOSITORY
from local_stack.postgres.cluster import Cluster
from local_stack.processes import free_ports

MODEL = "offline-demo"
KEY_ID = "bench"
JWT_SECONDS = 7_200
POOL_SIZE = 20
Stream = list[dict[str, Any]]
"""The requests that one reader sends one after another."""


@dataclass(frozen=True)
class Way:
    """Where to ask, and which process works for it."""

    name: str
    port: int
    path: str
    pid: int
    is_api: bool = False
    key: str = "unused"
    """What stands in the Authorization header, where that is not a person's jwt."""


@dataclass(frozen=True)
class Readers:
    """Signed-in people, one for each stream."""

    users: list[UUID]
    jwts: list[str]


def make_readers(users: list[UUID], key: ec.EllipticCurvePrivateKey) -> Readers:
    """People with a jwt as Supabase signs it in the cloud (ES256)."""
    claims = {"aud": "authenticated", "role": "authenticated", "exp": int(time.time()) + JWT_SECONDS}
    sign = [jwt.encode({**claims, "sub": str(u)}, key, algorithm="ES256", headers={"kid": KEY_ID}) for u in users]
    return Readers(users, sign)


def key_set(key: ec.EllipticCurvePrivateKey) -> str:
    """The public half, as the authentication service publishes it."""
    public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return json.dumps({"keys": [{**public, "kid": KEY_ID, "alg": "ES256", "use": "sig"}]})


@contextmanager
def run_model(directory: Path) -> Generator[Way]:
    """The demo model, asked directly: what all others are measured against."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "local_stack.demo_model", "--port", str(port)]
    with run_server(
        "demo model", command, health_url=f"http://127.0.0.1:{port}/health", log=directory / "model.log"
    ) as pid:
        yield Way("model direct", port, "/v1/chat/completions", pid)


@contextmanager
def run_relay(directory: Path, model: Way, keys: str) -> Generator[Way]:
    """The bare reference."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "uvicorn", "bench.chat.relay:app", "--port", str(port), "--no-access-log"]
    environment = {"RELAY_UPSTREAM": f"http://127.0.0.1:{model.port}{model.path}", "RELAY_KEY_SET": keys}
    with run_server(
        "relay",
        command,
        health_url=f"http://127.0.0.1:{port}/health",
        log=directory / "relay.log",
        environment=environment,
    ) as pid:
        yield Way("bare relay, no database", port, "/", pid)


@contextmanager
def run_api(
    directory: Path, name: str, *, database_url: str, model: Way, auth: Way, settings: dict[str, str]
) -> Generator[Way]:
    """The API in one worker, with its rate limit out of the way."""
    (port,) = free_ports(1)
    environment = {
        "DATABASE_URL": database_url,
        "DATABASE_POOL_MAX_SIZE": str(POOL_SIZE),
        "SUPABASE_URL": f"http://127.0.0.1:{auth.port}",
        "SUPABASE_SERVICE_KEY": "unused",
        "LLM_PROVIDER": "openai",
        "LLM_BASE_URL": f"http://127.0.0.1:{model.port}/v1",
        "LLM_API_KEY": "unused",
        "LLM_CHOICE": MODEL,
        "EMBEDDING_BASE_URL": f"http://127.0.0.1:{model.port}/v1",
        "RATE_LIMIT_REQUESTS": "1000000",
        **settings,
    }
    command = [sys.executable, "-m", "uvicorn", "agent_api:app", "--port", str(port)]
    with run_server(
        name,
        command,
        health_url=f"http://127.0.0.1:{port}/health/ready",
        log=directory / f"{name.replace(' ', '-')}.log",
        environment=environment,
        cwd=REPOSITORY / "backend_agent_api",
    ) as pid:
        yield Way(name, port, "/api/pydantic-agent", pid, is_api=True)


@contextmanager
def run_all(
    directory: Path, cluster: Cluster, key: ec.EllipticCurvePrivateKey, *, unjoined: bool, litellm: Path | None
) -> Generator[list[Way]]:
    """Every way, the direct one first."""
    with ExitStack() as stack:
        model = stack.enter_context(run_model(directory))
        relay = stack.enter_context(run_relay(directory, model, key_set(key)))
        ways = [model, relay]
        variants = {"api": dict[str, str]()}
        if unjoined:
            variants["api, joining off"] = {"MODEL_JOIN_WINDOW_SECONDS": "0"}
        for name, settings in variants.items():
            api = run_api(directory, name, database_url=cluster.dsn(), model=model, auth=relay, settings=settings)
            ways.append(stack.enter_context(api))
        if litellm is not None:
            from bench.chat.litellm import run_litellm

            ways.append(stack.enter_context(run_litellm(directory, litellm, model)))
        yield ways


async def make_streams(
    way: Way, owner: asyncpg.Connection[asyncpg.Record], readers: Readers, *, streams: int, answers: int, question: str
) -> list[Stream]:
    """The requests of every stream. For the API each asks in a titled conversation of its own, made beforehand."""
    if not way.is_api:
        body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": question}]}
        return [[{"body": body, "headers": {"authorization": f"Bearer {way.key}"}}] * answers for _ in range(streams)]
    rows = await owner.fetch(
        """
        insert into public.conversations (session_id, user_id, title)
        select gen_random_uuid()::text, u, 'Bench' from unnest($1::uuid[]) as u, generate_series(1, $2)
        returning session_id, user_id
        """,
        readers.users[:streams],
        answers,
    )
    sessions: dict[UUID, list[str]] = {}
    for row in rows:
        sessions.setdefault(row["user_id"], []).append(row["session_id"])
    return [
        [
            {"body": _turn(session, question), "headers": {"authorization": f"Bearer {readers.jwts[number]}"}}
            for session in sessions[user]
        ]
        for number, user in enumerate(readers.users[:streams])
    ]


def _turn(session: str, question: str) -> dict[str, Any]:
    message = {"id": f"m{uuid4().hex}", "role": "user", "parts": [{"type": "text", "text": question}]}
    return {"id": session, "messages": [message], "trigger": "submit-message", "request_id": str(uuid4())}
