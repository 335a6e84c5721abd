"""One key, one effect: a repeat gets the first answer again."""

import hashlib
import json
from dataclasses import dataclass

from local_stack.stripe_sandbox.endpoints import Reply
from local_stack.stripe_sandbox.errors import StripeError
from local_stack.stripe_sandbox.settings import IDEMPOTENCY_KEPT_SECONDS, IDEMPOTENCY_KEY_CHARACTERS_MAX
from local_stack.stripe_sandbox.store import Store


@dataclass(frozen=True)
class Remembered:
    reply: Reply
    original_request_id: str


def fingerprint_of(raw: object) -> str:
    """The same for the same parameters in any order."""
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()


def recall(store: Store, key: str, *, path: str, fingerprint: str) -> Remembered | None:
    """The first answer under this key; raises Stripe's idempotency_error if that request was another one."""
    if len(key) > IDEMPOTENCY_KEY_CHARACTERS_MAX:
        message = f"Idempotency keys can have up to {IDEMPOTENCY_KEY_CHARACTERS_MAX} characters."
        raise StripeError(400, message, type="idempotency_error", remembered=False)
    row = store.connection.execute("select * from idempotent_replies where key = ?", (key,)).fetchone()
    if row is None:
        return None
    if row["endpoint"] != path:
        message = "Keys for idempotent requests can only be used for the same endpoint they were first used for "
        message += f"('{path}' vs '{row['endpoint']}'). Try using a key other than '{key}' if you meant to execute a "
        raise StripeError(400, f"{message}different request.", type="idempotency_error", remembered=False)
    if row["fingerprint"] != fingerprint:
        message = "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        message += f"Try using a key other than '{key}' if you meant to execute a different request."
        raise StripeError(400, message, type="idempotency_error", remembered=False)
    return Remembered(Reply(row["status"], json.loads(row["body"])), row["request_id"])


def remember(store: Store, key: str, *, path: str, fingerprint: str, request_id: str, reply: Reply, now: int) -> None:
    store.connection.execute(
        "insert into idempotent_replies (key, endpoint, fingerprint, request_id, status, body, created) "
        "values (?, ?, ?, ?, ?, ?, ?)",
        (key, path, fingerprint, request_id, reply.status, json.dumps(reply.body), now),
    )


def forget_old(store: Store, now: int) -> None:
    """Stripe keeps keys for 24 hours."""
    store.connection.execute("delete from idempotent_replies where created < ?", (now - IDEMPOTENCY_KEPT_SECONDS,))
