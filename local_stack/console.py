"""What a person sees while the stack starts."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager


class StackError(RuntimeError):
    """Something a person must see: one line that names the cause and what to do."""


class Console:
    """Prints lines with the seconds since the start; safe to use from several threads."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._lock = threading.Lock()

    @property
    def elapsed_seconds(self) -> float:
        return time.monotonic() - self._started

    def line(self, text: str = "") -> None:
        with self._lock:
            print(text, flush=True)

    def event(self, text: str) -> None:
        self.line(f"[{self.elapsed_seconds:6.1f} s] {text}")

    @contextmanager
    def step(self, title: str) -> Generator[None]:
        """Announce a step that takes a while and how long it took."""
        began = time.monotonic()
        self.event(f"{title} ...")
        yield
        self.event(f"{title}: {time.monotonic() - began:.1f} s")

    @staticmethod
    def fail(text: str) -> int:
        print(text, file=sys.stderr, flush=True)
        return 1
