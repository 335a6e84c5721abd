"""The doctor names each fault and its cure, over a real database, a Stripe sandbox and servers on ports."""

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from agent_api_support.api import CLOSED_PORT_URL
from agent_api_support.auth_server import SECRET, SERVICE_KEY, AuthServer, run_auth_server
from agent_api_support.billing import STRIPE_AND_HTTPX, WEBHOOK_SECRET, run_shop
from agent_api_support.serving import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent_api.doctor import addresses
from agent_api.doctor.__main__ import examine, render, status_of
from agent_api.settings import Settings
from local_stack.environments import STACK
from local_stack.postgres.testing import Database
from local_stack.processes import free_ports
from local_stack.stripe_sandbox.tests.running import SECRET_KEY, RunningSandbox

pytestmark = STRIPE_AND_HTTPX
SERVICE = Path(__file__).resolve().parents[1]
RUN_SECONDS_MAX = 180
CLEAN = {
    name: value
    for name, value in os.environ.items()
    if name.lower() not in Settings.model_fields and name not in ("API_URL", "VITE_AGENT_ENDPOINT", "PYTHONPATH")
}
EMBEDDING_MODEL = "all-minilm-l6-v2"
SECRETS = [SECRET, SERVICE_KEY, WEBHOOK_SECRET, SECRET_KEY, "s3cret"]


@dataclass(frozen=True)
class Examined:
    """How it ended and what it printed."""

    status: int
    text: str

    def cure_of(self, level: str, name: str, detail: str) -> str:
        """What is to be done about this finding; fails where it was not found."""
        lines = self.text.splitlines()
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            if line.startswith(f"{level:<4}  {name:<16}  ") and detail in line:
                assert following.startswith("      → "), self.text
                return following
        raise AssertionError(f"no {level} {name} {detail!r} in\n{self.text}")


def checked(examined: Examined) -> Examined:
    """Whatever was found, no secret is shown."""
    for secret in SECRETS:
        assert secret not in examined.text
    assert "Traceback" not in examined.text, examined.text
    return examined


@dataclass
class Installation:
    """A complete, healthy configuration of everything that is running."""

    database: Database
    auth: AuthServer
    variables: dict[str, str] = field(default_factory=dict[str, str])

    async def examine(self, **changes: str | None) -> Examined:
        """Examine it with some variables changed; None removes one."""
        variables = {name: value for name, value in {**self.variables, **changes}.items() if value is not None}
        with pytest.MonkeyPatch.context() as patch:
            for name in [*Settings.model_fields, "api_url", "vite_agent_endpoint"]:
                patch.delenv(name.upper(), raising=False)
            for name, value in variables.items():
                patch.setenv(name, value)
            async with asyncio.timeout(RUN_SECONDS_MAX):
                findings = await examine(os.environ, _env_file=None)
        return checked(Examined(status_of(findings), render(findings)))

    async def run_command(self, **changes: str | None) -> Examined:
        """The same as people do it."""
        variables = {name: value for name, value in {**self.variables, **changes}.items() if value is not None}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent_api.doctor"),
            cwd=SERVICE,
            env=CLEAN | variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(RUN_SECONDS_MAX):
            output, _ = await process.communicate()
        assert process.returncode is not None
        return checked(Examined(process.returncode, output.decode()))

    async def run_sql(self, *statements: str) -> None:
        async with self.database.superuser() as connection:
            for statement in statements:
                await connection.execute(statement)


async def _page(_request: Request) -> Response:
    return Response("<!doctype html>")


@asynccontextmanager
async def answering(status: int, body: object) -> AsyncGenerator[str]:
    """A server that says the same to everything."""

    async def reply(_request: Request) -> Response:
        return JSONResponse(body, status_code=status)

    async with serve(Starlette(routes=[Route("/{path:path}", reply, methods=["GET", "POST"])])) as url:
        yield url


@asynccontextmanager
async def run_demo_model() -> AsyncGenerator[str]:
    """The stack's own model as a process, in the environment that has its packages."""
    python = sys.executable if find_spec("onnxruntime") else str(STACK.python)
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        python,
        "-m",
        "local_stack.demo_model",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        cwd=SERVICE.parent,
        env=CLEAN,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as client:
            async with asyncio.timeout(RUN_SECONDS_MAX):
                while not await _answers(client, f"{url}/health"):  # noqa: ASYNC110 - another process tells nothing
                    await asyncio.sleep(0.05)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).is_success
    except httpx.TransportError:
        return False


@pytest_asyncio.fixture(scope="module")
async def servers(stripe_sandbox: RunningSandbox) -> AsyncGenerator[dict[str, str]]:
    """The model and the site, which tests do not change."""
    site = Starlette(routes=[Route("/", _page)])
    async with run_demo_model() as model, serve(site) as page:
        yield {"model": model, "site": page, "stripe": stripe_sandbox.url}


@pytest.fixture
async def installation(
    database: Database, stripe_sandbox: RunningSandbox, servers: dict[str, str]
) -> AsyncGenerator[Installation]:
    """Everything runs; the database is the test's own."""
    async with run_auth_server() as auth, run_shop(database, stripe_sandbox) as shop:
        yield Installation(
            database,
            auth,
            {
                "DATABASE_URL": database.dsn(),
                "SUPABASE_URL": auth.base_url,
                "SUPABASE_SERVICE_KEY": SERVICE_KEY,
                "SUPABASE_JWT_SECRET": SECRET,
                "LLM_BASE_URL": f"{servers['model']}/v1",
                "LLM_API_KEY": "unused-key",
                "LLM_CHOICE": "offline-demo",
                "EMBEDDING_BASE_URL": f"{servers['model']}/v1",
                "EMBEDDING_MODEL_CHOICE": EMBEDDING_MODEL,
                "STRIPE_SECRET_KEY": SECRET_KEY,
                "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
                "STRIPE_API_BASE": servers["stripe"],
                "API_URL": shop.api.base_url,
                "FRONTEND_URL": servers["site"],
            },
        )


async def test_a_healthy_installation_has_no_finding_and_nothing_is_written(installation: Installation) -> None:
    await installation.run_sql(f"select public.ensure_embedding_space('{EMBEDDING_MODEL}', 384)")
    healthy = await installation.run_command()
    assert healthy.status == 0, healthy.text
    lines = healthy.text.splitlines()
    assert lines[-1] == f"0 failed, 0 to look at, {len(lines) - 2} ok", healthy.text
    async with installation.database.connect() as connection:
        for table in ("stripe_events", "purchases", "transactions", "documents"):
            assert await connection.fetchval(f"select count(*) from public.{table}") == 0  # noqa: S608 - constants


async def test_all_missing_and_wrong_variables_are_named_and_the_rest_is_examined(installation: Installation) -> None:
    found = await installation.run_command(DATABASE_URL=None, LLM_API_KEY=None, RATE_LIMIT_REQUESTS="many-s3cret")
    assert found.status == 1
    for detail in ("DATABASE_URL: missing", "LLM_API_KEY: missing", "RATE_LIMIT_REQUESTS: "):
        assert ".env" in found.cure_of("FAIL", "settings", detail)
    assert "DATABASE_URL" in found.cure_of("warn", "database", "not examined")
    assert "ok    stripe key" in found.text


async def test_a_live_key_never_meets_a_stand_in(installation: Installation) -> None:
    asked: list[str] = []

    async def note(request: Request) -> Response:
        asked.append(request.url.path)
        return JSONResponse({})

    async with serve(Starlette(routes=[Route("/{path:path}", note)])) as stand_in:
        found = await installation.examine(STRIPE_SECRET_KEY="sk_live_s3cret", STRIPE_API_BASE=stand_in)
    assert found.status == 1
    found.cure_of("FAIL", "settings", "STRIPE_API_BASE: must not be set together with a live STRIPE_SECRET_KEY")
    found.cure_of("warn", "stripe key", "not examined")
    assert asked == []


FAULTY_VARIABLES: list[tuple[dict[str, str | None], str, str, str, str]] = [
    ({"DATABASE_URL": f"{CLOSED_PORT_URL.replace('http', 'postgresql')}/x"}, "FAIL", "database", "not reached", "host"),
    ({"STRIPE_SECRET_KEY": "sk_test_s3cret"}, "FAIL", "stripe key", "refuses it (401)", "API keys"),
    ({"STRIPE_SECRET_KEY": "pk_test_s3cret"}, "FAIL", "stripe key", "no secret key", "publishable"),
    ({"STRIPE_API_BASE": CLOSED_PORT_URL}, "FAIL", "stripe key", "not reached", "STRIPE_API_BASE"),
    ({"STRIPE_SECRET_KEY": None}, "warn", "stripe key", "nothing is sold", "set it"),
    ({"STRIPE_WEBHOOK_SECRET": "s3cret"}, "FAIL", "settings", "STRIPE_WEBHOOK_SECRET: must be whsec_", ".env"),
    ({"STRIPE_WEBHOOK_SECRET": None}, "FAIL", "webhook secret", "is not set", "signing secret"),
    ({"STRIPE_WEBHOOK_SECRET": "whsec_s3cret"}, "FAIL", "webhook", "secret differs", "restart the API"),
    ({"STRIPE_WEBHOOK_SECRET": f"{WEBHOOK_SECRET},whsec_s3cret"}, "FAIL", "webhook", "refuses 1 of 2", "restart"),
    ({"LLM_BASE_URL": CLOSED_PORT_URL}, "FAIL", "model", "not reached", "LLM_BASE_URL"),
    ({"LLM_CHOICE": "no-such-model"}, "warn", "model", "does not list no-such-model", "LLM_CHOICE"),
    ({"EMBEDDING_BASE_URL": CLOSED_PORT_URL}, "FAIL", "embedding", "no vector", "EMBEDDING_BASE_URL"),
    ({"SUPABASE_URL": CLOSED_PORT_URL}, "FAIL", "auth", "not reached", "SUPABASE_URL"),
    ({"SUPABASE_SERVICE_KEY": "sb_wrong_s3cret"}, "FAIL", "service key", "is refused", "service_role"),
    ({"SUPABASE_SERVICE_KEY": "sb_publishable_s3cret"}, "FAIL", "service key", "browser's key", "service_role"),
    (
        {"SUPABASE_SERVICE_KEY": jwt.encode({"role": "service_role"}, "another" * 8, algorithm="HS256")},
        *("FAIL", "jwt secret", "not the secret", "same project"),
    ),
    ({"API_URL": CLOSED_PORT_URL}, "FAIL", "api", "not reached", "start it"),
    ({"FRONTEND_URL": CLOSED_PORT_URL}, "FAIL", "site", "not reached", "FRONTEND_URL"),
]


@pytest.mark.parametrize(
    ("changes", "level", "name", "detail", "cure"), FAULTY_VARIABLES, ids=[case[3] for case in FAULTY_VARIABLES]
)
async def test_a_wrong_variable_is_named_with_its_cure(
    installation: Installation, changes: dict[str, str | None], level: str, name: str, detail: str, cure: str
) -> None:
    found = await installation.examine(**changes)
    assert cure in found.cure_of(level, name, detail)
    assert found.status == (1 if level == "FAIL" else 0), found.text


async def test_a_refused_password_is_told_from_an_absent_server(installation: Installation, unused_port: int) -> None:
    """The tests' own cluster trusts everybody: a server that speaks Postgres' refusal stands in."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(b"N")  # No TLS.
        await reader.read(512)
        fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed s3cret\0\0"
        writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", unused_port):
        found = await installation.examine(DATABASE_URL=f"postgresql://owner:s3cret@127.0.0.1:{unused_port}/postgres")
    assert "DATABASE_URL" in found.cure_of("FAIL", "database", "refuses the user or the password")
    assert found.status == 1


@pytest.mark.parametrize(
    ("statement", "name", "detail", "cure"),
    [
        (
            "create or replace function public.schema_version() returns integer language sql as 'select 1'",
            *("schema", "version 1, the code needs", "numbered scripts"),
        ),
        ("drop function public.schema_version()", "schema", "are not there", "sql/0-all-tables.sql"),
        (
            "alter table public.purchases disable row level security",
            *("row security", "off on purchases", "alter table public.purchases enable row level security"),
        ),
        (
            "grant execute on function public.grant_tokens_for_purchase(uuid, integer, text, text) to anon",
            *("grants", "may execute grant_tokens_for_purchase", "revoke all on function"),
        ),
        ("grant insert on public.transactions to authenticated", "grants", "may write transactions", "revoke all on"),
        ("grant update (tokens) on public.user_profiles to authenticated", "grants", "user_profiles.tokens", "revoke"),
        ("select public.ensure_embedding_space('all-minilm-l6-v2', 1536)", "embedding", "with 1536", "index all"),
        (
            "select public.ensure_embedding_space('nomic-embed-text', 768)",
            "embedding",
            "is nomic",
            "MODEL_CHOICE=nomic",
        ),
        (
            "insert into public.reconciliation_runs (is_full, finished_at, report)"
            " values (true, now(), '{\"drift\": 2}')",
            *("reconciliation", "drift 2", "lists each difference"),
        ),
    ],
)
async def test_a_fault_in_the_database_is_named_with_its_cure(
    installation: Installation, statement: str, name: str, detail: str, cure: str
) -> None:
    await installation.run_sql(statement)
    found = await installation.examine()
    assert cure in found.cure_of("FAIL", name, detail)
    assert found.status == 1


WAITING = (
    "insert into public.document_metadata (id, title, status, pipeline_id, source_key, updated_at)"
    " values ('late', 'Late', 'pending', 'docs', 'late.md', now() - interval '11 minutes')"
)
QUEUED = (
    "insert into queue.procrastinate_jobs (task_name, queue_name, lock, args)"
    " values ('rag_pipeline.index_document', 'pipeline:docs', 'document:late', '{}')"
)
WORKER = "insert into queue.procrastinate_workers (last_heartbeat) values (now() - interval '{} seconds')"


@pytest.mark.parametrize(
    ("statements", "level", "name", "detail", "cure"),
    [
        ((WAITING, QUEUED), "FAIL", "queue", "1 documents wait for more than 10 minutes and no worker", "rag-pipeline"),
        ((WAITING, QUEUED, WORKER.format(300)), "FAIL", "queue", "no worker runs", "rag-pipeline"),
        ((WAITING, QUEUED, WORKER.format(5)), "warn", "queue", "although a worker runs", "pipeline:docs"),
        ((WAITING, WORKER.format(5)), "FAIL", "queue", "nothing is queued for them", "enqueue_document"),
        (
            (
                "insert into public.document_metadata (id, title, status, error_code, error_message)"
                " values ('x', 'X', 'failed', 'unreadable', 's3cret'), ('y', 'Y', 'failed', 'encrypted', 's3cret')",
            ),
            *("warn", "documents", "2 could not be indexed (encrypted, unreadable)", "/documents"),
        ),
        (
            (
                "insert into public.document_metadata (id, title, status, chunk_count) values ('x', 'X', 'indexed', 1)",
                f"select public.ensure_embedding_space('{EMBEDDING_MODEL}', 384)",
                "select public.ensure_embedding_space('another', 3)",
                "insert into public.documents (document_id, content, embedding_space_id)"
                " select 'x', 'text', id from public.embedding_space where model = 'another'",
            ),
            *("warn", "documents", "1 indexed documents have no passage in the active", "embeds them anew"),
        ),
        (
            (
                "insert into public.rag_pipeline_state (pipeline_id, pipeline_type, error_code, error_message)"
                " values ('docs', 'local', 'folder_missing', 's3cret')",
            ),
            *("warn", "pipelines", "docs could not read its source when it last looked (folder_missing)", "/documents"),
        ),
        (
            (
                "insert into public.rag_pipeline_state (pipeline_id, pipeline_type, embedding_error)"
                " values ('docs', 'local', 's3cret')",
            ),
            *("warn", "pipelines", "docs cannot use its embedding model", "EMBEDDING_BASE_URL"),
        ),
    ],
)
async def test_documents_that_cannot_be_found_are_named_with_their_cure(
    installation: Installation, statements: tuple[str, ...], level: str, name: str, detail: str, cure: str
) -> None:
    await installation.run_sql(*statements)
    found = await installation.examine()
    assert cure in found.cure_of(level, name, detail)
    assert found.status == (1 if level == "FAIL" else 0), found.text


async def test_a_document_that_just_began_to_wait_is_no_fault(installation: Installation) -> None:
    await installation.run_sql(WAITING, "update public.document_metadata set updated_at = now()")
    assert "ok    queue" in (await installation.examine()).text


async def test_a_model_that_only_searches_is_told_from_one_that_cannot(installation: Installation) -> None:
    """Another model than the configured one, which the same service serves as well."""
    vector = {"object": "embedding", "index": 0, "embedding": [0.5, 0.5, 0.5]}
    await installation.run_sql("select public.ensure_embedding_space('another', 3)")
    async with answering(200, {"object": "list", "data": [vector], "model": "any", "usage": {}}) as url:
        found = await installation.examine(EMBEDDING_BASE_URL=url)
    cure = found.cure_of("warn", "embedding", "questions are embedded with another")
    assert "EMBEDDING_MODEL_CHOICE=another" in cure


async def test_a_broken_ledger_is_found(installation: Installation) -> None:
    await installation.database.add_user(tokens=5)
    await installation.run_sql(
        "set session_replication_role = replica; update public.user_profiles set tokens = 4 where tokens = 5"
    )
    found = await installation.examine()
    assert "audit_ledger()" in found.cure_of("FAIL", "ledger", "audit_ledger() finds")
    assert found.status == 1


async def test_a_reconciliation_that_has_stopped_is_told_where_something_is_sold(installation: Installation) -> None:
    await installation.run_sql(
        "insert into public.reconciliation_runs (is_full, started_at, finished_at, report)"
        " values (true, now() - interval '65 minutes', now() - interval '61 minutes', '{\"drift\": 0}')"
    )
    found = await installation.examine()
    assert "restart" in found.cure_of("warn", "reconciliation", "minutes ago: no other follows")
    assert re.search(r"last run was 6\d minutes ago", found.text), found.text
    assert found.status == 0
    for changes in ({"RECONCILE_INTERVAL_SECONDS": "1200"}, {"STRIPE_SECRET_KEY": None, "STRIPE_WEBHOOK_SECRET": None}):
        quiet = await installation.examine(**changes)
        assert re.search(r"drift 0, 6\d minutes ago", quiet.text), quiet.text


async def test_an_audit_that_did_not_finish_is_no_fault_in_the_ledger(installation: Installation) -> None:
    await installation.run_sql(
        "insert into public.reconciliation_runs (is_full, finished_at, report)"
        """ values (true, now(), '{"drift": 0, "audit_faults": 0, "audit_finished": false}')"""
    )
    found = await installation.examine()
    assert "RECONCILE_AUDIT_TIMEOUT" in found.cure_of(
        "warn", "reconciliation", "the audit of the ledger did not finish"
    )
    assert found.status == 0


async def test_events_that_wait_are_told_and_are_no_failure(installation: Installation) -> None:
    await installation.run_sql(
        "insert into public.stripe_events (id, type, livemode, created_at, payload, status)"
        " values ('evt_1', 'payment_intent.succeeded', false, now(), '{}', 'failed'),"
        " ('evt_2', 'payment_intent.succeeded', false, now(), '{}', 'flagged')"
    )
    found = await installation.examine()
    assert "reconcil" in found.cure_of("warn", "stripe events", "1 wait to be applied")
    assert "operator" in found.cure_of("warn", "stripe events", "0 payments and 1 other events of 7 days are flagged")
    assert found.status == 0


async def test_a_flagged_payment_is_told_until_an_operator_has_dealt_with_it(installation: Installation) -> None:
    await installation.run_sql(
        "insert into public.stripe_events (id, type, livemode, created_at, payload, status) values"
        """ ('evt_1', 'payment_intent.succeeded', false, now(), '{"data": {"object": {"id": "pi_1"}}}', 'flagged'),"""
        " ('evt_2', 'charge.refunded', false, now(),"
        """ '{"data": {"object": {"id": "ch_1", "payment_intent": "pi_1"}}}', 'flagged')"""
    )
    await installation.run_sql(
        "insert into public.payment_flags (payment_intent_id, reason) values ('pi_1', 'second_payment')"
    )
    found = await installation.examine()
    assert "acknowledge" in found.cure_of("warn", "stripe events", "1 payments and 0 other events")
    await installation.run_sql("select public.acknowledge_payment_flag('pi_1', gen_random_uuid(), 'refunded')")
    assert "0 applied in 7 days, none failed or flagged" in (await installation.examine()).text


@pytest.mark.parametrize(("seconds", "side"), [(-600, "ahead of"), (600, "behind")])
async def test_a_clock_that_differs_from_a_neighbours_is_told(
    installation: Installation, unused_port: int, seconds: int, side: str
) -> None:
    body, date = b'{"keys": []}', formatdate(time.time() + seconds, usegmt=True).encode()
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nDate: %s\r\nContent-Length: %d\r\n\r\n" % (date, len(body))

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(reply, "127.0.0.1", unused_port):
        found = await installation.examine(SUPABASE_URL=f"http://127.0.0.1:{unused_port}")
    assert "NTP" in found.cure_of("FAIL", "clock", f"{side} Supabase")
    assert found.status == 1


@pytest.mark.parametrize(
    ("status", "body", "variable", "name", "detail", "cure"),
    [
        (401, {}, "LLM_BASE_URL", "model", "refuses the key", "LLM_API_KEY"),
        (404, {}, "LLM_BASE_URL", "model", "/models answers 404", "/v1"),
        (200, "a page", "LLM_BASE_URL", "model", "no list of models", "OpenAI-compatible"),
        (503, {}, "SUPABASE_URL", "auth", "answers 503", "status of the project"),
        (200, "a page", "API_URL", "api", "is not the agent API's", "API_URL"),
        (200, "a page", "API_URL", "webhook", "not our 400", "proxy"),
    ],
)
async def test_a_neighbour_that_answers_otherwise_is_told(
    installation: Installation, status: int, body: object, variable: str, name: str, detail: str, cure: str
) -> None:
    async with answering(status, body) as url:
        found = await installation.examine(**{variable: url})
    assert cure in found.cure_of("FAIL", name, detail)


async def test_a_server_that_never_answers_stops_no_other_check(
    installation: Installation, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "HTTP_SECONDS_MAX", 0.5)
    held: list[asyncio.StreamWriter] = []

    def hold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    silent: Callable[[Any, Any], None] = hold
    async with await asyncio.start_server(silent, "127.0.0.1", unused_port):
        found = await installation.examine(FRONTEND_URL=f"http://127.0.0.1:{unused_port}")
        for writer in held:
            writer.close()
    found.cure_of("FAIL", "site", "is not reached")
    assert "ok    stripe key" in found.text
