"""The questions, each with the passage that answers it, or with none; half of them are kept for the report."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

QUESTIONS = Path(__file__).with_name("questions.json")
Half = Literal["dev", "test"]


@dataclass(frozen=True)
class Question:
    """`quote` stands once in the document, in the passage that answers."""

    id: str
    question: str
    document: str | None = None
    quote: str = ""

    @property
    def half(self) -> Half:
        """Fixed by the id: nobody chooses."""
        return "dev" if hashlib.sha256(self.id.encode()).digest()[0] % 2 == 0 else "test"

    @property
    def is_answerable(self) -> bool:
        return self.document is not None


def read_questions() -> list[Question]:
    return [Question(**fields) for fields in json.loads(QUESTIONS.read_text(encoding="utf-8"))]


def words(text: str) -> str:
    """What is compared: words in lower case; markup, line ends and hyphens of a format do not count."""
    return " ".join(re.findall(r"\w+", text.lower()))


def occurrences(quote: str, text: str) -> int:
    """How often a quote stands in a text, word by word."""
    return f" {words(text)} ".count(f" {words(quote)} ")


def answering(quote: str, chunks: Sequence[str]) -> set[int]:
    """The positions of chunks that hold the quote; where a border cuts it, of those that hold its larger half."""
    found = {index for index, chunk in enumerate(chunks) if occurrences(quote, chunk)}
    if not found:
        parts = words(quote).split()
        # Spread over two chunks, one of them holds at least this much of its beginning or its end.
        half = -(-len(parts) // 2)
        ends = (" ".join(parts[:half]), " ".join(parts[-half:]))
        found = {index for index, chunk in enumerate(chunks) if any(occurrences(end, chunk) for end in ends)}
    return found
