"""Stripe's form encoding: `a[b][0][c]=1` and `a[]=1` into nested values."""

import re
from typing import TypeAlias
from urllib.parse import parse_qsl

from local_stack.stripe_sandbox.errors import invalid

# A list is a mapping from its numbers; the parameter's own definition says which of both it is.
Raw: TypeAlias = "str | dict[str, Raw]"

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_FIELDS_MAX = 1000
_DEPTH_MAX = 8


def parse_form(encoded: str) -> "dict[str, Raw]":
    """Nested values of a query or body; raises StripeError where a key makes no sense."""
    root: dict[str, Raw] = {}
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict")
    except ValueError as error:
        raise invalid("Invalid request: the form could not be decoded.") from error
    for key, value in pairs:
        _place(root, key, value)
    return root


def _place(root: "dict[str, Raw]", key: str, value: str) -> None:
    match = _KEY.fullmatch(key)
    if match is None:
        raise invalid(f"Invalid parameter name: {key}", param=key)
    path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    if len(path) > _DEPTH_MAX:
        raise invalid(f"Parameter nested too deeply: {key}", param=key)
    branch = root
    for part in path[:-1]:
        inner = branch.setdefault(_position(branch, part), {})
        if not isinstance(inner, dict):
            raise invalid(f"Invalid object: {key}", param=key)
        branch = inner
    last = _position(branch, path[-1])
    if isinstance(branch.get(last), dict):
        raise invalid(f"Invalid object: {key}", param=key)
    branch[last] = value


def _position(branch: "dict[str, Raw]", part: str) -> str:
    return part or str(len(branch))
