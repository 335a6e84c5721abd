"""Deliveries that are due, kept in the state file: a restart loses none and may repeat one."""

import random
import time
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from local_stack.stripe_sandbox.errors import JsonObject
from local_stack.stripe_sandbox.store import Store

Order: TypeAlias = Literal["created", "reversed", "random"]


@dataclass(frozen=True)
class DeliveryControls:
    """How deliveries misbehave on demand; kept over restarts."""

    paused: bool = False
    # Further copies of each event, beyond the first.
    duplicates: int = 0
    delay_seconds: float = 0
    # Up to this much more, at random: events then overtake each other.
    jitter_seconds: float = 0
    order: Order = "created"
    # Deliveries under way at once; 1 makes `order` exact.
    parallel: int = 8
    timeout_seconds: float = 10
    retry_seconds: tuple[float, ...] = ()
    webhook_url: str | None = None


@dataclass(frozen=True)
class Delivery:
    id: int
    event_id: str
    attempts: int


def controls(store: Store, defaults: DeliveryControls | None = None) -> DeliveryControls:
    saved = store.control("deliveries", {})
    if "retry_seconds" in saved:
        saved["retry_seconds"] = tuple(saved["retry_seconds"])
    return DeliveryControls(**{**asdict(defaults or DeliveryControls()), **saved})


def change_controls(store: Store, changes: JsonObject) -> None:
    store.set_control("deliveries", {**store.control("deliveries", {}), **changes})


def enqueue(store: Store, event_id: str) -> None:
    """Plan the deliveries of a new event."""
    current = controls(store)
    for _ in range(1 + current.duplicates):
        due_at = time.time() + current.delay_seconds + random.uniform(0, current.jitter_seconds)  # noqa: S311 - no secret
        add(store, event_id, due_at)


def add(store: Store, event_id: str, due_at: float) -> None:
    store.connection.execute(
        "insert into deliveries (event_id, status, due_at) values (?, 'pending', ?)", (event_id, due_at)
    )


def due(store: Store, *, order: Order, exclude: set[int], limit: int) -> list[Delivery]:
    """Deliveries to make now, in the wanted order."""
    ordering = {"created": "id asc", "reversed": "id desc", "random": "random()"}[order]
    marks = ", ".join("?" * len(exclude))
    query = (
        "select id, event_id, attempts from deliveries where status = 'pending' and due_at <= ? "  # noqa: S608 - own text only
        f"and id not in ({marks}) order by {ordering} limit ?"
    )
    rows = store.connection.execute(query, (time.time(), *exclude, limit))
    return [Delivery(row["id"], row["event_id"], row["attempts"]) for row in rows]


def make_all_due(store: Store) -> int:
    """Let nothing wait any longer. Returns how many deliveries that concerned."""
    now = time.time()
    changed = store.connection.execute(
        "update deliveries set due_at = ? where status = 'pending' and due_at > ?", (now, now)
    )
    return changed.rowcount


def next_due_at(store: Store) -> float | None:
    row = store.connection.execute("select min(due_at) as moment from deliveries where status = 'pending'").fetchone()
    return row["moment"]


def record(
    store: Store, delivery: Delivery, *, status: int | None, error: str | None, retry_seconds: tuple[float, ...]
) -> None:
    """Store the outcome of an attempt and plan the next, if one is left."""
    attempts = delivery.attempts + 1
    delivered = status is not None and 200 <= status < 300
    outcome, due_at = "delivered" if delivered else "failed", time.time()
    if not delivered and attempts <= len(retry_seconds):
        outcome, due_at = "pending", due_at + retry_seconds[attempts - 1]
    store.connection.execute(
        "update deliveries set status = ?, attempts = ?, due_at = ?, answered_status = ?, error = ? where id = ?",
        (outcome, attempts, due_at, status, error, delivery.id),
    )


def pending_count(store: Store, event_id: str | None = None) -> int:
    """Deliveries still to be made, of one event or of all."""
    query = "select count(*) as number from deliveries where status = 'pending'"
    if event_id is None:
        return store.connection.execute(query).fetchone()["number"]
    return store.connection.execute(f"{query} and event_id = ?", (event_id,)).fetchone()["number"]


def attempts_of(store: Store, event_id: str | None, limit: int) -> list[JsonObject]:
    """Deliveries for a person or a test to look at, newest first."""
    rows = store.connection.execute(
        "select d.id, d.event_id, json_extract(o.body, '$.type') as event_type, d.status, d.attempts, "
        "d.due_at, d.answered_status, d.error from deliveries d join objects o on o.id = d.event_id "
        "where ?1 is null or d.event_id = ?1 order by d.id desc limit ?2",
        (event_id, limit),
    )
    return [dict(row) for row in rows]
