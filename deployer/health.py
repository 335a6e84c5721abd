"""Waits until containers are well, and says which are not, and why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from deployer.docker import Docker
from deployer.settings import SETTINGS
from deployer.settings.model import Variables
from deployer.target import Target

POLL_SECONDS = 1.0
RESTARTS_SEEN_MAX = 3
"""A container that is found restarting this often does not come up."""
LOG_LINES = 20
SECRET_CHARACTERS_MIN = 4
ONE_SHOT = "migrate"
NOT_STARTED = "was not started"
# `compose ps --all` shows what `compose run` started too: a backup, say, which bears the name of its service.
ONE_OFF = "com.docker.compose.oneoff=True"


@dataclass(frozen=True)
class Container:
    """One line of `docker compose ps`."""

    service: str
    name: str
    state: str
    health: str
    exit_code: int

    @property
    def is_well(self) -> bool:
        if self.service == ONE_SHOT:
            return self.state == "exited" and self.exit_code == 0
        return self.state == "running" and self.health in ("", "healthy")

    @property
    def has_failed(self) -> bool:
        """Waiting longer does not help."""
        return self.health == "unhealthy" or self.state == "dead" or (self.state == "exited" and not self.is_well)

    def shown(self) -> str:
        parts = [self.state, self.health, f"exit {self.exit_code}" if self.state == "exited" else ""]
        return ", ".join(part for part in parts if part)


@dataclass
class Watch:
    """Looks at the containers of a target until all are well, one has failed, or the time is up."""

    target: Target
    docker: Docker
    services: tuple[str, ...]
    restarts: dict[str, int] = field(default_factory=dict[str, int])
    containers: list[Container] = field(default_factory=list[Container])
    """As they were at the last look."""

    def wait(self, seconds_max: float) -> dict[str, str]:
        """What is not well at the end: services with their state. Empty: everything is."""
        deadline = time.monotonic() + seconds_max
        while True:
            self.containers = self._look()
            unwell = self._unwell(self.containers)
            if not unwell or any(self._is_lost(each) for each in self.containers) or time.monotonic() > deadline:
                return unwell
            time.sleep(POLL_SECONDS)

    def _look(self) -> list[Container]:
        printed = self.docker.ask(*self.target.compose("ps", "--all", "--format", "json")) or ""
        return [each for each in read_containers(printed) if each.service in self.services]

    def _unwell(self, containers: Iterable[Container]) -> dict[str, str]:
        unwell = dict.fromkeys(self.services, NOT_STARTED)
        for container in sorted(containers, key=lambda each: not each.is_well):
            if not container.is_well:
                unwell[container.service] = container.shown()
            elif unwell.get(container.service) == NOT_STARTED:
                del unwell[container.service]
        return unwell

    def _is_lost(self, container: Container) -> bool:
        if container.state == "restarting":
            self.restarts[container.name] = self.restarts.get(container.name, 0) + 1
        return container.has_failed or self.restarts.get(container.name, 0) >= RESTARTS_SEEN_MAX


def read_containers(printed: str) -> list[Container]:
    """Those of the services. Compose prints one list, or one object a line, depending on its version."""
    text = printed.strip()
    rows: list[Any] = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    return [_container(cast(dict[str, Any], row)) for row in rows if ONE_OFF not in str(row.get("Labels"))]


def _container(row: dict[str, Any]) -> Container:
    return Container(
        service=str(row["Service"]),
        name=str(row["Name"]),
        state=str(row["State"]),
        health=str(row.get("Health") or ""),
        exit_code=int(row.get("ExitCode") or 0),
    )


def last_lines(target: Target, docker: Docker, service: str) -> str:
    """The end of its log, without secrets."""
    printed = docker.ask(*target.compose("logs", "--no-color", "--no-log-prefix", "--tail", str(LOG_LINES), service))
    return without_secrets(printed or "(it wrote nothing)", target.variables())


def without_secrets(text: str, variables: Variables) -> str:
    """`text` with every secret of the configuration replaced, also where only a part of it is shown."""
    secrets: set[str] = set()
    for name, value in variables.items():
        if name in SETTINGS and SETTINGS[name].is_secret:
            secrets |= {value, *(part.strip() for part in value.split(","))}
            password = _password(value)
            secrets |= {password, unquote(password)}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SECRET_CHARACTERS_MIN:
            text = text.replace(secret, "***")
    return text


def _password(value: str) -> str:
    try:
        return urlsplit(value).password or ""
    except ValueError:
        return ""
