"""`deploy.py --type doctor` where `.env` holds addresses for containers: it asks from one, and blames none of them."""

from __future__ import annotations

import pytest

from deployer.examination import SERVICES, names_of_containers
from local_stack.paths import REPOSITORY
from tests.deployment.compose import BASE, CADDY, merged
from tests.deployment.deploying import Operator

BOTH = ["-f", "docker-compose.yml", "-f", "docker-compose.caddy.yml"]
OWN_DATABASE = "postgresql://postgres:pa55-s3cret@database:5432/postgres"
OLLAMA = "http://host.docker.internal:11434/v1"


def examination(operator: Operator, *files: str, api: str, site: str, project: str = "dynamous-agent") -> list[str]:
    named = ["compose", "-p", project, "--env-file", str(operator.folder / ".env"), *files]
    addresses = ["-e", f"API_URL={api}", "-e", f"FRONTEND_URL={site}"]
    return [*named, "run", "--rm", "--no-deps", *addresses, "agent-api", "python", "-m", "agent_api.doctor"]


@pytest.mark.parametrize(
    ("name", "address", "host"),
    [
        ("DATABASE_URL", OWN_DATABASE, "database"),
        ("LLM_BASE_URL", OLLAMA, "host.docker.internal"),
        ("EMBEDDING_BASE_URL", OLLAMA, "host.docker.internal"),
        # Of the stack that --type local joins.
        ("DATABASE_URL", "postgresql://postgres:pa55-s3cret@db:5432/postgres", "db"),
    ],
)
def test_names_of_containers_are_those_of_services_and_what_the_machine_does_not_know(
    name: str, address: str, host: str
) -> None:
    variables = {"SUPABASE_URL": "https://project.example.com", name: address}
    assert names_of_containers(variables, lambda _: False) == [host]
    # Docker Desktop tells the machine, too, what containers call it; a search domain may know any name.
    assert names_of_containers(variables, lambda _: True) == ([host] if host == "database" else [])


def test_every_service_is_told_from_a_machine() -> None:
    assert set(SERVICES) == merged(BASE, CADDY)["services"].keys()


@pytest.mark.parametrize(("ended", "status"), [(0, 0), (1, 1), (125, 2)])
def test_names_that_only_containers_know_are_looked_at_from_one(operator: Operator, ended: int, status: int) -> None:
    public = {"AGENT_API_HOSTNAME": "agent.localhost", "FRONTEND_HOSTNAME": "chat.localhost"}
    operator.variables |= {"DATABASE_URL": OWN_DATABASE, **public}
    operator.answers |= {"run": ended, "neighbours": ""}
    done = operator.run("--type", "doctor")
    assert done.status == status, done.output
    assert done.changes == [examination(operator, *BOTH, api="https://agent.localhost", site="https://chat.localhost")]
    assert ".env names database, which only containers know" in done.output
    assert "FAIL" not in done.output


def test_without_names_of_its_own_the_site_and_the_api_are_asked_as_services(operator: Operator) -> None:
    for name in ("AGENT_API_HOSTNAME", "FRONTEND_HOSTNAME", "LETSENCRYPT_EMAIL"):
        del operator.variables[name]
    base = BOTH[:2]
    operator.variables |= {"DATABASE_URL": OWN_DATABASE, "FRONTEND_URL": "http://localhost:8082"}
    operator.answers["neighbours"] = f"another /srv/another\nlocalai {REPOSITORY}"
    inside = {"api": "http://agent-api:8001", "site": "http://frontend:8082", "project": "localai"}
    assert operator.run("--type", "doctor").changes == [examination(operator, *base, **inside)]
    operator.variables["VITE_AGENT_ENDPOINT"] = "https://agent.mail.example.com/api/pydantic-agent"
    inside["api"] = "https://agent.mail.example.com"
    assert operator.run("--type", "doctor").changes == [examination(operator, *base, **inside)]


@pytest.mark.parametrize("has_docker", [True, False])
def test_without_docker_the_command_is_named_instead(operator: Operator, has_docker: bool) -> None:
    operator.variables["DATABASE_URL"] = OWN_DATABASE
    operator.has_docker = has_docker
    operator.answers["daemon"] = False
    done = operator.run("--type", "doctor")
    assert (done.status, done.changes) == (2, [])
    assert "run --rm --no-deps" in done.output
    assert "agent-api python -m agent_api.doctor" in done.output


def test_a_rehearsal_names_the_command_too(operator: Operator) -> None:
    operator.variables["DATABASE_URL"] = OWN_DATABASE
    done = operator.run("--type", "doctor", "--dry-run")
    assert (done.status, done.changes) == (0, [])
    assert "agent-api python -m agent_api.doctor" in done.output
    assert "cd backend_agent_api" not in done.output


def test_what_a_pooler_must_admit_is_said(operator: Operator) -> None:
    pooler = "postgresql://postgres.abcdefgh:pa55-s3cret@aws-0-eu-central-1.pooler.supabase.com:5432/postgres"
    operator.variables |= {"DATABASE_URL": pooler, "LLM_BASE_URL": OLLAMA}
    assert "55 connections at most" in operator.run("--type", "doctor").output
