"""What is deployed: which files, under which project name, with which variables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deployer.docker import REPOSITORY
from deployer.settings import SETTINGS
from local_stack.env_files import read_env_file

DEFAULT_PROJECT = "dynamous-agent"
BASE, CADDY = "docker-compose.yml", "docker-compose.caddy.yml"
# Named one by one where a stack of somebody else has the same project name: nothing of it may be touched.
OWN_SERVICES = ("migrate", "agent-api", "rag-pipeline", "frontend")


def env_file() -> Path:
    """`.env`; EMBEDDED_ENV_FILE names another file, as everywhere in `deploy.py`."""
    configured = os.environ.get("EMBEDDED_ENV_FILE")
    return Path(configured).resolve() if configured else REPOSITORY / ".env"


@dataclass(frozen=True)
class Target:
    """`cloud` brings its own Caddy; `local` joins a stack that has one."""

    kind: Literal["cloud", "local"]
    project: str = DEFAULT_PROJECT
    env_file: Path = REPOSITORY / ".env"

    def compose(self, *arguments: str) -> list[str]:
        """A compose command for this target, without the word `docker`."""
        files = [BASE, CADDY] if self.kind == "cloud" else [BASE]
        named = [] if self.env_file == REPOSITORY / ".env" else ["--env-file", str(self.env_file)]
        return ["compose", "-p", self.project, *named, *(part for file in files for part in ("-f", file)), *arguments]

    def variables(self) -> dict[str, str]:
        """What compose fills in: `.env`, and over it the environment of the caller."""
        process = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
        return {**read_env_file(self.env_file), **process}

    @property
    def ports(self) -> tuple[int, ...]:
        """What it publishes on this machine."""
        return (80, 443) if self.kind == "cloud" else (8001, 8082)
