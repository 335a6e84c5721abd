"""What a ranking is worth. Every question has one passage; it may stand in two chunks where they overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2
from statistics import mean


@dataclass(frozen=True)
class Answer:
    """Where the passage came in a ranking (from 1; None: not at all), and the pages, where the document has any."""

    rank: int | None
    page: int | None = None
    """On which the passage stands."""
    named_page: int | None = None
    """Which the chunk that holds it names."""


@dataclass(frozen=True)
class Figures:
    """Of one way to search. `pages`: right ones of those named among the first five."""

    recall_5: float
    recall_20: float
    ndcg_10: float
    pages: tuple[int, int]

    def line(self, title: str, width: int) -> str:
        right, of = self.pages
        pages = f"{right / of:6.1%} ({right} of {of})" if of else "     -"
        return f"{title:{width}} {self.recall_5:9.1%} {self.recall_20:10.1%} {self.ndcg_10:8.3f}   {pages}"


def figures(answers: Sequence[Answer]) -> Figures:
    """Over all questions that have an answer; at least one."""
    paged = [one for one in answers if one.page is not None and _is_within(one, 5)]
    return Figures(
        recall_5=mean(_is_within(one, 5) for one in answers),
        recall_20=mean(_is_within(one, 20) for one in answers),
        # One relevant passage: the best possible gain is 1.
        ndcg_10=mean(1 / log2(1 + one.rank) if one.rank is not None and one.rank <= 10 else 0 for one in answers),
        pages=(sum(one.page == one.named_page for one in paged), len(paged)),
    )


def _is_within(answer: Answer, count: int) -> bool:
    return answer.rank is not None and answer.rank <= count


def separation(answered: Sequence[float], unanswered: Sequence[float]) -> float:
    """How often a question with an answer scores above one without (ties count half): 1 is perfect, 0.5 is chance."""
    pairs = [(one > other) + (one == other) / 2 for one in answered for other in unanswered]
    return mean(pairs) if pairs else 0.5


def threshold_keeping(scores: Sequence[float], share: float) -> float:
    """The highest threshold that at least this share of the scores reaches."""
    ordered = sorted(scores, reverse=True)
    return ordered[ceil(len(ordered) * share) - 1]
