"""The workflow: it may do little, pins what others wrote, and names only what is there."""

import re
from typing import Any

from local_stack.paths import REPOSITORY
from tests.deployment.blueprint import check_image, read_yaml

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


def test_the_workflow_names_only_what_is_there() -> None:
    for _, step in STEPS:
        folder = REPOSITORY / step.get("working-directory", ".")
        assert folder.is_dir()
        for path in re.findall(r"(?<![\w/.-])(?:sh|python3) ([\w/.-]+\.(?:sh|py))", step.get("run", "")):
            assert (folder / path).is_file(), path
        for part in re.findall(r"for locked in ([^;]+);", step.get("run", "")):
            assert all((REPOSITORY / each / "requirements.txt").is_file() for each in part.split())
