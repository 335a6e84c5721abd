"""What `deploy.py` says of values in `.env` that cannot be right, alone or together."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from deployer.connections import connections_max, note_on_connections
from deployer.render import SERVICES
from deployer.settings import SETTINGS
from deployer.settings_checks import examples
from deployer.time_checks import SHARING_SECONDS_MAX, examine_times
from local_stack.paths import REPOSITORY
from tests.deployment.deploying import COMPLETE, Operator
from tests.deployment.proxy import caddy_program

# An `.env` as people have it from earlier versions, with their own values where an example stood.
OLDER_FILE = """
LLM_PROVIDER=openai  LLM_BASE_URL=https://api.openai.com/v1  LLM_API_KEY=sk-s3cret-model
LLM_CHOICE=gpt-4o-mini  VISION_LLM_CHOICE=gpt-4o-mini
EMBEDDING_PROVIDER=openai  EMBEDDING_BASE_URL=https://api.openai.com/v1  EMBEDDING_API_KEY=sk-s3cret-embedding
EMBEDDING_MODEL_CHOICE=text-embedding-3-small
DATABASE_URL=postgresql://postgres.abcdefgh:s3cret@pooler.supabase.com:5432/postgres
SUPABASE_URL=https://abcdefgh.supabase.co  SUPABASE_SERVICE_KEY=sb_secret_s3cret  SUPABASE_JWT_SECRET=s3cret-s3cret
BRAVE_API_KEY=s3cret  SEARXNG_BASE_URL=http://searxng:8080
STRIPE_SECRET_KEY=sk_test_s3cret  STRIPE_WEBHOOK_SECRET=whsec_s3cret
RAG_PIPELINE_TYPE=local  RUN_MODE=continuous  RAG_PIPELINE_ID=documents  RAG_WATCH_DIRECTORY=./rag-documents
LANGFUSE_PUBLIC_KEY=pk-lf-s3cret  LANGFUSE_SECRET_KEY=sk-lf-s3cret  LANGFUSE_HOST=https://cloud.langfuse.com
AGENT_API_HOSTNAME=127.0.0.1  FRONTEND_HOSTNAME=localhost  LETSENCRYPT_EMAIL=operator@mail.example.com
VITE_SUPABASE_URL=https://abcdefgh.supabase.co  VITE_SUPABASE_ANON_KEY=sb_publishable_value
VITE_ENABLE_STREAMING=true  VITE_STRIPE_PUBLISHABLE_KEY=pk_test_...
ENVIRONMENT=production
"""
NO_PLACEHOLDERS = {"VISION_LLM_CHOICE"}


def test_an_older_file_with_the_values_of_its_owner_is_taken(operator: Operator) -> None:
    assignments = [assignment.partition("=") for assignment in OLDER_FILE.split()]
    operator.variables = {name: value for name, _, value in assignments}
    assert operator.variables.keys() >= COMPLETE.keys() | NO_PLACEHOLDERS
    ended = operator.run("--type", "cloud")
    assert "still holds an example" not in ended.output
    assert ended.status == 0, ended.output


@pytest.mark.parametrize("name", [name for name, each in SETTINGS.items() if each.example and not each.is_kept])
def test_an_example_of_the_table_is_refused_unless_it_is_a_good_value(name: str) -> None:
    found = list(examples({name: SETTINGS[name].example}))
    assert [problem.is_fatal for problem in found] == ([] if name in NO_PLACEHOLDERS else [True])


POOLER = "postgresql://postgres.abcdefgh:s3cret@aws-0-eu-central-1.pooler.supabase.com"


@pytest.mark.parametrize(
    ("sizes", "connections"),
    [
        ({}, 55),
        ({"DATABASE_POOL_MAX_SIZE": "10"}, 45),
        ({"DATABASE_POOL_MAX_SIZE": "10", "RAG_WORKER_CONCURRENCY": "4"}, 39),
        ({"DATABASE_POOL_MAX_SIZE": "5", "RAG_WORKER_CONCURRENCY": "2"}, 27),
        ({"DATABASE_POOL_MAX_SIZE": "10", "AGENT_API_REPLICAS": "2", "RAG_PIPELINE_REPLICAS": "0"}, 56),
    ],
)
def test_what_a_pooler_must_admit_is_counted(sizes: dict[str, str], connections: int) -> None:
    note = note_on_connections({"DATABASE_URL": f"{POOLER}:5432/postgres", **sizes})
    assert note.startswith(f"{connections} connections at most: the Supabase project's Pool Size")


def test_the_pages_name_the_numbers_of_the_settings() -> None:
    page = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"\n\| (not set|\d+)[^|]* \| (not set|\d+)[^|]* \| (\d+) \|", page)
    assert len(rows) == 4
    for pool, jobs, connections in rows:
        named = {"DATABASE_POOL_MAX_SIZE": pool, "RAG_WORKER_CONCURRENCY": jobs}
        given = {name: value for name, value in named.items() if value != "not set"}
        assert connections_max(given) == int(connections)
    step = (REPOSITORY / "docs" / "deployment.md").read_text(encoding="utf-8")
    size = re.search(r"set it to (\d+), with `DATABASE_POOL_MAX_SIZE=(\d+)`", step)
    assert size and connections_max({"DATABASE_POOL_MAX_SIZE": size[2]}) <= int(size[1])
    assert f"\n   DATABASE_POOL_MAX_SIZE={size[2]}\n" in step
    instances = re.search(r"maxInstances: (\d+)", (REPOSITORY / "render.yaml").read_text(encoding="utf-8"))
    assert instances is not None
    blueprint = {name: service.values for name, service in SERVICES.items()}
    api, job = (int(blueprint[name]["DATABASE_POOL_MAX_SIZE"]) for name in ("agent-api", "rag-pipeline"))
    on_render = int(instances[1]) * (api + 1) + job + 14 + 10
    assert f"open up to {on_render} connections" in " ".join(step.split())


@pytest.mark.parametrize(
    ("sizes", "connections"),
    [({}, 25), ({"AGENT_API_REPLICAS": "3", "RAG_PIPELINE_REPLICAS": "2", "RAG_WORKER_CONCURRENCY": "4"}, 29)],
)
def test_the_sessions_beside_transactions_are_counted(sizes: dict[str, str], connections: int) -> None:
    addresses = {"DATABASE_URL": f"{POOLER}:6543/postgres", "DATABASE_SESSION_URL": f"{POOLER}:5432/postgres"}
    assert note_on_connections(addresses | sizes).startswith(f"{connections} connections at most")


@pytest.mark.parametrize("end", ["6543/postgres", "port/postgres"])
def test_where_no_session_is_counted_nothing_is_said(end: str) -> None:
    assert note_on_connections({"DATABASE_URL": f"{POOLER}:{end}"}) == ""
    assert note_on_connections({"DATABASE_URL": COMPLETE["DATABASE_URL"]}) == ""


def test_the_number_of_connections_is_said_when_it_runs(operator: Operator) -> None:
    assert "Pool Size" not in operator.run("--type", "cloud", "--dry-run").output
    operator.variables["DATABASE_URL"] = f"{POOLER}/postgres"
    assert "55 connections at most" in operator.run("--type", "cloud").output


def test_times_that_must_outlast_each_other_are_compared(operator: Operator) -> None:
    operator.variables["MODEL_DEADLINE_SECONDS"] = "900"
    ended = operator.run("--type", "cloud")
    assert (ended.status, ended.changes) == (2, [])
    longer = {
        "SHUTDOWN_GRACE_SECONDS": ("310", "910"),
        "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN": ("325", "925"),
        "AGENT_API_STOP_SECONDS": ("340", "940"),
        "AGENT_API_RESPONSE_SECONDS": ("330", "930"),
    }
    for name, (before, _) in longer.items():
        detail = f"{name} ({before}) is not longer than MODEL_DEADLINE_SECONDS (900)"
        assert "docs/compose.md, More replicas" in ended.cure_of("FAIL", ".env", detail)
    operator.variables |= {name: seconds for name, (_, seconds) in longer.items()}
    assert operator.run("--type", "cloud").status == 0
    ended = operator.run("--type", "local")
    assert ended.status == 0
    assert "s/response_header_timeout 330s/response_header_timeout 930s/" in ended.output


@pytest.mark.parametrize(
    ("given", "detail"),
    [
        (
            {"SHUTDOWN_GRACE_SECONDS": "300"},
            "SHUTDOWN_GRACE_SECONDS (300) is not longer than MODEL_DEADLINE_SECONDS (300)",
        ),
        (
            {"SHUTDOWN_GRACE_SECONDS": "330"},
            "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN (325) is not longer than SHUTDOWN_GRACE_SECONDS (330)",
        ),
        (
            {"MODEL_DEADLINE_SECONDS": "60", "AGENT_API_RESPONSE_SECONDS": "300"},
            "AGENT_API_RESPONSE_SECONDS (300) is not longer than the sharing of a large document may take (300)",
        ),
        (
            {"AGENT_API_STOP_SECONDS": "10"},
            "AGENT_API_STOP_SECONDS (10) is not longer than UVICORN_TIMEOUT_GRACEFUL_SHUT",
        ),
        (
            {"RAG_WORKER_STOP_SECONDS": "60"},
            "RAG_PIPELINE_STOP_SECONDS (60) is not longer than RAG_WORKER_STOP_SECONDS",
        ),
        ({"AGENT_API_STOP_SECONDS": "6m"}, "AGENT_API_STOP_SECONDS is no number of seconds"),
        ({"AGENT_API_STOP_SECONDS": "inf"}, "AGENT_API_STOP_SECONDS is no number of seconds"),
    ],
)
def test_a_time_that_ends_before_another_is_named(given: dict[str, str], detail: str) -> None:
    (problem,) = examine_times(given)
    assert detail in problem.detail
    assert problem.is_fatal


def test_the_defaults_outlast_each_other() -> None:
    assert list(examine_times({})) == []
    sharing = (REPOSITORY / "backend_agent_api/agent_api/documents/queries.py").read_text(encoding="utf-8")
    assert f"OWNER_SECONDS_MAX = {SHARING_SECONDS_MAX}.0\n" in sharing


def test_caddy_waits_as_long_as_it_is_told() -> None:
    """The real one, asked what it understands."""
    command = [caddy_program(), "adapt", "--config", "Caddyfile", "--adapter", "caddyfile"]
    names = {"AGENT_API_HOSTNAME": "agent.localhost", "FRONTEND_HOSTNAME": "chat.localhost"}
    for given, seconds in (({}, 330), ({"AGENT_API_RESPONSE_SECONDS": "930"}, 930)):
        environment = {**names, "LETSENCRYPT_EMAIL": "operator@mail.example.com", **given}
        adapted = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=True, timeout=60)
        text = json.dumps(json.loads(adapted.stdout))
        assert re.findall(r'"response_header_timeout": (\d+)', text) == [str(seconds * 10**9)]


def test_a_single_run_is_for_a_schedule(operator: Operator) -> None:
    operator.variables["RUN_MODE"] = "single"
    ended = operator.run("--type", "cloud")
    assert (ended.status, ended.changes) == (2, [])
    cure = ended.cure_of("FAIL", ".env", "RUN_MODE=single would start the worker again and again")
    assert "RAG_PIPELINE_REPLICAS=0 and run it by cron" in cure
    page = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "rag-pipeline --mode single" in page.partition("\n## Capacity\n")[2].partition("\n## ")[0]
    operator.variables["RAG_PIPELINE_REPLICAS"] = "0"
    assert operator.run("--type", "cloud").status == 0
