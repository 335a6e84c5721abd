"""This machine's clock against those of its neighbours. Signatures and jwts stop to hold when they differ."""

import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from agent_api.doctor.findings import Finding, fail, ok, warn

DIFFERENCE_SECONDS_MAX = 60


@dataclass
class Clock:
    """Differences in seconds by who was asked; positive: this machine is ahead."""

    differences: dict[str, float] = field(default_factory=dict[str, float])

    def compare(self, who: str, seconds_since_1970: float) -> None:
        """Note what another clock says now."""
        self.differences[who] = time.time() - seconds_since_1970

    def compare_header(self, who: str, date: str | None) -> None:
        """Note the Date header of an answer that has just arrived."""
        try:
            self.compare(who, parsedate_to_datetime(date or "").timestamp())
        except ValueError:
            return

    def finding(self) -> Finding:
        """Whether all agree."""
        if not self.differences:
            return warn("clock", "nobody could be asked for the time", "mend what failed, then run this again")
        who, worst = max(self.differences.items(), key=lambda item: abs(item[1]))
        if abs(worst) <= DIFFERENCE_SECONDS_MAX:
            return ok("clock", f"within {DIFFERENCE_SECONDS_MAX} s of {', '.join(self.differences)}")
        side = "ahead of" if worst > 0 else "behind"
        return fail(
            "clock",
            f"this machine is {abs(worst):.0f} s {side} {who}",
            "switch time synchronisation on (NTP: `timedatectl set-ntp true`); signatures of Stripe hold for 300 s,"
            " sign-ins for less",
        )
