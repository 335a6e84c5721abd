"""What a run has done so far: counted for its report, and shown as a bar where a person watches a terminal."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from rag_pipeline.ingest import Outcome

log = structlog.stdlib.get_logger(__name__)

PROCESSED = frozenset({"indexed", "unchanged", "not_indexed"})


@dataclass
class Tally:
    """Counts of one run."""

    began_at: float = field(default_factory=time.monotonic)
    files_deleted: int = 0
    errors: int = 0
    chunks: int = 0
    waiting: int = 0
    _ended: dict[str, bool] = field(default_factory=dict[str, bool])

    def add(self, document_id: str, outcome: Outcome) -> None:
        """Count a finished job; of a document's several jobs the last one decides."""
        if outcome.status == "gone":
            self._ended.pop(document_id, None)
            return
        self._ended[document_id] = outcome.status in PROCESSED
        self.chunks += outcome.chunks

    @property
    def files_processed(self) -> int:
        return sum(self._ended.values())

    @property
    def files_failed(self) -> int:
        return len(self._ended) - self.files_processed

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began_at


class Board:
    """Shows a tally."""

    def __init__(self, bar: Progress | None) -> None:
        self.tally = Tally()
        self._bar = bar
        self._task = bar.add_task("indexing", total=None) if bar is not None else None

    @property
    def is_shown(self) -> bool:
        return self._bar is not None

    def document(self, document_id: str, outcome: Outcome) -> None:
        """A job has ended."""
        self.tally.add(document_id, outcome)
        self.tally.waiting = max(0, self.tally.waiting - 1)
        # A person who watches the bar need not read a line for each of a thousand files.
        tell = log.debug if self.is_shown else log.info
        tell("document_done", document_id=document_id, status=outcome.status, chunks=outcome.chunks)
        self.refresh()

    def refresh(self) -> None:
        if self._bar is None or self._task is None:
            return
        tally = self.tally
        done = tally.files_processed + tally.files_failed
        rate = tally.chunks / max(tally.seconds, 0.001)
        text = f"{done} of {done + tally.waiting} files, {tally.chunks} chunks, {rate:.1f} chunks/s"
        if tally.files_failed:
            text += f", {tally.files_failed} failed"
        self._bar.update(self._task, completed=done, total=done + tally.waiting, description=text)


@contextmanager
def open_board() -> Generator[Board]:
    """A board with a bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield Board(None)
        return
    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=False, redirect_stdout=False) as bar:
        yield Board(bar)
