"""What targets and the workflow have in common: YAML of strings, and images that are built from folders."""

from pathlib import Path
from typing import Any, cast

import yaml

from tests.deployment.images import parse

Tree = dict[str, Any]


def read_yaml(path: Path) -> Tree:
    # `on:` is a boolean to YAML 1.1, and a word to GitHub.
    return cast(Tree, yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader))  # noqa: S506 - strings alone


def check_image(dockerfile: Path, context: Path) -> None:
    """Whatever it copies stands in its context."""
    assert dockerfile.is_file()
    for stage in parse(dockerfile):
        for instruction, arguments in stage.steps:
            if instruction == "COPY" and "--from" not in arguments:
                *sources, _target = arguments.split()
                assert all((context / source).exists() for source in sources), arguments
