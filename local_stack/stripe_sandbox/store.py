"""State in one SQLite file: objects as Stripe shows them, deliveries, remembered replies, controls."""

import json
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_stack.stripe_sandbox.errors import JsonObject, missing

_SCHEMA = """
create table if not exists objects (
    position integer primary key autoincrement,
    id text not null unique,
    kind text not null,
    created integer not null,
    body text not null,
    -- What Stripe knows and does not show.
    hidden text not null default '{}'
);
create index if not exists objects_by_kind on objects (kind, position);
create index if not exists objects_by_payment_intent on objects (kind, json_extract(body, '$.payment_intent'));
create index if not exists objects_by_charge on objects (kind, json_extract(body, '$.charge'));
create index if not exists objects_by_customer on objects (kind, json_extract(body, '$.customer'));
create table if not exists deliveries (
    id integer primary key autoincrement,
    event_id text not null,
    status text not null check (status in ('pending', 'delivered', 'failed')),
    attempts integer not null default 0,
    due_at real not null,
    answered_status integer,
    error text
);
create index if not exists deliveries_pending on deliveries (due_at) where status = 'pending';
create index if not exists deliveries_by_event on deliveries (event_id);
create table if not exists idempotent_replies (
    key text primary key,
    endpoint text not null,
    fingerprint text not null,
    request_id text not null,
    status integer not null,
    body text not null,
    created integer not null
);
create table if not exists controls (name text primary key, value text not null);
"""


class Store:
    """One connection, used by one thread; no transaction stays open across an await."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("pragma journal_mode = wal")
        self.connection.execute("pragma synchronous = normal")
        self.connection.execute("pragma busy_timeout = 5000")
        self.connection.executescript(_SCHEMA)

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing."""
        self.connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self.connection.execute("rollback")
            raise
        self.connection.execute("commit")

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """Like transaction, inside one."""
        self.connection.execute("savepoint inner_work")
        try:
            yield
        except BaseException:
            self.connection.execute("rollback to inner_work")
            self.connection.execute("release inner_work")
            raise
        self.connection.execute("release inner_work")

    def insert(self, body: JsonObject, *, created: int, hidden: JsonObject | None = None) -> None:
        self.connection.execute(
            "insert into objects (id, kind, created, body, hidden) values (?, ?, ?, ?, ?)",
            (body["id"], body["object"], created, json.dumps(body), json.dumps(hidden or {})),
        )

    def save(self, body: JsonObject) -> None:
        changed = self.connection.execute("update objects set body = ? where id = ?", (json.dumps(body), body["id"]))
        assert changed.rowcount == 1

    def replace(self, identifier: str, kind: str, body: JsonObject) -> None:
        """Turn an object into another kind, such as a deleted customer."""
        self.connection.execute(
            "update objects set kind = ?, body = ? where id = ?", (kind, json.dumps(body), identifier)
        )

    def find(self, kind: str, identifier: str) -> JsonObject | None:
        row = self.connection.execute(
            "select body from objects where id = ? and kind = ?", (identifier, kind)
        ).fetchone()
        return None if row is None else json.loads(row["body"])

    def get(self, kind: str, identifier: str, *, param: str = "id") -> JsonObject:
        """The object; raises Stripe's resource_missing, naming `param`."""
        found = self.find(kind, identifier)
        if found is None:
            raise missing(kind, identifier, param=param)
        return found

    def hidden(self, identifier: str) -> JsonObject:
        row = self.connection.execute("select hidden from objects where id = ?", (identifier,)).fetchone()
        return json.loads(row["hidden"])

    def save_hidden(self, identifier: str, hidden: JsonObject) -> None:
        self.connection.execute("update objects set hidden = ? where id = ?", (json.dumps(hidden), identifier))

    def select(
        self,
        kind: str,
        *,
        where: Sequence[tuple[str, Sequence[object]]] = (),
        fields: Mapping[str, object] | None = None,
        limit: int = 1000,
        oldest_first: bool = False,
    ) -> list[JsonObject]:
        """Objects of a kind, newest first; `where` holds conditions of our own with their values."""
        conditions = ["kind = ?", *(condition for condition, _ in where)]
        values: list[object] = [kind, *(value for _, group in where for value in group)]
        for name, value in (fields or {}).items():
            # Field names come from our own code, and an expression index needs them as text.
            conditions.append(f"json_extract(body, '$.{name}') = ?")
            values.append(value)
        direction = "asc" if oldest_first else "desc"
        query = f"select body from objects where {' and '.join(conditions)} order by position {direction} limit ?"  # noqa: S608 - own names only
        return [json.loads(row["body"]) for row in self.connection.execute(query, (*values, limit))]

    def position(self, kind: str, identifier: str, *, param: str) -> int:
        row = self.connection.execute(
            "select position from objects where id = ? and kind = ?", (identifier, kind)
        ).fetchone()
        if row is None:
            raise missing(kind, identifier, param=param)
        return row["position"]

    def control(self, name: str, default: Any) -> Any:
        row = self.connection.execute("select value from controls where name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row["value"])

    def set_control(self, name: str, value: Any) -> None:
        self.connection.execute(
            "insert or replace into controls (name, value) values (?, ?)", (name, json.dumps(value))
        )

    def clear(self) -> None:
        """Forget everything, as a new file would."""
        for table in ("objects", "deliveries", "idempotent_replies", "controls"):
            self.connection.execute(f"delete from {table}")  # noqa: S608 - own names only
