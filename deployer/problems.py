"""What stands in the way, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One line of a report, as the doctor writes it."""

    name: str
    detail: str
    cure: str
    is_fatal: bool = True

    def lines(self, *, is_rehearsal: bool) -> str:
        """As printed; in a rehearsal nothing is fatal."""
        level = "FAIL" if self.is_fatal and not is_rehearsal else "warn"
        return f"{level:<4}  {self.name:<16}  {self.detail}\n      → {self.cure}"


def report(problems: Sequence[Problem], *, is_rehearsal: bool) -> bool:
    """Print all of them at once. Returns whether something has to be done first."""
    for problem in problems:
        print(problem.lines(is_rehearsal=is_rehearsal), flush=True)
    fatal = sum(problem.is_fatal for problem in problems)
    if fatal and not is_rehearsal:
        print(f"\nnothing was done: {fatal} to mend first", flush=True)
    return bool(fatal) and not is_rehearsal
