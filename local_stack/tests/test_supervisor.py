"""What happens to services that die, hang, or whose supervisor dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local_stack import supervisor as supervisor_module
from local_stack.console import Console, StackError
from local_stack.processes import (
    AlreadyLocked,
    FileLock,
    ProcessIdentity,
    end_leftovers,
    free_ports,
    load_identities,
    save_identities,
)
from local_stack.service import Service, answers, start_process
from local_stack.supervisor import Supervisor

SECONDS_MAX = 60


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(Console(), tmp_path / "processes.json")
    yield supervisor
    supervisor.stop()


def web_server(directory: Path, *, name: str = "web", port: int | None = None) -> Service:
    """A small real server."""
    number = port or free_ports(1)[0]
    log = directory / f"{name}.log"
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(number)]
    return Service(
        name=name,
        title=name,
        log=log,
        start=lambda: start_process(command, cwd=directory, environment=os.environ, log=log),
        health_url=f"http://127.0.0.1:{number}/",
        start_seconds_max=SECONDS_MAX,
    )


def failing(directory: Path) -> Service:
    log = directory / "failing.log"
    command = [sys.executable, "-c", "raise SystemExit('no such setting')"]
    return Service(
        name="failing",
        title="failing",
        log=log,
        start=lambda: start_process(command, cwd=directory, environment=os.environ, log=log),
        health_url=f"http://127.0.0.1:{free_ports(1)[0]}/",
    )


def test_a_killed_service_answers_again(supervisor: Supervisor, tmp_path: Path) -> None:
    service = web_server(tmp_path)
    supervisor.start(service)
    supervisor.wait_until_healthy()
    first = _identity(supervisor, "web")
    threading.Thread(target=supervisor.watch, daemon=True).start()
    os.kill(first.pid, signal.SIGKILL)
    _wait_for(lambda: _identity(supervisor, "web") != first)
    _wait_for(lambda: service.health_url is not None and answers(service.health_url))


def test_a_service_that_keeps_failing_is_left_down_and_named(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor_module, "RESTART_DELAYS_SECONDS", (0.0, 0.0, 0.0))
    supervisor.start(failing(tmp_path))
    threading.Thread(target=supervisor.watch, daemon=True).start()
    printed: list[str] = []

    def gave_up() -> bool:
        printed.append(capfd.readouterr().out)
        return "stays down" in "".join(printed)

    _wait_for(gave_up)
    assert "".join(printed).count("restarting") == 3
    assert "failing.log" in "".join(printed)


def test_a_service_that_ends_during_the_start_is_named_with_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(failing(tmp_path))
    with pytest.raises(StackError, match=r"^failing stopped \(exit 1\): see .*failing\.log$"):
        supervisor.wait_until_healthy()


def test_stop_ends_every_service(tmp_path: Path) -> None:
    supervisor = Supervisor(Console(), tmp_path / "processes.json")
    for name in ("one", "two"):
        supervisor.start(web_server(tmp_path, name=name))
    supervisor.wait_until_healthy()
    started = [_identity(supervisor, name) for name in ("one", "two")]
    supervisor.stop()
    assert not any(identity.is_alive() for identity in started)
    assert not (tmp_path / "processes.json").exists()


def test_services_of_a_killed_supervisor_are_found_and_ended(tmp_path: Path) -> None:
    process = web_server(tmp_path).start()
    save_identities(tmp_path / "processes.json", [ProcessIdentity.of("web", process.pid)])
    # Nobody else will collect it; a test has to.
    threading.Thread(target=process.wait, daemon=True).start()
    assert end_leftovers(load_identities(tmp_path / "processes.json"), grace_seconds=SECONDS_MAX) == ["web"]
    assert process.wait(timeout=SECONDS_MAX) == -signal.SIGTERM


def test_a_number_that_was_given_to_another_program_is_left_alone(tmp_path: Path) -> None:
    process = web_server(tmp_path).start()
    try:
        remembered = ProcessIdentity("web", process.pid, "an earlier moment")
        assert end_leftovers([remembered], grace_seconds=1) == []
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_damaged_list_of_processes_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    path.write_text('[{"name": "api", ')
    assert load_identities(path) == []


def test_a_lock_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys\nfile = open(sys.argv[1], 'a')\nfcntl.flock(file, fcntl.LOCK_EX)\n"
            "print('held', flush=True)\nsys.stdin.read()",
            str(path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyLocked):
            FileLock(path).acquire()
        holder.kill()
    lock = FileLock(path)
    lock.acquire()
    lock.release()


def test_no_port_is_given_to_two_processes() -> None:
    program = "import json, sys; from local_stack.processes import free_ports; print(json.dumps(free_ports(200)))"
    theirs: set[int] = set()
    with ExitStack() as stack:
        for _ in range(3):
            other = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", f"{program}; sys.stdout.flush(); sys.stdin.read()"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(other.kill)
            assert other.stdout is not None
            ports = set(json.loads(other.stdout.readline()))
            assert len(ports) == 200
            assert not ports & theirs
            theirs |= ports
        assert not theirs & {*free_ports(200), *free_ports(200)}


def _identity(supervisor: Supervisor, name: str) -> ProcessIdentity:
    return next(identity for identity in load_identities(supervisor.processes_file) if identity.name == name)


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
