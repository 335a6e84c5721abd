"""How many connections the settings may open, where a pooler counts them: docs/operations.md, Capacity."""

from __future__ import annotations

from urllib.parse import urlsplit

from deployer.settings import SETTINGS
from deployer.settings.model import API, WORKER, Reader, Variables

POOLER = ".pooler.supabase.com"
SESSION_PORT = 5432
OF_THE_QUEUE, JOBS_COUNTED_MAX = 4, 10
"""The worker's queue: its own, and one for each document under way, up to ten."""
FOR_OTHERS = 10
"""Upgrades, backups, doctor."""


def note_on_connections(variables: Variables) -> str:
    """One line where Supabase's pooler in session mode counts them; empty elsewhere, or where the settings say none."""
    for name, count in (("DATABASE_URL", connections_max), ("DATABASE_SESSION_URL", sessions_max)):
        try:
            address = urlsplit(variables.get(name, ""))
            if (address.hostname or "").endswith(POOLER) and (address.port or SESSION_PORT) == SESSION_PORT:
                return (
                    f"{count(variables)} connections at most: the Supabase project's Pool Size must admit them"
                    " (docs/operations.md, Capacity)"
                )
        except ValueError:
            continue
    return ""


def connections_max(variables: Variables) -> int:
    """With every pool full, and some for operations. Raises ValueError where a number is none."""
    of_the_api = _replicas(variables) * (_number(variables, "DATABASE_POOL_MAX_SIZE", API) + 1)
    of_a_worker = _number(variables, "DATABASE_POOL_MAX_SIZE", WORKER) + _queue(variables)
    return of_the_api + _workers(variables) * of_a_worker + FOR_OTHERS


def sessions_max(variables: Variables) -> int:
    """What still needs a session where all else shares connections: one of each API process, and the queue."""
    return _replicas(variables) + _workers(variables) * _queue(variables) + FOR_OTHERS


def _replicas(variables: Variables) -> int:
    return _number(variables, "AGENT_API_REPLICAS", API)


def _workers(variables: Variables) -> int:
    # On a schedule there is one at a time.
    return max(1, _number(variables, "RAG_PIPELINE_REPLICAS", WORKER))


def _queue(variables: Variables) -> int:
    return OF_THE_QUEUE + min(_number(variables, "RAG_WORKER_CONCURRENCY", WORKER), JOBS_COUNTED_MAX)


def _number(variables: Variables, name: str, reader: Reader) -> int:
    return int(variables.get(name) or SETTINGS[name].default_for(reader))
