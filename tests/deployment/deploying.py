"""`deploy.py` as people run it, with a stand-in for Docker in front on the PATH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer.settings import SETTINGS
from local_stack.paths import REPOSITORY

RUN_SECONDS_MAX = 60
SERVICES = ("migrate", "agent-api", "rag-pipeline", "frontend", "caddy")
COMPLETE = {
    "DATABASE_URL": "postgresql://owner:pa55-s3cret@db.example.com:5432/postgres",
    "SUPABASE_URL": "https://project.example.com",
    "SUPABASE_SERVICE_KEY": "sb_secret_s3cret-service",
    "LLM_API_KEY": "sk-s3cret-model",
    "VITE_SUPABASE_URL": "https://project.example.com",
    "VITE_SUPABASE_ANON_KEY": "sb_publishable_value",
    "STRIPE_SECRET_KEY": "sk_test_s3cret",
    "STRIPE_WEBHOOK_SECRET": "whsec_s3cret",
    # Names of this machine, so that none has to be looked up elsewhere.
    "AGENT_API_HOSTNAME": "127.0.0.1",
    "FRONTEND_HOSTNAME": "localhost",
    "LETSENCRYPT_EMAIL": "operator@mail.example.com",
}


def container(service: str, state: str = "running", health: str = "healthy", exit_code: int = 0) -> dict[str, Any]:
    """One line of `docker compose ps --format json`."""
    if service == "migrate" and state == "running":
        state, health = "exited", ""
    name = f"dynamous-agent-{service}-1"
    labels = f"com.docker.compose.oneoff=False,com.docker.compose.service={service}"
    return {"Service": service, "Name": name, "State": state, "Health": health, "ExitCode": exit_code, "Labels": labels}


def lines(*containers: dict[str, Any]) -> str:
    """As compose prints them."""
    return "\n".join(json.dumps(each) for each in containers)


@dataclass(frozen=True)
class Ended:
    """How a command ended, what it printed, and how Docker was called."""

    status: int
    output: str
    calls: list[list[str]]

    @property
    def changes(self) -> list[list[str]]:
        """The calls that are no questions."""
        questions = {"version", "info", "ps", "config", "logs"}
        return [call for call in self.calls if not questions & set(call)]

    def cure_of(self, level: str, name: str, detail: str) -> str:
        """What is to be done about a finding; fails where it was not found."""
        printed = self.output.splitlines()
        for line, following in zip(printed, [*printed[1:], ""], strict=True):
            if line.startswith(f"{level:<4}  {name:<16}  ") and detail in line:
                assert following.startswith("      → "), self.output
                return following
        raise AssertionError(f"no {level} {name} {detail!r} in\n{self.output}")


@dataclass
class Operator:
    """Somebody at a machine with an `.env` and a Docker."""

    folder: Path
    variables: dict[str, str] = field(default_factory=lambda: dict(COMPLETE))
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    has_docker: bool = True
    environment: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        self.answers = {
            "daemon": True,
            "compose": "2.40.3",
            # Its own containers hold the ports: those of this machine are nobody's business here.
            "published": "0.0.0.0:80->80/tcp, 0.0.0.0:443->443/tcp, 127.0.0.1:8001->8001/tcp, 127.0.0.1:8082->8082/tcp",
            "neighbours": f"agent-api {REPOSITORY}\nfrontend {REPOSITORY}",
            "services": "\n".join(SERVICES),
            "containers": [lines(*map(container, SERVICES))],
            "logs": {},
            "up": 0,
            **self.answers,
        }
        (self.folder / "bin").mkdir()

    def run(self, *arguments: str, env_file: bool = True, **environment: str) -> Ended:
        """Run `deploy.py` with the arguments."""
        tools, calls = self.folder / "bin", self.folder / "bin" / "calls.jsonl"
        calls.unlink(missing_ok=True)
        (tools / "turns").unlink(missing_ok=True)
        (tools / "answers.json").write_text(json.dumps(self.answers))
        if self.has_docker:
            fake = (REPOSITORY / "tests" / "deployment" / "fake_docker.py").read_text()
            (tools / "docker").write_text(f"#!{sys.executable}\n{fake}")
            (tools / "docker").chmod(0o755)
        file = self.folder / ".env"
        if env_file:
            file.write_text("".join(f"{name}={value}\n" for name, value in self.variables.items()))
        clean = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        # Without a Docker of its own, the machine's must not be found either.
        path = f"{tools}:/usr/bin:/bin" if self.has_docker else str(tools)
        clean |= {"PATH": path, "EMBEDDED_ENV_FILE": str(file), **self.environment, **environment}
        command = [sys.executable, str(REPOSITORY / "deploy.py"), *arguments]
        ended = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
        made = [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
        output = ended.stdout + ended.stderr
        assert "Traceback" not in output, output
        assert "s3cret" not in output, output
        return Ended(ended.returncode, output, made)
