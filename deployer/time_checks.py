"""Whether times that must outlast each other do: a default in between is easily forgotten."""

from __future__ import annotations

import math
from collections.abc import Iterator

from deployer.problems import Problem
from deployer.settings import SETTINGS
from deployer.settings.model import Variables

# Each of a row must be longer than all before it.
ORDERS = (
    # A stop outlasts the longest answer, at each of the layers that could end it.
    (
        *("MODEL_DEADLINE_SECONDS", "SHUTDOWN_GRACE_SECONDS"),
        *("UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN", "AGENT_API_STOP_SECONDS"),
    ),
    # So does a proxy that waits for an answer in one piece, which is charged when it is complete.
    ("MODEL_DEADLINE_SECONDS", "AGENT_API_RESPONSE_SECONDS"),
    ("RAG_WORKER_STOP_SECONDS", "RAG_PIPELINE_STOP_SECONDS"),
)
SHARING_SECONDS_MAX = 300
"""What the API gives the sharing of a large document (OWNER_SECONDS_MAX), which a proxy has to wait for."""


def examine_times(variables: Variables) -> Iterator[Problem]:
    """Every time that ends before another one that it must outlast."""
    names = dict.fromkeys(name for order in ORDERS for name in order)
    shown = {name: variables.get(name) or SETTINGS[name].in_compose or SETTINGS[name].default for name in names}
    seconds = {name: _seconds(text) for name, text in shown.items()}
    for name, number in seconds.items():
        if number is None:
            yield Problem(".env", f"{name} is no number of seconds", f"write one, or remove the line: {_meant(name)}")
    waits = seconds["AGENT_API_RESPONSE_SECONDS"]
    if waits is not None and waits <= SHARING_SECONDS_MAX:
        detail = f"AGENT_API_RESPONSE_SECONDS ({shown['AGENT_API_RESPONSE_SECONDS']}) is not longer than"
        detail += f" the sharing of a large document may take ({SHARING_SECONDS_MAX})"
        yield Problem(".env", detail, f"raise it, or remove the line: {_meant('AGENT_API_RESPONSE_SECONDS')}")
    for order in ORDERS:
        longest, most = "", -math.inf
        for name in order:
            number = seconds[name]
            if number is None:
                continue
            if number <= most:
                detail = f"{name} ({shown[name]}) is not longer than {longest} ({shown[longest]})"
                cure = f"raise {name}, or lower {longest}: docs/compose.md, More replicas"
                yield Problem(".env", detail, cure)
            else:
                longest, most = name, number


def _seconds(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def _meant(name: str) -> str:
    return f"{name}={SETTINGS[name].in_compose or SETTINGS[name].default}"
