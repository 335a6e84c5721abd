"""`deploy.py --type cloud` and `--type local`: what they ask of Docker, and what they say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployer.target import Target
from tests.deployment.deploying import SERVICES, Operator, container, lines

FILES = ["-f", "docker-compose.yml", "-f", "docker-compose.caddy.yml"]
OWN = ["migrate", "agent-api", "rag-pipeline", "frontend"]


def compose(operator: Operator, *arguments: str, project: str = "dynamous-agent") -> list[str]:
    return ["compose", "-p", project, "--env-file", str(operator.folder / ".env"), *arguments]


def test_cloud_starts_everything_behind_caddy_and_waits_until_it_is_well(operator: Operator) -> None:
    starting = lines(*(container(name, health="starting") for name in SERVICES))
    operator.answers["containers"] = ["", "", starting, operator.answers["containers"][0]]
    ended = operator.run("--type", "cloud")
    assert ended.status == 0, ended.output
    assert ended.changes == [compose(operator, *FILES, "up", "-d", "--build")]
    assert sum("ps" in call and "json" in call for call in ended.calls) == 4
    assert "everything is healthy" in ended.output
    assert "https://localhost" in ended.output


def test_an_upgrade_builds_and_migrates_before_anything_that_runs_is_touched(operator: Operator) -> None:
    ended = operator.run("--type", "cloud")
    assert ended.status == 0, ended.output
    assert ended.changes == [
        compose(operator, *FILES, "build", "agent-api", "rag-pipeline", "frontend", "caddy"),
        compose(operator, *FILES, "run", "--rm", "--no-deps", "migrate"),
        compose(operator, *FILES, "up", "-d", "--build"),
    ]


@pytest.mark.parametrize(("command", "said"), [("build", "an image"), ("run", "the database")])
def test_an_upgrade_that_cannot_be_made_replaces_nothing(operator: Operator, command: str, said: str) -> None:
    operator.answers[command] = 1
    ended = operator.run("--type", "cloud")
    assert ended.status == 1
    assert not any("up" in call for call in ended.changes)
    assert f"FAIL  {said} could not" in ended.output


def test_an_api_that_does_not_work_is_replaced_at_once(operator: Operator) -> None:
    broken = container("agent-api", health="unhealthy")
    operator.answers["containers"] = [lines(broken), operator.answers["containers"][0]]
    assert operator.run("--type", "cloud").changes == [compose(operator, *FILES, "up", "-d", "--build")]


def test_a_worker_that_runs_on_a_schedule_is_not_waited_for(operator: Operator) -> None:
    operator.variables["RAG_PIPELINE_REPLICAS"] = "0"
    operator.answers["containers"] = [lines(*(container(name) for name in SERVICES if name != "rag-pipeline"))]
    ended = operator.run("--type", "cloud")
    assert ended.status == 0, ended.output


def test_the_usual_env_file_needs_no_word() -> None:
    command = Target("cloud").compose("up", "-d", "--build")
    assert command == ["compose", "-p", "dynamous-agent", *FILES, "up", "-d", "--build"]


def test_local_joins_a_project_and_touches_nothing_else_in_it(operator: Operator) -> None:
    for name in ("AGENT_API_HOSTNAME", "FRONTEND_HOSTNAME", "LETSENCRYPT_EMAIL"):
        del operator.variables[name]
    running = operator.answers["containers"][0]
    operator.answers["containers"] = ["", running]
    started = operator.run("--type", "local", "--project", "localai")
    assert started.status == 0, started.output
    base = ["-f", "docker-compose.yml"]
    assert started.changes == [compose(operator, *base, "up", "-d", "--build", *OWN, project="localai")]
    assert "s/dynamous-agent-/localai-/g" in started.output
    assert "localai_default" in started.output
    stopped = operator.run("--type", "local", "--project", "localai", "--down")
    assert stopped.changes == [compose(operator, *base, "rm", "--stop", "--force", *OWN, project="localai")]


@pytest.mark.parametrize("arguments", [[], ["--down"]])
def test_a_service_of_somebody_else_is_neither_replaced_nor_removed(operator: Operator, arguments: list[str]) -> None:
    operator.answers["neighbours"] = "frontend /srv/another\nn8n /srv/another"
    ended = operator.run("--type", "local", "--project", "localai", *arguments)
    assert (ended.status, ended.changes) == (2, [])
    assert "another --project" in ended.cure_of("FAIL", "project", "localai has a service frontend already")
    assert "n8n" not in ended.output


def test_down_stops_the_services_of_every_profile_and_needs_no_complete_env(operator: Operator) -> None:
    operator.variables = {}
    ended = operator.run("--down", "--type", "cloud")
    assert ended.status == 0, ended.output
    assert ended.changes == [compose(operator, *FILES, "--profile", "*", "down")]


def test_a_rehearsal_prints_every_command_and_runs_none(operator: Operator) -> None:
    operator.answers["daemon"] = False
    del operator.variables["LLM_API_KEY"]
    ended = operator.run("--type", "cloud", "--dry-run")
    assert ended.status == 0, ended.output
    assert ended.changes == []
    ended.cure_of("warn", "docker", "the daemon does not answer")
    ended.cure_of("warn", ".env", "LLM_API_KEY is not set")
    assert "FAIL" not in ended.output
    assert "$ docker compose -p dynamous-agent" in ended.output
    assert "up -d --build" in ended.output
    down = operator.run("--type", "cloud", "--down", "--dry-run")
    assert down.changes == []
    assert "--profile '*' down" in down.output


@pytest.mark.parametrize(
    ("broken", "state"),
    [
        (container("agent-api", health="unhealthy"), "running, unhealthy"),
        (container("agent-api", "exited", "", 3), "exited, exit 3"),
        (container("agent-api", "restarting", "", 1), "restarting"),
        (container("migrate", "exited", "", 1), "exited, exit 1"),
    ],
)
def test_what_is_not_well_is_named_with_its_last_lines_and_no_secret(
    operator: Operator, broken: dict[str, Any], state: str
) -> None:
    service = broken["Service"]
    well = [container(name) for name in SERVICES if name != service]
    operator.answers["containers"] = [lines(*well, broken)]
    operator.answers["logs"] = {
        service: "cannot reach postgresql://owner:pa55-s3cret@db.example.com\nkey sk-s3cret-model refused",
        "frontend": "fine",
    }
    ended = operator.run("--type", "cloud")
    assert ended.status == 1
    assert f"FAIL  {service:<16}  {state}; its last lines:" in ended.output
    assert "cannot reach" in ended.output
    assert "key *** refused" in ended.output
    assert "fine" not in ended.output
    assert f"logs -f {service}" in ended.output


def test_one_unwell_replica_among_well_ones_is_seen(operator: Operator) -> None:
    second = {**container("agent-api", health="unhealthy"), "Name": "dynamous-agent-agent-api-2"}
    # Older versions of Compose print one list.
    operator.answers["containers"] = [json.dumps([*map(container, SERVICES), second])]
    assert "FAIL  agent-api" in operator.run("--type", "cloud").output


@pytest.mark.parametrize(("service", "health"), [("migrate", ""), ("agent-api", "unhealthy"), ("agent-api", "healthy")])
def test_what_somebody_runs_once_beside_a_service_is_not_that_service(
    operator: Operator, service: str, health: str
) -> None:
    """A backup, or a reconciliation: it serves nobody, and its state says nothing about the service."""
    labels = f"com.docker.compose.oneoff=True,com.docker.compose.service={service}"
    once = {**container(service), "State": "running", "Health": health, "Labels": labels}
    operator.answers["containers"] = [lines(once), lines(*map(container, SERVICES), once)]
    ended = operator.run("--type", "cloud", DEPLOY_HEALTH_SECONDS="1")
    assert ended.status == 0, ended.output
    assert ended.changes == [compose(operator, *FILES, "up", "-d", "--build")]


def test_waiting_ends(operator: Operator) -> None:
    operator.answers["containers"] = [lines(*(container(name, health="starting") for name in SERVICES[:-1]))]
    ended = operator.run("--type", "cloud", DEPLOY_HEALTH_SECONDS="1")
    assert ended.status == 1
    assert "FAIL  frontend          running, starting" in ended.output
    assert "FAIL  caddy             was not started" in ended.output


def test_a_build_that_fails_is_told(operator: Operator) -> None:
    operator.answers |= {"up": 17, "containers": [""]}
    ended = operator.run("--type", "cloud")
    assert ended.status == 1
    assert "`up` ended with 17" in ended.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--type", "cloud", "--fresh"], "--fresh wipes the data of the embedded stack"),
        (["--type", "embedded", "--project", "x"], "--project goes with"),
        (["--type", "cloud", "--project", "No Good"], "--project: lower-case"),
        (["--type", "doctor", "--down"], "leaves nothing running"),
    ],
)
def test_arguments_that_make_no_sense_together_are_refused(operator: Operator, arguments: list[str], said: str) -> None:
    ended = operator.run(*arguments)
    assert ended.status == 2
    assert said in ended.output
    assert ended.calls == []


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["--type", "embedded"], ["uvicorn agent_api:app", "docker_entrypoint.py", "-m local_stack.stripe_sandbox"]),
        (["--type", "embedded", "--down"], ["nothing is running"]),
        (["--type", "test"], ["ruff check .", "pytest", "cd frontend && npm run --silent test"]),
        (["--type", "doctor"], ["cd backend_agent_api", "-m agent_api.doctor"]),
    ],
)
def test_a_rehearsal_of_anything_else_runs_nothing_and_leaves_nothing(
    operator: Operator, arguments: list[str], printed: list[str]
) -> None:
    operator.variables = {}
    state = operator.folder / "state"
    ended = operator.run(*arguments, "--dry-run", EMBEDDED_STATE_DIR=str(state))
    assert ended.status == 0, ended.output
    for command in printed:
        assert command in ended.output
    assert not state.exists()
