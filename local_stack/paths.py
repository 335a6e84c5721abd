"""Where things are. `Workspace` is one running stack's folder; environments are shared by all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
EMBEDDED_HOME = REPOSITORY / ".embedded"
ENVIRONMENTS = EMBEDDED_HOME / "venvs"


@dataclass(frozen=True)
class Workspace:
    """The state folder of one stack."""

    root: Path

    def prepare(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def env_file(self) -> Path:
        return self.root / "env"

    @property
    def secrets_file(self) -> Path:
        return self.root / "secrets.json"

    @property
    def stripe_file(self) -> Path:
        return self.root / "stripe.sqlite"

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    @property
    def processes_file(self) -> Path:
        """Who was started: the supervisor and its children, to find them again after a kill -9."""
        return self.root / "processes.json"

    @property
    def ready_file(self) -> Path:
        """Exists while everything is healthy; holds the supervisor's process id."""
        return self.root / "ready"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def heartbeat_file(self) -> Path:
        """Written by the ingestion worker while it is well."""
        return self.root / "rag-heartbeat.json"

    @property
    def site(self) -> Path:
        return self.root / "site"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"


def relative(path: Path) -> str:
    """`path` as a person would type it from the repository, if it lies there."""
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else str(path)
