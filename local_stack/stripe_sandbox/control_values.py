"""What the controls accept."""

from collections.abc import Callable
from typing import Any, TypeAlias

from local_stack.stripe_sandbox.errors import JsonObject, StripeError, invalid
from local_stack.stripe_sandbox.faults import KINDS, Fault
from local_stack.stripe_sandbox.settings import is_loopback_url

# Takes the value and its name; returns it or raises StripeError.
Check: TypeAlias = Callable[[Any, str], Any]

_SECONDS_MAX = 86_400
_RETRIES_MAX = 100


def whole_number(values: JsonObject, name: str, lowest: int, highest: int) -> int | None:
    """An optional number, from JSON or from a form."""
    return _whole(lowest, highest)(values[name], name) if name in values else None


def delivery_changes(values: JsonObject, *, has_secret: bool) -> JsonObject:
    """The delivery settings that are to change; raises StripeError naming the wrong one."""
    changes = _checked(values, _DELIVERIES)
    if changes.get("webhook_url") and not has_secret:
        raise _wrong("webhook_url", "needs a webhook secret, which is given at start")
    return changes


def fault_of(values: JsonObject) -> Fault:
    """A planned failure; raises StripeError naming what is wrong."""
    checked = _checked(values, _FAULT)
    if "kind" not in checked:
        raise _wrong("kind", f"must be one of {', '.join(KINDS)}")
    return Fault(**checked)


def _checked(values: JsonObject, checks: dict[str, Check]) -> JsonObject:
    for name in values:
        if name not in checks:
            raise _wrong(name, f"is not known; known are {', '.join(checks)}")
    return {name: checks[name](value, name) for name, value in values.items()}


def _wrong(name: str, words: str) -> StripeError:
    return invalid(f"{name} {words}.", param=name)


def _whole(lowest: int, highest: int) -> Check:
    def check(value: Any, name: str) -> int:
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
        if not isinstance(number, int) or isinstance(number, bool) or not lowest <= number <= highest:
            raise _wrong(name, f"must be a whole number from {lowest} to {highest}")
        return number

    return check


def _seconds(value: Any, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _SECONDS_MAX:
        raise _wrong(name, f"must be a number of seconds from 0 to {_SECONDS_MAX}")
    return float(value)


def _seconds_list(value: Any, name: str) -> list[float]:
    if not isinstance(value, list) or len(value) > _RETRIES_MAX:  # pyright: ignore[reportUnknownArgumentType]
        raise _wrong(name, f"must be a list of at most {_RETRIES_MAX} waits")
    return [_seconds(wait, name) for wait in value]  # pyright: ignore[reportUnknownVariableType]


def _flag(value: Any, name: str) -> bool:
    if value in (True, "true"):
        return True
    if value in (False, "false"):
        return False
    raise _wrong(name, "must be true or false")


def _one_of(*options: str) -> Check:
    def check(value: Any, name: str) -> str:
        if value not in options:
            raise _wrong(name, f"must be one of {', '.join(options)}")
        return value

    return check


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "must be a text")
    return value


def _local_address(value: Any, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not is_loopback_url(value):
        raise _wrong(name, "must be an http address on this machine")
    return value


_DELIVERIES: dict[str, Check] = {
    "paused": _flag,
    "duplicates": _whole(0, 100),
    "delay_seconds": _seconds,
    "jitter_seconds": _seconds,
    "order": _one_of("created", "reversed", "random"),
    "parallel": _whole(1, 64),
    "timeout_seconds": _seconds,
    "retry_seconds": _seconds_list,
    "webhook_url": _local_address,
}
_FAULT: dict[str, Check] = {
    "kind": _one_of(*KINDS),
    "times": _whole(1, 1000),
    "method": _one_of("GET", "POST", "DELETE", ""),
    "path": _text,
    "applied": _flag,
    "seconds": _seconds,
}
