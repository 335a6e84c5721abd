"""`--type test`: set up what the tests need, run all of them, and say at the end what failed and how long it took."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local_stack import environments
from local_stack.configuration import PORT_DEFAULTS, Configuration
from local_stack.console import Console, StackError
from local_stack.embedded import (
    Stopped,
    only_one,
    prepare_environments,
    prepare_workspace,
    running_stack,
    signals_end_the_run,
)
from local_stack.env_files import read_env_file
from local_stack.node import Node, ensure_packages
from local_stack.paths import EMBEDDED_HOME, REPOSITORY, Workspace, relative
from local_stack.processes import free_ports

FRONTEND = REPOSITORY / "frontend"
STRIPE_SANDBOX = REPOSITORY / "local_stack" / "stripe_sandbox"
# The proxy in front of the API, and the reader of scanned pages: its tests are skipped without it.
TEST_PROGRAMS = {"caddy": "caddy", "tesseract": "tesseract-ocr"}
# Most tests wait for servers and processes: more of them than cores keep all cores busy. Each has its own Postgres.
PYTEST_PROCESSES = min((os.cpu_count() or 1) + 1, 6)
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Results:
    """What ran, how it ended and how long it took."""

    rows: list[tuple[str, bool, float]] = field(default_factory=list[tuple[str, bool, float]])

    def run(self, title: str, command: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str]) -> None:
        """Run one step with its output on the terminal; a failure is remembered and the next step runs."""
        _heading(title)
        began = time.monotonic()
        try:
            status = subprocess.run([str(part) for part in command], cwd=cwd, env=dict(environment)).returncode
        except FileNotFoundError as error:
            print(error, flush=True)
            status = 127
        self.rows.append((title, status == 0, time.monotonic() - began))

    def fail(self, title: str, reason: str) -> None:
        print(reason, flush=True)
        self.rows.append((title, False, 0.0))

    def summary(self, total_seconds: float) -> int:
        """Print one line a step and return the exit status."""
        _heading("summary")
        for title, passed, seconds in self.rows:
            print(f"{'passed' if passed else 'FAILED'}  {seconds:7.1f} s  {title}")
        failed = [title for title, passed, _ in self.rows if not passed]
        print(f"{'FAILED: ' + ', '.join(failed) if failed else 'all passed'} in {total_seconds:.1f} s", flush=True)
        return 1 if failed else 0


def run_tests() -> int:
    """Run every check and test of the repository. Returns the exit status."""
    console = Console()
    workspace = Workspace(EMBEDDED_HOME / "test")
    results = Results()
    try:
        with only_one(workspace), signals_end_the_run():
            _use_free_ports()
            # Not the person's `.env`: a test must not reach their model, nor their database.
            configuration = prepare_workspace(workspace, fresh=True, own={})
            _heading("set up")
            node = prepare_environments(configuration, console)
            environments.ensure(environments.DEV, console, workspace.log("setup-dev"))
            # The official Stripe CLI, which only tests of the sandbox use.
            log = workspace.log("setup-stripe")
            ensure_packages(node, STRIPE_SANDBOX, "npm packages of the Stripe CLI", console, log)
            chromium = _find_or_install_chromium(workspace.log("setup-browser"), console, node)
            _install_programs(workspace.log("setup-programs"), console)
            run_checks(results, node, chromium)
            _run_browser_tests(results, configuration, console, node, chromium)
    except StackError as error:
        results.fail("set up", str(error))
    except Stopped:
        results.fail("interrupted", "interrupted")
    return results.summary(console.elapsed_seconds)


def run_checks(results: Results, node: Node, chromium: str | None) -> None:
    """All that needs no running stack."""
    _run_python_checks(results, node, chromium)
    _run_site_checks(results, node)


def _run_python_checks(results: Results, node: Node, chromium: str | None) -> None:
    programs = environments.DEV.bin
    environment = _clean_environment() | {
        "PATH": f"{programs}{os.pathsep}{node.path}",
        "VIRTUAL_ENV": str(environments.DEV.directory),
    }
    if chromium is not None:
        environment["CHROMIUM_PATH"] = chromium
    for title, command in (
        ("ruff check", [programs / "ruff", "check", "."]),
        ("ruff format", [programs / "ruff", "format", "--check", "."]),
        ("pyright", [programs / "pyright", "--pythonpath", environments.DEV.python]),
        ("sqlfluff", [programs / "sqlfluff", "lint", "--disable-progress-bar", "sql", "local_stack/postgres"]),
        ("pytest", [programs / "pytest", "--numprocesses", str(PYTEST_PROCESSES), "--dist", "loadfile"]),
    ):
        results.run(title, command, cwd=REPOSITORY, environment=environment)


def _run_site_checks(results: Results, node: Node) -> None:
    environment = node.environment()
    npm = shutil.which("npm", path=node.path) or "npm"
    for title, script in (("eslint", "lint"), ("tsc", "typecheck"), ("vitest", "test:unit")):
        results.run(title, [npm, "run", "--silent", script], cwd=FRONTEND, environment=environment)


def _run_browser_tests(
    results: Results, configuration: Configuration, console: Console, node: Node, chromium: str | None
) -> None:
    """Playwright in a real browser against a private stack with fresh data."""
    _heading("playwright: a private stack")
    try:
        with running_stack(configuration, console) as supervisor:
            threading.Thread(target=supervisor.watch, daemon=True).start()
            environment = node.environment(read_env_file(configuration.workspace.env_file))
            environment["EMBEDDED_STATE_DIR"] = str(configuration.workspace.root)
            if chromium is not None:
                environment["CHROMIUM_PATH"] = chromium
            npm = shutil.which("npm", path=node.path) or "npm"
            results.run("playwright", [npm, "run", "--silent", "test"], cwd=FRONTEND, environment=environment)
    except StackError as error:
        results.fail("playwright", str(error))


def _find_or_install_chromium(log: Path, console: Console, node: Node) -> str | None:
    """A browser on PATH, Debian's, or Playwright's own (None: Playwright knows where that is)."""
    found = chromium_program()
    if found is not None:
        return found
    with console.step("browser"):
        if shutil.which("apt-get") is not None and os.geteuid() == 0:
            _attempt(["apt-get", "update"], log)
            _attempt(["apt-get", "install", "-y", "--no-install-recommends", "chromium"], log)
            found = chromium_program()
            if found is not None:
                return found
        npx = shutil.which("npx", path=node.path) or "npx"
        if not _attempt([npx, "playwright", "install", "chromium"], log, environment=node.environment(), cwd=FRONTEND):
            raise StackError(f"no browser: install Chromium or set CHROMIUM_PATH to one; see {relative(log)}")
    return None


def chromium_program() -> str | None:
    """The browser in CHROMIUM_PATH or on the PATH."""
    configured = os.environ.get("CHROMIUM_PATH")
    return configured or next((path for name in CHROMIUM_NAMES if (path := shutil.which(name)) is not None), None)


def _install_programs(log: Path, console: Console) -> None:
    """Debian's, where they are not on the PATH and this may be done. Without Caddy its tests fail and say so."""
    missing = [package for program, package in TEST_PROGRAMS.items() if shutil.which(program) is None]
    if missing and shutil.which("apt-get") is not None and os.geteuid() == 0:
        with console.step(" and ".join(missing)):
            _attempt(["apt-get", "update"], log)
            _attempt(["apt-get", "install", "-y", "--no-install-recommends", *missing], log)


def _attempt(
    command: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None, cwd: Path = REPOSITORY
) -> bool:
    variables = {**(environment or os.environ), "DEBIAN_FRONTEND": "noninteractive"}
    with log.open("ab") as output:
        result = subprocess.run(
            command, cwd=cwd, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    return result.returncode == 0


def _use_free_ports() -> None:
    """A running stack of the same person must not be disturbed."""
    settings = [setting for _, setting, _ in PORT_DEFAULTS.values()]
    for setting, number in zip(settings, free_ports(len(settings)), strict=True):
        os.environ[setting] = str(number)


def _clean_environment() -> dict[str, str]:
    """Without what would redirect the tests: settings of the services, and of this stack."""
    services = ("LLM_", "EMBEDDING_", "SUPABASE_", "DATABASE_", "STRIPE_", "RAG_", "EMBEDDED_", "PG")
    return {name: value for name, value in os.environ.items() if not name.startswith(services)}


def _heading(title: str) -> None:
    print(f"\n===== {title} =====", flush=True)


if __name__ == "__main__":
    sys.exit(run_tests())
