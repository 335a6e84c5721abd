"""The search language of `files.list`, as far as this product uses it; everything else is refused."""

import re
from collections.abc import Callable
from typing import TypeAlias

from local_stack.google_drive.errors import invalid, not_simulated
from local_stack.google_drive.items import Item

Condition: TypeAlias = Callable[[Item, bool], bool]
"""Of an item and whether it lies in the trash."""

_WORDS = re.compile(r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<sign>[()]|!=|=)|(?P<word>[A-Za-z]+))")


def parse(question: str) -> Condition:
    """`'id' in parents`, `trashed = …`, `mimeType = …`, `name = …`, with and, or, not and brackets."""
    if not question.strip():
        return lambda item, trashed: True
    parser = _Parser(_split(question))
    condition = parser.any_of()
    if parser.words:
        raise invalid("q")
    return condition


def _split(question: str) -> list[str]:
    words: list[str] = []
    position = 0
    while position < len(question.rstrip()):
        found = _WORDS.match(question, position)
        if found is None:
            raise invalid("q")
        words.append(found[0].strip())
        position = found.end()
    return words


class _Parser:
    def __init__(self, words: list[str]) -> None:
        self.words = words

    def any_of(self) -> Condition:
        parts = [self._all_of()]
        while self._takes("or"):
            parts.append(self._all_of())
        return lambda item, trashed: any(part(item, trashed) for part in parts)

    def _all_of(self) -> Condition:
        parts = [self._one()]
        while self._takes("and"):
            parts.append(self._one())
        return lambda item, trashed: all(part(item, trashed) for part in parts)

    def _one(self) -> Condition:
        if self._takes("not"):
            inner = self._one()
            return lambda item, trashed: not inner(item, trashed)
        if self._takes("("):
            inner = self.any_of()
            self._must(")")
            return inner
        word = self._next()
        if word.startswith("'"):
            self._must("in")
            self._must("parents")
            parent = _text(word)
            return lambda item, trashed: parent in item.parents
        return self._comparison(word)

    def _comparison(self, field: str) -> Condition:
        sign = self._next()
        if sign not in ("=", "!="):
            raise not_simulated(f"the operator {sign!r} in q")
        value = self._next()
        if field == "trashed" and value in ("true", "false"):
            return lambda item, trashed: (trashed is (value == "true")) is (sign == "=")
        text = _text(value)
        if field == "mimeType":
            return lambda item, trashed: (item.mime_type == text) is (sign == "=")
        if field == "name":
            return lambda item, trashed: (item.name == text) is (sign == "=")
        raise not_simulated(f"the field {field!r} in q")

    def _takes(self, word: str) -> bool:
        if self.words and self.words[0] == word:
            self.words.pop(0)
            return True
        return False

    def _must(self, word: str) -> None:
        if not self._takes(word):
            raise invalid("q")

    def _next(self) -> str:
        if not self.words:
            raise invalid("q")
        return self.words.pop(0)


def _text(word: str) -> str:
    if not word.startswith("'"):
        raise invalid("q")
    return re.sub(r"\\(.)", r"\1", word[1:-1])
