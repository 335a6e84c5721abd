"""Running the programs that set things up: output into a log, one line when they fail, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_stack.console import StackError
from local_stack.paths import relative

_running: set[subprocess.Popen[bytes]] = set()
_guard = threading.Lock()


def run_logged(
    title: str, command: Sequence[str | Path], *, log: Path, cwd: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Run a command to its end. Raises StackError, naming the log, when it fails."""
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                env=dict(environment) if environment is not None else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise StackError(f"{title} failed: {command[0]} is not installed") from None
    with _guard:
        _running.add(process)
    try:
        status = process.wait()
    finally:
        with _guard:
            _running.discard(process)
    if status != 0:
        raise StackError(f"{title} failed (exit {status}): see {relative(log)}")


def end_running_commands() -> None:
    """Kill the commands that are still at work, with what they started; for an interrupted set-up."""
    with _guard:
        for process in _running:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
