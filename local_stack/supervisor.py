"""Keeps started services running: restarts what dies, remembers who was started, stops everything in order."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from local_stack.console import Console, StackError
from local_stack.paths import relative
from local_stack.processes import ProcessIdentity, save_identities
from local_stack.service import Service

WATCH_INTERVAL_SECONDS = 0.3
RESTART_DELAYS_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0)
# A service that ran this long has recovered; its next failure starts counting anew.
STABLE_SECONDS = 60.0


@dataclass
class _Child:
    service: Service
    process: subprocess.Popen[bytes]
    identity: ProcessIdentity
    started_at: float
    failures: int = 0
    restart_at: float | None = None
    abandoned: bool = False


@dataclass
class Supervisor:
    """Starts services one after the other and watches them until `stop`."""

    console: Console
    processes_file: Path
    _children: list[_Child] = field(default_factory=list["_Child"], init=False)
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _changing: threading.RLock = field(default_factory=threading.RLock, init=False)

    def __post_init__(self) -> None:
        self._remember()

    def start(self, service: Service) -> None:
        """Start a service without waiting for it."""
        process = service.start()
        identity = ProcessIdentity.of(service.name, process.pid)
        self._children.append(_Child(service, process, identity, time.monotonic()))
        self._remember()

    def wait_until_healthy(self) -> None:
        """Return once every started service is well. Raises StackError, naming the first that is not."""
        for child in self._children:
            child.service.wait_until_healthy(child.process)

    def watch(self) -> None:
        """Restart what ends, until `stop` or an exception (a signal) ends it. May run in a thread of its own."""
        while not self._stopping.wait(WATCH_INTERVAL_SECONDS):
            with self._changing:
                for child in self._children:
                    self._look_after(child)

    def stop(self) -> None:
        """Stop all services, the last started first, each with the time it may take."""
        self._stopping.set()
        with self._changing:
            for child in reversed(self._children):
                _stop(child)
            self._children.clear()
        self.processes_file.unlink(missing_ok=True)

    def _look_after(self, child: _Child) -> None:
        if child.abandoned:
            return
        now = time.monotonic()
        if child.restart_at is None:
            status = child.process.poll()
            if status is not None:
                self._plan_restart(child, status, now)
            return
        if now < child.restart_at:
            return
        child.restart_at = None
        child.started_at = now
        try:
            child.process = child.service.start()
        except (StackError, OSError) as error:
            self.console.event(f"{child.service.title} could not be restarted: {error}")
            self._plan_restart(child, -1, now)
            return
        child.identity = ProcessIdentity.of(child.service.name, child.process.pid)
        self._remember()

    def _plan_restart(self, child: _Child, status: int, now: float) -> None:
        if now - child.started_at > STABLE_SECONDS:
            child.failures = 0
        log = relative(child.service.log)
        if child.failures >= len(RESTART_DELAYS_SECONDS):
            child.abandoned = True
            self.console.event(f"{child.service.title} keeps stopping (exit {status}) and stays down: see {log}")
            return
        delay = RESTART_DELAYS_SECONDS[child.failures]
        child.failures += 1
        child.restart_at = now + delay
        when = f"in {delay:.0f} s" if delay else "now"
        self.console.event(f"{child.service.title} stopped (exit {status}), restarting {when}: see {log}")

    def _remember(self) -> None:
        own = ProcessIdentity.of("supervisor", os.getpid())
        save_identities(self.processes_file, [own, *(child.identity for child in self._children)])


def _stop(child: _Child) -> None:
    process = child.process
    if process.poll() is not None:
        return
    # Every service leads its own process group; while it is not collected, its number belongs to nobody else.
    os.killpg(process.pid, child.service.stop_signal)
    try:
        process.wait(timeout=child.service.stop_seconds_max)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
