"""Python environments, made with uv from hash-locked requirement files, each only when something changed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from local_stack.commands import run_logged
from local_stack.console import Console, StackError
from local_stack.paths import ENVIRONMENTS, REPOSITORY, relative

STAMP = "installed"


@dataclass(frozen=True)
class PythonEnvironment:
    """One virtual environment and the locked files it is made from."""

    name: str
    title: str
    requirements: tuple[Path, ...]

    @property
    def directory(self) -> Path:
        return ENVIRONMENTS / self.name

    @property
    def bin(self) -> Path:
        return self.directory / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    def digest(self) -> str:
        total = hashlib.sha256(f"{sys.version}\n{sys.base_prefix}\n{self.directory}\n".encode())
        for path in self.requirements:
            if not path.exists():
                raise StackError(f"{relative(path)} is missing: the clone is incomplete")
            total.update(path.read_bytes())
        return total.hexdigest()

    def is_current(self) -> bool:
        stamp = self.directory / STAMP
        return self.python.exists() and stamp.exists() and stamp.read_text() == self.digest()


LOCAL_STACK = REPOSITORY / "local_stack"
TOOLS = PythonEnvironment("tools", "installer", (LOCAL_STACK / "requirements-tools.txt",))
TOOLS_INSTALL = (
    *("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"),
    *("-r", str(TOOLS.requirements[0])),
)
NODE = PythonEnvironment("node", "Node 24", (LOCAL_STACK / "requirements-node.txt",))
STACK = PythonEnvironment("stack", "Python environment of the local stack", (LOCAL_STACK / "requirements.txt",))
AGENT_API = PythonEnvironment(
    "agent_api", "Python environment of the agent API", (REPOSITORY / "backend_agent_api" / "requirements.txt",)
)
RAG_PIPELINE = PythonEnvironment(
    "rag_pipeline",
    "Python environment of the ingestion worker",
    (REPOSITORY / "backend_rag_pipeline" / "requirements.txt",),
)
# One environment for the tests of both services and of the local stack, and for pyright, which needs what all of them
# import. The locks are made with each other as constraints: a shared package has one version.
DEV = PythonEnvironment(
    "dev",
    "Python environment of the tests",
    (
        REPOSITORY / "backend_agent_api" / "requirements-dev.txt",
        REPOSITORY / "backend_rag_pipeline" / "requirements-dev.txt",
        LOCAL_STACK / "requirements.txt",
        LOCAL_STACK / "requirements-test.txt",
    ),
)


def ensure(environment: PythonEnvironment, console: Console, log: Path) -> None:
    """Make or renew an environment; does nothing when its locked files have not changed."""
    if environment.is_current():
        return
    with console.step(environment.title):
        if environment is TOOLS:
            _make_tools(log)
        else:
            _make_with_uv(environment, log)
        (environment.directory / STAMP).write_text(environment.digest())


def _make_tools(log: Path) -> None:
    try:
        venv.create(TOOLS.directory, clear=True, with_pip=True)
    except (subprocess.CalledProcessError, ImportError):
        raise StackError(
            "Python cannot make virtual environments here: install its venv module (Debian: apt install python3-venv)"
        ) from None
    run_logged("installing uv", [TOOLS.python, *TOOLS_INSTALL], log=log, cwd=REPOSITORY)


def _make_with_uv(environment: PythonEnvironment, log: Path) -> None:
    settings = _uv_settings()
    (environment.directory / STAMP).unlink(missing_ok=True)
    for command in uv_commands(environment):
        run_logged(environment.title, command, log=log, cwd=REPOSITORY, environment=settings)


def uv_commands(environment: PythonEnvironment) -> list[list[str | Path]]:
    """What makes an environment."""
    uv = TOOLS.bin / "uv"
    # The files list everything with hashes; nothing beyond them may come in.
    install = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", environment.python]
    return [
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment.directory],
        [*install, *environment.requirements],
    ]


def _uv_settings() -> dict[str, str]:
    """uv with this Python, and from the package index that pip is configured for."""
    settings = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    settings |= {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    if not any(name in settings for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX")):
        configured = subprocess.run(
            [TOOLS.python, "-m", "pip", "config", "get", "global.index-url"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
        index = settings.get("PIP_INDEX_URL") or configured
        if index:
            settings["UV_DEFAULT_INDEX"] = index
    return settings
