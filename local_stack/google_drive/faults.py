"""Failures on demand: what a client must survive."""

import asyncio
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from local_stack.google_drive.errors import Json

Kind: TypeAlias = Literal[
    "too_many_requests",
    "rate_limit",
    "user_rate_limit",
    "server_error",
    "unavailable",
    "slow",
    "hold",
    "truncated",
    "garbage",
    "corrupt",
    "expired",
    "incomplete_search",
    "lag",
    "forbidden",
    "api_disabled",
]
_HELD_SECONDS_MAX = 240
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass
class Fault:
    """After `skip` requests that match, `times` of them fail. `path` is the beginning of theirs."""

    kind: Kind
    times: int = 1
    skip: int = 0
    path: str = "/drive/v3/"
    parameter: str = ""
    """`name=value` in the query, or `name` alone."""
    seconds: float = 60
    retry_after_seconds: int | None = None

    def matches(self, path: str, parameters: dict[str, str]) -> bool:
        if not path.startswith(self.path):
            return False
        name, _, value = self.parameter.partition("=")
        return not name or (name in parameters and (not value or parameters[name] == value))


@dataclass
class Faults:
    """Those that are planned."""

    planned: list[Fault] = field(default_factory=list[Fault])
    _held: asyncio.Event = field(default_factory=asyncio.Event)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def pause(self, fault: Fault) -> None:
        """Wait as the fault wants it: for a time, or until somebody releases what is held."""
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "hold":
            self._held.set()
            await asyncio.wait_for(self._released.wait(), fault.seconds)

    async def wait_until_held(self) -> None:
        await asyncio.wait_for(self._held.wait(), _HELD_SECONDS_MAX)

    def release(self) -> None:
        self._released.set()
        self._held, self._released = asyncio.Event(), asyncio.Event()

    def take(self, path: str, parameters: dict[str, str]) -> Fault | None:
        """The fault of this request, counted down."""
        for fault in self.planned:
            if not fault.matches(path, parameters):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self.planned.remove(fault)
            return fault
        return None

    def add(self, values: dict[str, Any]) -> None:
        """Raises TypeError or ValueError for what no fault is."""
        fault = Fault(**values)
        if fault.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        self.planned.append(fault)

    def as_json(self) -> list[Json]:
        return [asdict(fault) for fault in self.planned]
