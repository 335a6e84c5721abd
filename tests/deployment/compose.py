"""Compose files as Docker Compose reads them: parsed, merged, and filled in from an environment."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from local_stack.paths import REPOSITORY

BASE, CADDY = REPOSITORY / "docker-compose.yml", REPOSITORY / "docker-compose.caddy.yml"
Tree = dict[str, Any]
# Concatenated by a merge; other lists are replaced.
JOINED_LISTS = {"ports", "volumes", "tmpfs", "cap_drop", "security_opt", "extra_hosts", "profiles"}


class Reset:
    """`!reset`: what earlier files say here counts no more."""


class _Loader(yaml.SafeLoader):
    pass


def _construct_reset(_loader: _Loader, _node: yaml.Node) -> Reset:
    return Reset()


_Loader.add_constructor("!reset", _construct_reset)


def read(path: Path) -> Tree:
    """One file as it stands."""
    with path.open(encoding="utf-8") as file:
        return cast(Tree, yaml.load(file, _Loader))  # noqa: S506 - a SafeLoader with one tag more


def merged(*paths: Path) -> Tree:
    """Several files, later ones over earlier ones."""
    result: Tree = {}
    for path in paths:
        result = _merge(result, read(path))
    return result


def _merge(lower: Tree, upper: Tree) -> Tree:
    result = dict(lower)
    for name, value in upper.items():
        before = result.get(name)
        if isinstance(value, Reset):
            result.pop(name, None)
        elif isinstance(before, dict) and isinstance(value, dict):
            result[name] = _merge(cast(Tree, before), cast(Tree, value))
        elif isinstance(before, list) and isinstance(value, list) and name in JOINED_LISTS:
            result[name] = [*cast(list[Any], before), *cast(list[Any], value)]
        else:
            result[name] = value
    return result


class Missing(Exception):
    """A variable that must be set is not."""


_INNERMOST = re.compile(r"\$\{(\w+)(?:(:-|:\?)([^${}]*))?\}")


def fill(text: str, environment: Mapping[str, str]) -> str:
    """`${NAME}`, `${NAME:-default}` and `${NAME:?message}`, from the inside out."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match[1], match[2], match[3] or ""
        found = environment.get(name, "")
        if found or kind is None:
            return found
        if kind == ":?":
            raise Missing(rest)
        return rest

    escaped = text.replace("$$", "\0")
    while (filled := _INNERMOST.sub(value, escaped)) != escaped:
        escaped = filled
    return escaped.replace("\0", "$")


def environment_of(service: Tree, variables: Mapping[str, str]) -> dict[str, str]:
    """What a container gets."""
    variables = {"COMPOSE_PROJECT_NAME": "dynamous-agent", **variables}
    return {name: fill(str(value), variables) for name, value in service.get("environment", {}).items()}


def dockerfile_of(service: Tree) -> Path | None:
    """What its image is built by, if it is one of ours."""
    build = service.get("build")
    return None if build is None else (REPOSITORY / build["context"] / build.get("dockerfile", "Dockerfile")).resolve()
