"""A Dockerfile's build steps, done in a clean folder with the files its build would see.

Left to the workflow, which builds every image: pip itself, the image's own Python, and what the last stages RUN as root
(apt-get, useradd, setcap, rm). What that Python needs of the locked files is installed for both processors, not run.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from local_stack.environments import TOOLS

UV = TOOLS.bin / "uv"


@dataclass
class Stage:
    """One FROM and what follows it: (instruction, arguments)."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def parse(dockerfile: Path) -> list[Stage]:
    """The stages in their order."""
    stages: list[Stage] = []
    text = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", dockerfile.read_text()))
    for line in filter(None, map(str.strip, text.splitlines())):
        instruction, arguments = line.split(maxsplit=1)
        if instruction == "FROM":
            base, *_, name = (arguments, *arguments.split())
            stages.append(Stage(base.split()[0], name))
        elif stages:
            stages[-1].steps.append((instruction, arguments))
    return stages


def _is_ignored(relative: Path, patterns: list[str]) -> bool:
    """The last matching line of .dockerignore decides, for a file or any folder above it."""
    ignored = False
    parents = [str(relative), *(str(parent) for parent in relative.parents if str(parent) != ".")]
    for pattern in patterns:
        body = pattern.removeprefix("!").rstrip("/")
        names = [part.name for part in (relative, *relative.parents)] if body.startswith("**/") else parents
        if any(fnmatchcase(name, body.removeprefix("**/")) for name in names):
            ignored = not pattern.startswith("!")
    return ignored


def context_files(context: Path, ignoring: Path | None = None) -> Iterator[Path]:
    """What is sent to the builder, relative to the context. `ignoring` stands in for the .dockerignore there."""
    lines = (ignoring or context / ".dockerignore").read_text().splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    # Only what git knows or would add: a build starts from a clone.
    listed = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=context, text=True
    )
    for name in filter(None, listed.split("\0")):
        path = Path(name)
        if (context / path).is_file() and not _is_ignored(path, patterns):
            yield path


@dataclass
class Replay:
    """Runs the steps of one stage below `root` instead of /."""

    context: Path
    root: Path
    directory: Path = field(init=False)

    def __post_init__(self) -> None:
        self.directory = self.root

    def run(self, stage: Stage) -> None:
        """Raises AssertionError with the output of the step that failed."""
        for instruction, arguments in stage.steps:
            match instruction:
                case "WORKDIR":
                    self.directory = self._inside(arguments)
                    self.directory.mkdir(parents=True, exist_ok=True)
                case "COPY":
                    self.copy(*shlex.split(arguments))
                case "RUN":
                    self._run(arguments)
                case _:
                    pass  # ENV, ARG, USER and the like say how an image runs.

    def _inside(self, path: str) -> Path:
        return self.root / path.lstrip("/") if path.startswith("/") else self.directory / path

    def copy(self, *arguments: str) -> None:
        """COPY from the context."""
        *sources, target = arguments
        files = list(context_files(self.context))
        for source in sources:
            found = [path for path in files if source == "." or path == Path(source) or Path(source) in path.parents]
            assert found, f"COPY {source}: nothing of that name reaches the builder"
            for path in found:
                base = Path(source) if path != Path(source) and source != "." else None
                inner = path.relative_to(base) if base else path
                whole = self._inside(target) / inner
                to = whole if base or target.endswith(("/", ".")) or len(sources) > 1 else self._inside(target)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.context / path, to)

    def _run(self, command: str) -> None:
        # Absolute paths of the image are paths below the root here. uv takes pip's options, checks the same hashes and
        # has the packages at hand.
        inside = re.sub(r"/opt/venv/bin/pip install", f"{UV} pip install --python /opt/venv/bin/python", command)
        inside = re.sub(r"(?<![\w.])/(opt|srv|build|site)/", f"{self.root}/\\1/", inside)
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("VITE_", "PYTHON", "VIRTUAL_ENV"))
        }
        environment |= {"npm_config_prefer_offline": "true", "UV_NO_PROGRESS": "1"}
        done = subprocess.run(
            ["sh", "-ec", inside], cwd=self.directory, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"RUN {command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
