"""The workflow: it may do little, pins what others wrote, and names only what is there."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from local_stack.paths import REPOSITORY
from tests.deployment.blueprint import check_image, read_yaml
from tests.deployment.compose import BASE, CADDY
from tests.deployment.images import parse

Tree = dict[str, Any]
WORKFLOW = REPOSITORY / ".github" / "workflows" / "ci.yml"
JOBS: dict[str, Tree] = read_yaml(WORKFLOW)["jobs"]
STEPS = [(job, step) for job, tree in JOBS.items() for step in tree["steps"]]


def test_the_workflow_may_read_and_nothing_else() -> None:
    assert read_yaml(WORKFLOW)["permissions"] == {"contents": "read"}
    assert not [job for job, tree in JOBS.items() if "permissions" in tree or "timeout-minutes" not in tree]
    text = WORKFLOW.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "pull_request_target" not in text
    for _, step in STEPS:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] == "false"


def test_what_others_wrote_is_pinned() -> None:
    for _, step in STEPS:
        if uses := step.get("uses"):
            assert re.fullmatch(r"(actions|docker|hashicorp)/[\w-]+@v\d+(\.\d+)*|[\w/-]+@[0-9a-f]{40}", uses), uses
        # Expressions in a script are how a branch's name becomes a command.
        assert "${{" not in step.get("run", ""), step
        assert not re.search(r"pipx run (?!\S+==\d)", step.get("run", "")), step
        assert not re.search(r"docker run .*:latest|curl .*\| *(ba)?sh", step.get("run", "")), step


def test_the_workflow_runs_the_test_command_of_the_readme() -> None:
    commands = [step["run"] for _, step in STEPS if "run" in step]
    assert "python3 deploy.py --type test" in commands
    assert "python3 deploy.py --type test" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_workflow_builds_every_image() -> None:
    matrix = JOBS["images"]["strategy"]["matrix"]["include"]
    for each in matrix:
        check_image(REPOSITORY / each["file"], REPOSITORY / each["context"])
    built = {REPOSITORY / each["file"] for each in matrix}
    assert built == {*REPOSITORY.glob("*/Dockerfile"), *REPOSITORY.glob("deploy/*/Dockerfile")}


def test_every_image_that_runs_is_scanned() -> None:
    used = {
        service["image"]
        for path in (BASE, CADDY)
        for service in read_yaml(path)["services"].values()
        if "image" in service
    }
    assert len(used) >= 3
    # What the scans of ours are told to overlook in Caddy is reported here.
    caddy = parse(REPOSITORY / "deploy" / "caddy" / "Dockerfile")[-1].base
    assert set(JOBS["others-images"]["strategy"]["matrix"]["image"]) == {*used, caddy}
    scans = {job: step["run"] for job, step in STEPS if "anchore/grype" in step.get("run", "")}
    assert scans.keys() == {"images", "others-images"}
    # What is built here can mostly be mended here; the others are reported.
    assert "--fail-on high" in scans["images"]
    assert "--fail-on" not in scans["others-images"]
    assert "/.github/grype.yaml:/grype.yaml:ro" in scans["images"]
    assert "--config /grype.yaml" in scans["images"]
    assert "--config" not in scans["others-images"]


def test_only_the_go_that_others_built_caddy_with_is_overlooked() -> None:
    (rule,) = read_yaml(REPOSITORY / ".github" / "grype.yaml")["ignore"]
    package = rule["package"]
    assert rule.keys() == {"package"}
    assert package.keys() == {"name", "type", "location"}
    assert (package["type"], package["location"]) == ("go-module", "/usr/bin/caddy")
    # As the scanner reads it: between ^ and $ as they stand.
    name = re.compile("^" + package["name"] + "$")
    assert all(name.search(each) for each in ("stdlib", "golang.org/x/crypto"))
    for counted in ("github.com/caddyserver/caddy/v2", "github.com/quic-go/quic-go", "stdlib-of-somebody"):
        assert not name.search(counted)


NOTE = """#!/bin/sh
printf '["%s"' "$(basename "$0")" >>"$CALLS"
printf ', "%s"' "$@" >>"$CALLS"
printf ']\\n' >>"$CALLS"
"""


def test_the_tests_run_with_the_caddy_of_the_image(tmp_path: Path) -> None:
    steps = [step.get("run", "") for job, step in STEPS if job == "tests"]
    (script,) = (run for run in steps if "/usr/bin/caddy" in run)
    assert steps.index(script) < steps.index("python3 deploy.py --type test")
    assert not [run for run in steps if re.search(r"apt-get install .*caddy", run)]
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, answer in (("docker", "echo the program\n"), ("sudo", ""), ("caddy", "")):
        (programs / name).write_text(NOTE + answer)
        (programs / name).chmod(0o755)
    environment = {
        "PATH": f"{programs}{os.pathsep}/usr/bin:/bin",
        "RUNNER_TEMP": str(tmp_path),
        "CALLS": str(tmp_path / "calls"),
    }
    # As GitHub runs it.
    subprocess.run(["bash", "-e", "-c", script], cwd=REPOSITORY, env=environment, check=True)
    docker, sudo, _ = (json.loads(line) for line in (tmp_path / "calls").read_text().splitlines())
    image = parse(REPOSITORY / "frontend" / "Dockerfile")[-1].name
    assert docker == ["docker", "run", "--rm", "--entrypoint", "cat", image, "/usr/bin/caddy"]
    assert (tmp_path / "caddy").read_text() == "the program\n"
    assert sudo == ["sudo", "install", str(tmp_path / "caddy"), "/usr/local/bin/caddy"]


def test_the_workflow_names_only_what_is_there() -> None:
    for _, step in STEPS:
        folder = REPOSITORY / step.get("working-directory", ".")
        assert folder.is_dir()
        for path in re.findall(r"(?<![\w/.-])(?:sh|python3) ([\w/.-]+\.(?:sh|py))", step.get("run", "")):
            assert (folder / path).is_file(), path
        for part in re.findall(r"for locked in ([^;]+);", step.get("run", "")):
            assert all((REPOSITORY / each / "requirements.txt").is_file() for each in part.split())
