"""Docker's command line: every command is printed before it runs, and in a rehearsal instead of being run."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
QUESTION_SECONDS_MAX = 30
"""A question to a daemon that does not answer ends then."""


@dataclass(frozen=True)
class Docker:
    """Runs `docker` in the repository."""

    is_rehearsal: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def is_installed(self) -> bool:
        return shutil.which("docker", path=self.environment.get("PATH")) is not None

    def ask(self, *arguments: str) -> str | None:
        """What a command that changes nothing prints; None where it fails."""
        try:
            asked = subprocess.run(
                ["docker", *arguments],
                cwd=REPOSITORY,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=QUESTION_SECONDS_MAX,
                check=False,
            )
        except (FileNotFoundError, subprocess.TimeoutExpired):
            return None
        return asked.stdout.strip() if asked.returncode == 0 else None

    def run(self, arguments: Sequence[str]) -> int:
        """Print a command and run it on this terminal. Returns its exit status; 0 in a rehearsal."""
        print_command(["docker", *arguments])
        if self.is_rehearsal:
            return 0
        command = ["docker", *arguments]
        return subprocess.run(command, cwd=REPOSITORY, env=dict(self.environment), check=False).returncode


def print_command(command: Sequence[str]) -> None:
    """As a person would type it."""
    print(f"$ {shlex.join(command)}", flush=True)
