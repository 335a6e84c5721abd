"""What a check says, and how a check runs: within a time limit, never stopping the others, never showing a secret."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

Level = Literal["ok", "warn", "FAIL"]
CHECK_SECONDS_MAX = 20.0
NAMES_MAX = 5


@dataclass(frozen=True)
class Finding:
    """One line of the report; `cure` says what to do and is empty only where nothing is to be done."""

    level: Level
    name: str
    detail: str
    cure: str = ""

    def __post_init__(self) -> None:
        assert self.level == "ok" or self.cure, "whoever names a fault says what to do"

    def lines(self) -> str:
        """As printed."""
        line = f"{self.level:<4}  {self.name:<16}  {self.detail}"
        return f"{line}\n      → {self.cure}" if self.cure else line


Findings = list[Finding]


def ok(name: str, detail: str) -> Finding:
    """Nothing to do."""
    return Finding("ok", name, detail)


def warn(name: str, detail: str, cure: str) -> Finding:
    """It runs, and somebody should look."""
    return Finding("warn", name, detail, cure)


def fail(name: str, detail: str, cure: str) -> Finding:
    """Something does not work, or is open that must be closed."""
    return Finding("FAIL", name, detail, cure)


async def run_check(
    name: str, check: Callable[[], Awaitable[Findings]], *, cure: str, seconds_max: float = CHECK_SECONDS_MAX
) -> Findings:
    """Run one check. `cure` is what to do where it ends in a way that it does not know."""
    try:
        async with asyncio.timeout(seconds_max):
            return await check()
    except TimeoutError:
        return [fail(name, f"no answer within {seconds_max:g} s", cure)]
    except Exception as error:
        # Only the kind: messages of drivers and clients may carry addresses with passwords.
        return [fail(name, f"could not be examined ({type(error).__name__})", cure)]


def shown(url: str) -> str:
    """An address without what may be secret in it."""
    parts = urlsplit(url)
    host = parts.hostname or "?"
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"


def listed(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - NAMES_MAX
    return ", ".join(names[:NAMES_MAX]) + (f" and {more} more" if more > 0 else "")
