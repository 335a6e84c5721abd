"""Replicas whose numbers Caddy does not look for: they run, are healthy, and get nothing to do."""

from __future__ import annotations

import pytest

from deployer.settings.operation import PLACES
from tests.deployment.deploying import SERVICES, Operator, container, lines


def begin(operator: Operator, *numbers: int, project: str = "dynamous-agent") -> None:
    others = [container(service) for service in SERVICES if service != "agent-api"]
    replicas = [{**container("agent-api"), "Name": f"{project}-agent-api-{number}"} for number in numbers]
    operator.answers["containers"] = [lines(*others, *replicas)]


def test_replicas_without_a_place_are_named(operator: Operator) -> None:
    begin(operator, PLACES - 1, PLACES, PLACES + 1, PLACES + 2)
    ended = operator.run("--type", "cloud")
    assert ended.status == 1
    assert "everything is healthy" not in ended.output
    detail = f"no place for dynamous-agent-agent-api-{PLACES + 1}, dynamous-agent-agent-api-{PLACES + 2}"
    cure = ended.cure_of("FAIL", "replicas", detail)
    assert "rm --stop --force agent-api, then this again" in cure
    named = (f"dynamous-agent-agent-api-{number}:8001" for number in range(PLACES - 1, PLACES + 3))
    operator.variables["AGENT_API_UPSTREAMS"] = f"'{' '.join(named)}'"
    assert operator.run("--type", "cloud").status == 0


def test_replicas_with_a_place_are_well(operator: Operator) -> None:
    begin(operator, 1, PLACES)
    assert operator.run("--type", "cloud").status == 0
    begin(operator, PLACES, project="another")
    assert operator.run("--type", "cloud", "--project", "another").status == 0


@pytest.mark.parametrize("upstream", ["agent-api:8001", "http://one-of-its-aliases:8001"])
def test_other_names_may_lead_to_all_of_them(operator: Operator, upstream: str) -> None:
    begin(operator, PLACES + 1)
    operator.variables["AGENT_API_UPSTREAMS"] = upstream
    assert operator.run("--type", "cloud").status == 0


def test_behind_another_caddy_it_is_not_known(operator: Operator) -> None:
    begin(operator, PLACES + 1)
    assert operator.run("--type", "local").status == 0
