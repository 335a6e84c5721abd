"""The upgrade without a gap: its lines on the page, run with a stand-in for the engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_stack.paths import REPOSITORY
from tests.deployment.compose import BASE, CADDY, environment_of, merged

RUN_SECONDS_MAX = 60
PLACES = environment_of(
    merged(BASE, CADDY)["services"]["caddy"],
    {name: "x" for name in ("AGENT_API_HOSTNAME", "FRONTEND_HOSTNAME", "LETSENCRYPT_EMAIL")},
)["AGENT_API_UPSTREAMS"]


@dataclass(frozen=True)
class Engine:
    """A folder with a program `docker` and what it keeps."""

    folder: Path

    def begin(
        self, *numbers: int, fails: str = "", becomes: str = "running starting, running healthy", places: str = PLACES
    ) -> None:
        """The old ones are sick, which is no reason against new ones."""
        running = {"oneoff": "False", "state": "running", "becomes": "running unhealthy"}
        containers = {f"id-of-{number}": {**running, "container-number": str(number)} for number in numbers}
        containers["one-off"] = {"oneoff": "True", "state": "running", "container-number": "1"}
        (self.folder / "engine.json").write_text(
            json.dumps({"containers": containers, "fails": fails.split(), "becomes": becomes, "places": places})
        )

    def run(self, commands: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", commands],
            cwd=REPOSITORY,
            env={"PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS_MAX,
            check=False,
        )

    @property
    def running(self) -> dict[str, str]:
        """Numbers of the replicas, and what else there is."""
        containers = json.loads((self.folder / "engine.json").read_text())["containers"]
        return {name.removeprefix("id-of-"): labels["state"] for name, labels in containers.items()}

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    shutil.copy(Path(__file__).with_name("fake_engine.py"), tmp_path / "engine.py")
    (tmp_path / "docker").write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path / "engine.py"} "$@"\n')
    (tmp_path / "docker").chmod(0o755)
    return Engine(tmp_path)


def as_on_the_page() -> str:
    """The block with what it needs from the page's first one."""
    page = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    (block,) = [block for block in re.findall(r"(?ms)^```\n(.*?)^```$", page) if "replace-replicas.sh" in block]
    (alias,) = re.findall(r"(?m)^alias compose=.*$", page)
    return f"{alias}\n{block}"


def test_new_replicas_take_the_place_of_the_old_ones(engine: Engine) -> None:
    engine.begin(1, 2)
    ended = engine.run(as_on_the_page())
    assert ended.returncode == 0, ended.stderr
    assert engine.running == {"3": "running", "4": "running", "one-off": "running"}
    assert engine.calls[-1].endswith("up -d --no-deps rag-pipeline frontend caddy")


@pytest.mark.parametrize("fails", ["build", "run", "up"])
def test_the_old_replicas_serve_on_where_something_fails(fails: str, engine: Engine) -> None:
    engine.begin(1, 2, fails=fails)
    ended = engine.run(as_on_the_page())
    assert ended.returncode != 0
    assert engine.running == {"1": "running", "2": "running", "one-off": "running"}
    assert not any("rag-pipeline" in call for call in engine.calls)
    assert ("the old ones serve on" in ended.stderr) is (fails == "up")


@pytest.mark.parametrize(
    "becomes",
    [
        "running starting, running unhealthy",
        "exited starting",
        # It has ended, and Docker's policy begins it again.
        "running starting, restarting starting",
        "running starting",
    ],
)
def test_new_replicas_that_do_not_become_healthy_go_again(becomes: str, engine: Engine) -> None:
    engine.begin(1, 2, becomes=becomes)
    # Only what is still starting is waited for.
    seconds_max = 1 if becomes == "running starting" else RUN_SECONDS_MAX
    ended = engine.run(f"WAIT_SECONDS_MAX={seconds_max} sh scripts/replace-replicas.sh")
    assert (ended.returncode, "are gone; the old ones serve on" in ended.stderr) == (1, True)
    assert engine.running == {"1": "running", "2": "running", "one-off": "running"}


@pytest.mark.parametrize("fails", ["up ps", "up stop"])
def test_new_replicas_are_called_gone_only_where_they_are(fails: str, engine: Engine) -> None:
    engine.begin(1, 2, fails=fails)
    ended = engine.run("sh scripts/replace-replicas.sh")
    assert (ended.returncode, "are gone" in ended.stderr) == (1, False)
    assert "did not become healthy" in ended.stderr
    assert "3" in engine.running


def test_what_follows_in_a_list_of_commands_is_not_read(engine: Engine) -> None:
    engine.begin(1)
    ended = engine.run("echo 'the next command' | { sh scripts/replace-replicas.sh && cat; }")
    assert ended.stdout == "the next command\n", ended.stderr


def test_a_replica_that_caddy_would_not_find_is_not_begun(engine: Engine) -> None:
    engine.begin(5, 6, 7, 8)
    ended = engine.run("sh scripts/replace-replicas.sh")
    assert (ended.returncode, "no place for number 9" in ended.stderr) == (1, True)
    assert engine.running.keys() == {"5", "6", "7", "8", "one-off"}
    assert not any(" up " in call for call in engine.calls)
    engine.begin(5, 6, 7, 8, places=f"{PLACES} {' '.join(f'x-agent-api-{number}:8001' for number in range(9, 13))}")
    assert engine.run("sh scripts/replace-replicas.sh").returncode == 0
    assert engine.running.keys() == {"9", "10", "11", "12", "one-off"}


def test_where_none_runs_there_is_none_to_replace(engine: Engine) -> None:
    engine.begin()
    ended = engine.run("sh scripts/replace-replicas.sh")
    assert (ended.returncode, "no replica runs" in ended.stderr) == (1, True)
