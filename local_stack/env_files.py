"""Reading a person's `.env` and writing ours."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")
SHELL_SAFE = re.compile(r"[^A-Za-z0-9_@%+=:,./~-]")


def read_env_file(path: Path) -> dict[str, str]:
    """The variables that are set there. Empty values count as not set, as in a copied `.env.example`."""
    if not path.exists():
        return {}
    values: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        match = ASSIGNMENT.match(line)
        if match and (value := _unquote(match[2])):
            values[match[1]] = value
    return values


def write_env_file(path: Path, values: Mapping[str, str]) -> None:
    """Write KEY=value lines that a shell reads as they stand; unusual characters get a backslash, never quotes."""
    text = "".join(f"{name}={_escape(name, value)}\n" for name, value in values.items())
    write_private(path, text)


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step, readable by its owner only."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] in "'\"":
        end = value.find(value[0], 1)
        return value[1:end] if end > 0 else value
    return re.split(r"(?:^|\s)#", value, maxsplit=1)[0].strip()


def _escape(name: str, value: str) -> str:
    if "\n" in value or "\0" in value:
        raise ValueError(f"{name} holds a line break and cannot stand in an env file")
    return SHELL_SAFE.sub(lambda match: "\\" + match[0], value)
