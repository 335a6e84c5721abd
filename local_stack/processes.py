"""Processes that can be found again, and told from another program that was given the same number."""

from __future__ import annotations

import atexit
import fcntl
import functools
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

# Below the ranges from which gVisor (16000), Linux (32768) and macOS (49152) take ports for connections, and above the
# last port that browsers refuse (10080).
QUIET_PORTS = range(10_100, 15_800)
PORTS_PER_PROCESS = 300
KILLED_SECONDS_MAX = 10


@dataclass(frozen=True)
class ProcessIdentity:
    """A process number with the moment it was given out, which together never repeat."""

    name: str
    pid: int
    started: str

    @classmethod
    def of(cls, name: str, pid: int) -> ProcessIdentity:
        return cls(name, pid, _start_moment(pid))

    def is_alive(self) -> bool:
        return self.started != "" and _start_moment(self.pid) == self.started

    def signal_group(self, number: int) -> None:
        """Signal the process and what it started; every service leads a process group of its own."""
        if self.is_alive():
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return


def save_identities(path: Path, identities: Iterable[ProcessIdentity]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps([asdict(identity) for identity in identities]))
    partial.replace(path)


def load_identities(path: Path) -> list[ProcessIdentity]:
    try:
        return [ProcessIdentity(**entry) for entry in json.loads(path.read_text())]
    except (FileNotFoundError, ValueError, TypeError):
        return []


def end_leftovers(identities: Iterable[ProcessIdentity], grace_seconds: float) -> list[str]:
    """Stop processes whose supervisor is gone. Returns the names of those that were still alive."""
    alive = [identity for identity in identities if identity.is_alive()]
    for identity in alive:
        # PostgreSQL waits for its clients on SIGTERM; SIGINT disconnects them.
        identity.signal_group(signal.SIGINT if identity.name == "postgres" else signal.SIGTERM)
    wait_until_gone(alive, grace_seconds)
    for identity in alive:
        identity.signal_group(signal.SIGKILL)
    # A busy machine takes a moment to end what was killed; its ports are taken until then.
    wait_until_gone(alive, KILLED_SECONDS_MAX)
    return [identity.name for identity in alive]


def wait_until_gone(identities: Iterable[ProcessIdentity], seconds_max: float) -> None:
    """Return once none of them is alive, or after `seconds_max`."""
    left = list(identities)
    deadline = time.monotonic() + seconds_max
    while (left := [identity for identity in left if identity.is_alive()]) and time.monotonic() < deadline:
        time.sleep(0.05)


class AlreadyLocked(RuntimeError):
    """Another process holds the lock."""


class FileLock:
    """A lock that ends with its process, however that ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self, *, wait_seconds: float = 0) -> None:
        """Take the lock or raise AlreadyLocked after `wait_seconds`."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a")
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._file = file
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    file.close()
                    raise AlreadyLocked(str(self._path)) from None
                time.sleep(0.1)

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def port_is_free(port: int) -> bool:
    """Whether a service could listen on this port of the loopback address now."""
    # On macOS SO_REUSEADDR lets 127.0.0.1 be taken beside a listener on all addresses, and the other way round.
    return all(_may_bind(address, port) for address in ("127.0.0.1", "0.0.0.0"))  # noqa: S104 - nothing listens


def _may_bind(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, different from each other, and none that the system gives to outgoing connections.

    Each process that asks has a range of its own and takes its ports in turn: from the answer until a server listens
    there (seconds, when others are started first) nobody else is given the same. Raises AlreadyLocked when too many
    processes ask at once.
    """
    _, ports = _own_ports()
    return list(itertools.islice(filter(port_is_free, ports), count))


@functools.cache
def _own_ports() -> tuple[FileLock, Iterator[int]]:
    """What keeps a range this process's until it ends, and its ports, over and over."""
    directory = Path(tempfile.gettempdir()) / f"agent-ports-{os.getuid()}"
    for start in QUIET_PORTS[::PORTS_PER_PROCESS]:
        lock = FileLock(directory / f"{start}.lock")
        try:
            lock.acquire()
        except AlreadyLocked:
            continue
        atexit.register(lock.release)
        return lock, itertools.cycle(range(start, start + PORTS_PER_PROCESS))
    raise AlreadyLocked(str(directory))


def _start_moment(pid: int) -> str:
    """When a process started, or "" if it is gone (or dead and only not yet collected)."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        state, ticks_since_boot = fields[0], fields[19]
        return "" if state in "ZX" else f"{_boot_id()}/{ticks_since_boot}"
    listing = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    state, _, moment = listing.partition(" ")
    return "" if state.startswith("Z") else moment.strip()


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
