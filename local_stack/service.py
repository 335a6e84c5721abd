"""One part of the stack: how it starts, how one sees that it is well, how it stops."""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_stack.configuration import Port
from local_stack.console import StackError
from local_stack.paths import relative

# A proxy configured on the machine must not be asked for 127.0.0.1.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PROBE_TIMEOUT_SECONDS = 2.0
PROBE_INTERVAL_SECONDS = 0.05


@dataclass(frozen=True)
class Service:
    """A process that is watched. `start` returns once the process exists; `health_url` answers 200 once it is well.

    A service without a port says by `is_ready` when it is well.
    """

    name: str
    title: str
    log: Path
    start: Callable[[], subprocess.Popen[bytes]]
    port: Port | None = None
    health_url: str | None = None
    is_ready: Callable[[], bool] | None = None
    start_seconds_max: float = 60
    stop_signal: int = signal.SIGTERM
    stop_seconds_max: float = 10
    command: tuple[str, ...] = ()
    """What `start` runs, for a rehearsal."""

    def wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        """Return once the service is well. Raises StackError, naming it and its log, if it ends or takes too long."""
        deadline = time.monotonic() + self.start_seconds_max
        while True:
            if process.poll() is not None:
                raise StackError(f"{self.title} stopped (exit {process.returncode}): see {relative(self.log)}")
            if self._is_well():
                return
            if time.monotonic() > deadline:
                seconds = f"{self.start_seconds_max:.0f} s"
                raise StackError(f"{self.title} is not healthy after {seconds}: see {relative(self.log)}")
            time.sleep(PROBE_INTERVAL_SECONDS)

    def _is_well(self) -> bool:
        if self.is_ready is not None:
            return self.is_ready()
        return self.health_url is None or answers(self.health_url)


def answers(url: str) -> bool:
    """Whether a GET of `url` is answered with 200."""
    try:
        with _opener.open(url, timeout=PROBE_TIMEOUT_SECONDS) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError, ValueError):
        return False


def start_process(
    command: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own, its output appended to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
