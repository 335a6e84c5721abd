"""`deploy.py --type doctor` on broken configurations: each names its fault and the cure, and blames nothing else."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest
import pytest_asyncio
from agent_api_support.api import CLOSED_PORT_URL
from agent_api_support.auth_server import SECRET, SERVICE_KEY, run_auth_server
from agent_api_support.billing import STRIPE_AND_HTTPX, WEBHOOK_SECRET, run_sandbox, run_shop
from agent_api_support.serving import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent_api.doctor.__main__ import examine, render, status_of
from deployer.settings import SETTINGS
from local_stack.doctor import choose_configuration
from local_stack.paths import REPOSITORY, Workspace
from local_stack.postgres.cluster import Cluster
from local_stack.postgres.testing import Database
from local_stack.stripe_sandbox.tests.running import SECRET_KEY

pytestmark = STRIPE_AND_HTTPX
RUN_SECONDS_MAX = 120
SECRETS = [SECRET, SERVICE_KEY, WEBHOOK_SECRET, SECRET_KEY, "s3cret"]
MODEL, DIMENSIONS = "a-model", 3
Findings = list[tuple[str, str, str]]
Run = Callable[[Path, dict[str, str | None]], Awaitable[tuple[int, str]]]


@dataclass(frozen=True)
class World:
    """What a healthy `.env` leads to."""

    variables: dict[str, str]
    late_auth: str
    """Authentication with a clock ten minutes ahead."""
    strict_database: str
    """A server that refuses every password."""


async def _models(_request: Request) -> Response:
    return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model"}]})


async def _embeddings(_request: Request) -> Response:
    vector = {"object": "embedding", "index": 0, "embedding": [0.5] * DIMENSIONS}
    return JSONResponse({"object": "list", "data": [vector], "model": MODEL, "usage": {}})


async def _page(_request: Request) -> Response:
    return Response("<!doctype html>")


@asynccontextmanager
async def _speaking(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncGenerator[int]:
    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def _refuse_password(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As Postgres says it; the tests' own cluster trusts everybody."""
    await reader.read(8)
    writer.write(b"N")  # No TLS.
    await reader.read(512)
    fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed s3cret\0\0"
    writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
    await writer.drain()
    writer.close()


async def _from_the_future(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    body, date = b'{"keys": []}', formatdate(time.time() + 600, usegmt=True).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nDate: %s\r\nContent-Length: %d\r\n\r\n" % (date, len(body)))
    writer.write(body)
    await writer.drain()
    writer.close()


@pytest_asyncio.fixture(scope="module")
async def world(
    postgres_cluster: Cluster, product_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[World]:
    """Everything runs, once for all of these tests."""
    postgres_cluster.create_database("test_doctor_broken", template=product_template)
    database = Database(postgres_cluster, "test_doctor_broken")
    model = Starlette(routes=[Route("/v1/models", _models), Route("/v1/embeddings", _embeddings, methods=["POST"])])
    async with AsyncExitStack() as running:
        sandbox = await running.enter_async_context(run_sandbox(tmp_path_factory.mktemp("stripe")))
        shop = await running.enter_async_context(run_shop(database, sandbox))
        auth = await running.enter_async_context(run_auth_server())
        model_url = await running.enter_async_context(serve(model))
        site_url = await running.enter_async_context(serve(Starlette(routes=[Route("/", _page)])))
        late = await running.enter_async_context(_speaking(_from_the_future))
        strict = await running.enter_async_context(_speaking(_refuse_password))
        variables = {
            "DATABASE_URL": database.dsn(),
            "SUPABASE_URL": auth.base_url,
            "SUPABASE_SERVICE_KEY": SERVICE_KEY,
            "SUPABASE_JWT_SECRET": SECRET,
            "LLM_BASE_URL": f"{model_url}/v1",
            "LLM_API_KEY": "unused-key",
            "LLM_CHOICE": MODEL,
            "EMBEDDING_BASE_URL": f"{model_url}/v1",
            "EMBEDDING_MODEL_CHOICE": MODEL,
            "STRIPE_SECRET_KEY": SECRET_KEY,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "STRIPE_API_BASE": sandbox.url,
            "VITE_AGENT_ENDPOINT": f"{shop.api.base_url}/api/pydantic-agent",
            "FRONTEND_URL": site_url,
        }
        yield World(variables, f"http://127.0.0.1:{late}", f"postgresql://owner:s3cret@127.0.0.1:{strict}/postgres")


def write_env(folder: Path, variables: dict[str, str | None]) -> Path:
    """The file that an operator filled in."""
    file = folder / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in variables.items() if value is not None))
    return file


async def run_doctor(folder: Path, variables: dict[str, str | None]) -> tuple[int, str]:
    """The command as people type it, beside an `.env`. Returns its status and what it printed."""
    file = write_env(folder, variables)
    clean = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(REPOSITORY / "deploy.py"), "--type", "doctor"),
        env={**clean, "EMBEDDED_ENV_FILE": str(file), "EMBEDDED_STATE_DIR": str(folder / "state")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(RUN_SECONDS_MAX):
        printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def examine_here(folder: Path, variables: dict[str, str | None]) -> tuple[int, str]:
    """What the command does, without a new process that imports everything again."""
    file = write_env(folder, variables)
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        patch.setenv("EMBEDDED_ENV_FILE", str(file))
        what, environment = choose_configuration(Workspace(folder / "state"))
        assert what == ".env"
        for name in SETTINGS.keys() & environment.keys():
            patch.setenv(name, environment[name])
        async with asyncio.timeout(RUN_SECONDS_MAX):
            findings = await examine(os.environ, _env_file=None)
    return status_of(findings), render(findings)


def failures(output: str) -> Findings:
    """(name, detail, cure) of each fault."""
    lines = output.splitlines()
    found: Findings = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("FAIL  "):
            found.append((line[6:22].strip(), line[24:], following.removeprefix("      → ")))
    return found


async def check(folder: Path, variables: dict[str, str | None], expected: Findings, *, run: Run = examine_here) -> None:
    """Exactly these faults are named, each with its cure, and no secret."""
    status, output = await run(folder, variables)
    assert not [secret for secret in SECRETS if secret in output]
    assert "Traceback" not in output, output
    found = failures(output)
    assert len(found) == len(expected), output
    for (name, detail, cure), (expected_name, expected_detail, expected_cure) in zip(found, expected, strict=True):
        assert name == expected_name
        assert expected_detail in detail
        assert expected_cure in cure
    assert status == (1 if expected else 0), output


async def test_a_healthy_configuration_has_no_fault(world: World, tmp_path: Path) -> None:
    await check(tmp_path, {**world.variables}, [], run=run_doctor)


async def test_the_command_ends_with_1_where_something_is_broken(world: World, tmp_path: Path) -> None:
    changes, expected = BROKEN_VARIABLES["a webhook secret of another endpoint"]
    await check(tmp_path, {**world.variables, **changes}, expected, run=run_doctor)


BROKEN_VARIABLES: dict[str, tuple[dict[str, str | None], Findings]] = {
    "a missing key": (
        {"LLM_API_KEY": None},
        [("settings", "LLM_API_KEY: missing", ".env.example shows each")],
    ),
    "a live key for a stand-in": (
        {"STRIPE_SECRET_KEY": "sk_live_s3cret"},
        [("settings", "STRIPE_API_BASE: must not be set together with a live", ".env")],
    ),
    "a stand-in in production": (
        {"ENVIRONMENT": "production"},
        [("settings", "STRIPE_API_BASE: must not be set with ENVIRONMENT=production", ".env")],
    ),
    "a webhook secret of another shape": (
        {"STRIPE_WEBHOOK_SECRET": "s3cret"},
        [("settings", "STRIPE_WEBHOOK_SECRET: must be whsec_", ".env")],
    ),
    "a webhook secret of another endpoint": (
        {"STRIPE_WEBHOOK_SECRET": "whsec_s3cret"},
        [("webhook", "secret differs", "restart the API")],
    ),
    "a Supabase that is not reached": (
        {"SUPABASE_URL": CLOSED_PORT_URL},
        [("auth", "not reached", "correct SUPABASE_URL")],
    ),
    "a wrong service key": (
        {"SUPABASE_SERVICE_KEY": "sb_secret_wrong_s3cret"},
        [("service key", "is refused", "service_role")],
    ),
    "the browser's key as service key": (
        {"SUPABASE_SERVICE_KEY": "sb_publishable_s3cret"},
        [("service key", "browser's key", "service_role")],
    ),
    "a model that is not reached": (
        {"LLM_BASE_URL": CLOSED_PORT_URL},
        [("model", "not reached", "correct LLM_BASE_URL")],
    ),
    "an address of the site that is none": (
        {"FRONTEND_URL": "chat.example.com"},
        [("settings", "FRONTEND_URL: must be an http", ".env")],
    ),
    "an API elsewhere": (
        {"VITE_AGENT_ENDPOINT": f"{CLOSED_PORT_URL}/api/pydantic-agent"},
        [("webhook", "", "start"), ("api", "not reached", "start it")],
    ),
}


@pytest.mark.parametrize("broken", BROKEN_VARIABLES)
async def test_a_broken_env_is_named_with_its_cure(broken: str, world: World, tmp_path: Path) -> None:
    changes, expected = BROKEN_VARIABLES[broken]
    await check(tmp_path, {**world.variables, **changes}, expected)


WAITING = (
    "insert into public.document_metadata (id, title, status, pipeline_id, source_key, updated_at)"
    " values ('late', 'Late', 'pending', 'docs', 'late.md', now() - interval '11 minutes');"
    "insert into queue.procrastinate_jobs (task_name, queue_name, lock, args)"
    " values ('rag_pipeline.index_document', 'pipeline:docs', 'document:late', '{}')"
)
BROKEN_DATABASES: dict[str, tuple[str, Findings]] = {
    "scripts of an older version": (
        "create or replace function public.schema_version() returns integer language sql as 'select 1'",
        [("schema", "version 1, the code needs", "numbered scripts")],
    ),
    "a table without row level security": (
        "alter table public.purchases disable row level security",
        [("row security", "off on purchases", "alter table public.purchases enable row level security")],
    ),
    "tokens for everybody": (
        "grant execute on function public.grant_tokens_for_purchase(uuid, integer, text, text) to anon",
        [("grants", "may execute grant_tokens_for_purchase", "revoke all on function")],
    ),
    "vectors of another size": (
        f"select public.ensure_embedding_space('{MODEL}', 1536)",
        [("embedding", "with 1536", "index all documents anew")],
    ),
    "documents that nobody reads": (
        WAITING,
        [("queue", "1 documents wait for more than 10 minutes and no worker", "rag-pipeline")],
    ),
}


@pytest.mark.parametrize("broken", BROKEN_DATABASES)
async def test_a_broken_database_is_named_with_its_cure(
    broken: str, world: World, database: Database, tmp_path: Path
) -> None:
    statements, expected = BROKEN_DATABASES[broken]
    async with database.superuser() as connection:
        await connection.execute(statements)
    await check(tmp_path, {**world.variables, "DATABASE_URL": database.dsn()}, expected)


async def test_a_database_without_the_schema_is_named(world: World, empty_database: Database, tmp_path: Path) -> None:
    expected = [("schema", "the product's tables are not there", "sql/0-all-tables.sql")]
    await check(tmp_path, {**world.variables, "DATABASE_URL": empty_database.dsn()}, expected)


async def test_a_refused_password_is_told_from_an_absent_server(world: World, tmp_path: Path) -> None:
    expected = [("database", "refuses the user or the password", "correct both in DATABASE_URL")]
    await check(tmp_path, {**world.variables, "DATABASE_URL": world.strict_database}, expected)


async def test_a_clock_that_is_wrong_is_named(world: World, tmp_path: Path) -> None:
    expected = [("clock", "behind Supabase", "NTP")]
    await check(tmp_path, {**world.variables, "SUPABASE_URL": world.late_auth}, expected)


async def test_without_anything_to_examine_it_says_so(tmp_path: Path) -> None:
    status, output = await run_doctor(tmp_path, {})
    assert status == 2
    assert "nothing to examine" in output
    assert ".env.example" in output
