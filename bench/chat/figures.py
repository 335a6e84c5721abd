"""From what was measured to figures, and from figures to goals."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from statistics import median
from typing import Any

CPU_MS_MAX = 12.0
CPU_OF_PEER_MAX = 1 / 4
FIRST_TOKEN_OF_PEER_MAX = 1 / 10
RATE_OF_PEER_MIN = 5.0
RATE_MIN = 92.0
SLOWEST_OF_MEDIAN_MAX = 2.0


@dataclass(frozen=True)
class Round:
    """One way at one number of streams, once; times in milliseconds."""

    cpu_ms: float
    """CPU per answer of the way's process."""
    first_median_ms: float
    first_p95_ms: float
    answers_per_second: float
    slowest_of_median: float
    generator_busy: float
    """Share of one core that the load generator used."""
    broken: float = 0
    """Answers that were refused or broke off; all other figures are of the complete ones."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def make_round(result: dict[str, Any], *, wall_seconds: float, busy: float, cpu_seconds: float) -> Round:
    """The figures of one round, from the generator's times in seconds."""
    first: list[float] = result["first_seconds"]
    whole: list[float] = result["answer_seconds"]
    return Round(
        cpu_ms=cpu_seconds / len(whole) * 1000,
        first_median_ms=median(first) * 1000,
        first_p95_ms=percentile(first, 0.95) * 1000,
        answers_per_second=len(whole) / wall_seconds,
        slowest_of_median=max(whole) / median(whole),
        generator_busy=busy,
        broken=result["broken"],
    )


def median_round(rounds: Sequence[Round]) -> Round:
    """Each figure's median; broken answers are added up, because a median would hide them."""
    middle = Round(*(median(getattr(r, field.name) for r in rounds) for field in fields(Round)))
    return replace(middle, broken=sum(r.broken for r in rounds))


def added(way: Round, direct: Round) -> tuple[float, float]:
    """Median and p95 of the time to the first text, less that of the model asked directly."""
    return way.first_median_ms - direct.first_median_ms, way.first_p95_ms - direct.first_p95_ms


@dataclass(frozen=True)
class Goal:
    """A goal of DESIGN.md with what was measured."""

    text: str
    measured: str
    is_met: bool

    def line(self) -> str:
        return f"{'met   ' if self.is_met else 'MISSED'}  {self.text}: {self.measured}"


def judge(streams: int, api: Round, direct: Round, peer: Round | None) -> list[Goal]:
    """The goals that DESIGN.md states for this number of streams."""
    goals: list[Goal] = []
    if streams == 32:
        goals.append(
            Goal(f"CPU per answer at most {CPU_MS_MAX:.0f} ms", f"{api.cpu_ms:.1f} ms", api.cpu_ms <= CPU_MS_MAX)
        )
        if peer is not None:
            share = api.cpu_ms / peer.cpu_ms
            goals.append(Goal("CPU per answer at most 1/4 of LiteLLM's", f"{share:.2f}", share <= CPU_OF_PEER_MAX))
    if streams in (32, 128) and peer is not None:
        ours, theirs = added(api, direct)[0], added(peer, direct)[0]
        is_met = ours <= theirs * FIRST_TOKEN_OF_PEER_MAX
        goals.append(
            Goal(
                "first token at most 1/10 of LiteLLM's", f"{ours:.1f} of {theirs:.0f} ms = {ours / theirs:.3f}", is_met
            )
        )
    if streams == 512:
        rate = api.answers_per_second
        goals.append(Goal(f"at least {RATE_MIN:.0f} answers/s", f"{rate:.0f}", rate >= RATE_MIN))
        if peer is not None:
            times = rate / peer.answers_per_second
            goals.append(Goal("at least 5 times LiteLLM's answers/s", f"{times:.1f} times", times >= RATE_OF_PEER_MIN))
    slowest = api.slowest_of_median
    goals.append(Goal("slowest answer under twice the median", f"{slowest:.2f} times", slowest < SLOWEST_OF_MEDIAN_MAX))
    goals.append(Goal("every answer complete", f"{api.broken:.0f} broken", api.broken == 0))
    return goals
