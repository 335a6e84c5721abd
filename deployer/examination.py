"""`--type doctor` in a container, where `.env` holds names that only containers know."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from deployer.docker import REPOSITORY, Docker
from deployer.machine_checks import resolves
from deployer.settings_checks import FROM_CONTAINERS, is_loopback
from deployer.target import DEFAULT_PROJECT, OWN_SERVICES, Target, env_file

HOST = "host.docker.internal"
SERVICES = (*OWN_SERVICES, "caddy", "database", "auth")
"""All of the compose files. A machine whose DNS happens to know such a name means another one."""
PUBLIC = ("AGENT_API_HOSTNAME", "FRONTEND_HOSTNAME", "LETSENCRYPT_EMAIL")
LABELS = '{{.Label "com.docker.compose.project"}} {{.Label "com.docker.compose.project.working_dir"}}'


def names_of_containers(variables: Mapping[str, str], is_known: Callable[[str], bool] = resolves) -> list[str]:
    """Hosts of addresses that only containers understand: services, and what else this machine does not know."""
    hosts = {_host_and_origin(variables.get(name, ""))[0] for name in FROM_CONTAINERS}
    named = {host for host in hosts if host == HOST or (host and "." not in host)}
    return sorted(host for host in named if host in SERVICES or not is_known(host))


def examine_in_container(hosts: list[str], variables: Mapping[str, str], *, is_rehearsal: bool) -> int | None:
    """The doctor's status from within; None where there is no Docker to ask, after saying what to run."""
    docker = Docker(is_rehearsal)
    command = _command(docker, variables)
    where = f".env names {', '.join(hosts)}, which only containers know"
    if not is_rehearsal and docker.ask("version", "--format", "{{.Server.Version}}") is None:
        print(f"{where}, and Docker does not answer here. Where it does:\n  docker {shlex.join(command)}", flush=True)
        return None
    print(f"{where}: examining from one", flush=True)
    return docker.run(command)


def is_behind_caddy(variables: Mapping[str, str]) -> bool:
    """Whether `.env` holds all that our own Caddy needs: then it is what runs in front."""
    return all(variables.get(name) for name in PUBLIC)


def _command(docker: Docker, variables: Mapping[str, str]) -> list[str]:
    target = Target("cloud" if is_behind_caddy(variables) else "local", _project(docker), env_file())
    _, endpoint = _host_and_origin(variables.get("VITE_AGENT_ENDPOINT", ""))
    api = _from_within(variables.get("API_URL") or endpoint, "http://agent-api:8001")
    site = _from_within(variables.get("FRONTEND_URL", ""), "http://frontend:8082")
    addresses = ("-e", f"API_URL={api}", "-e", f"FRONTEND_URL={site}")
    return target.compose("run", "--rm", "--no-deps", *addresses, "agent-api", "python", "-m", "agent_api.doctor")


def _project(docker: Docker) -> str:
    """The name under which this clone runs."""
    service = "label=com.docker.compose.service=agent-api"
    for row in (docker.ask("ps", "--all", "--filter", service, "--format", LABELS) or "").splitlines():
        project, _, folder = row.partition(" ")
        if Path(folder).resolve() == REPOSITORY:
            return project
    return DEFAULT_PROJECT


def _from_within(url: str, service: str) -> str:
    """A public address as it is, one of this machine as the service that is meant."""
    return service if not url or is_loopback(url) else url


def _host_and_origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.hostname or "", f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
