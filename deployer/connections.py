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
    """One line where Supabase's pooler in session mode counts each of them; empty elsewhere, or where none can say."""
    try:
        address = urlsplit(variables.get("DATABASE_URL", ""))
        counts = (address.hostname or "").endswith(POOLER) and (address.port or SESSION_PORT) == SESSION_PORT
        number = connections_max(variables)
    except ValueError:
        return ""
    if not counts:
        return ""
    return (
        f"{number} connections at most: the Supabase project's Pool Size must admit them (docs/operations.md, Capacity)"
    )


def connections_max(variables: Variables) -> int:
    """With every pool full, and some for operations. Raises ValueError where a number is none."""

    def number(name: str, reader: Reader) -> int:
        return int(variables.get(name) or SETTINGS[name].default_for(reader))

    replicas = number("AGENT_API_REPLICAS", API)
    # On a schedule there is one at a time.
    workers = max(1, number("RAG_PIPELINE_REPLICAS", WORKER))
    queue = OF_THE_QUEUE + min(number("RAG_WORKER_CONCURRENCY", WORKER), JOBS_COUNTED_MAX)
    of_the_api = replicas * (number("DATABASE_POOL_MAX_SIZE", API) + 1)
    return of_the_api + workers * (number("DATABASE_POOL_MAX_SIZE", WORKER) + queue) + FOR_OTHERS
