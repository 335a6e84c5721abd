"""The server process: initdb, start, stop, and recovery from a kill -9."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from local_stack.postgres.binaries import Installation
from local_stack.postgres.roles import SUPERUSER

# After kill -9 the shared memory is held until the last backend notices: about 1.7 s.
# Recovery on a slow disk takes longer.
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30
# macOS does not know every name; the last one always exists.
LOCALES = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "C")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_level": "logical",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}


class ServerError(RuntimeError):
    """The server could not be initialised, started or stopped; the message names its log."""


def initialise(installation: Installation, data: Path, superuser_password: str) -> None:
    """Create the data folder `data`, or leave an existing one as it is. Safe to repeat after a kill."""
    if (data / "PG_VERSION").exists():
        return
    partial = data.with_name(f"{data.name}.partial")
    password_file = data.with_name("superuser-password")
    try:
        password_file.write_text(superuser_password + "\n")
        own(installation, password_file, 0o600)
        failures: list[str] = []
        for locale in LOCALES:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(mode=0o700)
            own(installation, partial, 0o700)
            result = subprocess.run(
                [
                    installation.program("initdb"),
                    *("-D", str(partial), "-U", SUPERUSER, f"--pwfile={password_file}"),
                    *("--auth=scram-sha-256", "--encoding=UTF8", f"--locale={locale}", "--no-instructions"),
                ],
                capture_output=True,
                text=True,
                cwd="/",
                env=_clean_environment(),
                **installation.process_owner(),
            )
            if result.returncode == 0:
                partial.rename(data)
                return
            failures.append(result.stderr.strip())
        raise ServerError("initdb failed: " + failures[-1])
    finally:
        password_file.unlink(missing_ok=True)


def launch(
    installation: Installation, data: Path, log: Path, port: int, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start the server in the foreground of a new session and return once it accepts connections."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        process = _spawn(installation, data, log, port, settings)
        if _wait_until_ready(installation, process, port, deadline):
            return process
        if time.monotonic() > deadline:
            process.kill()
            raise ServerError(f"PostgreSQL did not start on port {port}: see {log}")
        time.sleep(0.2)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the server without waiting for clients, keeping all committed data."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop_leftover(installation: Installation, data: Path) -> None:
    """Stop a server that still runs on `data` although its launcher is gone, and drop a stale pid file."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if not _runs_on(pid, data):
        # The pid may belong to another program by now, which PostgreSQL would take for a running server.
        pid_file.unlink(missing_ok=True)
        return
    subprocess.run(
        [installation.program("pg_ctl"), "stop", "-D", str(data), "-m", "fast", "-w", "-t", str(STOP_SECONDS_MAX)],
        capture_output=True,
        cwd="/",
        **installation.process_owner(),
    )


def own(installation: Installation, path: Path, mode: int) -> None:
    """Hand `path` to the account that runs the server."""
    if installation.account is not None:
        os.chown(path, *installation.account)
    path.chmod(mode)


def _spawn(
    installation: Installation, data: Path, log: Path, port: int, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    options = [f"--{name}={value}" for name, value in {**SETTINGS, **settings, "port": str(port)}.items()]
    with log.open("ab") as output:
        return subprocess.Popen(
            [installation.program("postgres"), "-D", str(data), *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_clean_environment(),
            start_new_session=True,
            **installation.process_owner(),
        )


def _wait_until_ready(installation: Installation, process: subprocess.Popen[bytes], port: int, deadline: float) -> bool:
    probe = [installation.program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
    while process.poll() is None and time.monotonic() < deadline:
        answered = subprocess.run(probe, env=_clean_environment(), check=False).returncode == 0
        if answered and process.poll() is None:
            return True
        time.sleep(0.03)
    return False


def _runs_on(pid: int, data: Path) -> bool:
    """Whether process `pid` is a server on `data`; a pid file outlives its process and the pid is given out again."""
    if sys.platform == "linux":
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return False
        return "postgres" in command and str(data) in command
    command = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout
    return "postgres" in command and str(data) in command


def _clean_environment() -> dict[str, str]:
    """The environment without PG* variables, which would reach into the server and its tools."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
