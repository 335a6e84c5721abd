"""Reading tool results of any shape, and picking the sentences that answer a question best."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import cast

_TITLE_KEYS = ("title", "document_title", "file_title", "document", "file_name", "filename", "name", "source")
_TEXT_KEYS = ("content", "text", "excerpt", "chunk", "passage", "snippet", "summary")
_TITLE_LINE = re.compile(r"^[#>*\s]*(?:document(?:\s+\d+)?|title|source|file)\s*:\s*\**(?P<title>[^\n]+?)\**\s*$", re.I)
_TITLE_ATTRIBUTE = re.compile(r"""<\w+[^>]*\b(?:title|name|source)=["'](?P<title>[^"']+)["'][^>]*>""", re.I)
_SENTENCE_END = re.compile(r"(?<=[.!?\u2026])\s+|(?<=[.!?\u2026][\"'\u00bb\u201d)\]])\s+|(?<=[\u3002\uff01\uff1f])|\n+")
_NOTHING = re.compile(
    r"^\W*(?:(?:there (?:is|are|was|were)|(?:i|we) found)\s+)?(?:no|none|nothing|0)\b"
    r"(?=.*\b(?:found|match\w*|available|yet|results?|exists?)\b|\W*$|\s+(?:\w+\s+)?(?:documents?|passages?)\W*$)[^.\n]*\W*$",
    re.I,
)
_MARKUP = re.compile(r"^(?:#{1,6}\s+|[-*+>]\s+|\d+[.)]\s+|\|)")
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a about an and any are as at be been but by can could did do does for from had has have how i if in into is it"
        " its me my no not of on or our please say says should so tell than that the their them then there these they"
        " this to us was we were what when where which who why will with would you your",
    )
)
_STEM_LETTERS = 5
_SENTENCE_CHARACTERS_MAX = 400


@dataclass(frozen=True)
class Passage:
    """A piece of a document, as a tool returned it."""

    title: str
    text: str
    page: int | None = None
    number: int | None = None

    @property
    def source(self) -> str:
        """How a quote names where it comes from, with the mark that cites the passage."""
        title = f"**{self.title or 'untitled document'}**"
        place = title if self.page is None else f"{title}, page {self.page}"
        return place if self.number is None else f"{place} [{self.number}]"


@dataclass(frozen=True)
class Quote:
    """A sentence of a document; `related` is False when it shares no word with the question."""

    source: str
    sentence: str
    related: bool


def read_passages(results: Sequence[str]) -> list[Passage]:
    """Every passage in the tool results, in their order."""
    passages: list[Passage] = []
    for result in results:
        try:
            value = cast(object, json.loads(result))
        except ValueError:
            passages += _from_text(result)
        else:
            passages += _from_text(value) if isinstance(value, str) else _from_json(value, "")
    return passages


def best_quotes(question: str, passages: Sequence[Passage], *, count: int = 3) -> list[Quote]:
    """The sentences that share most with the question, best first; rare words weigh more than common ones."""
    sentences = [(passage.source, sentence) for passage in passages for sentence in _sentences(passage.text)]
    stems = [_stems(sentence) for _, sentence in sentences]
    frequency = Counter(stem for found in stems for stem in found)
    wanted = _stems(question)
    scored: dict[str, tuple[float, int]] = {}
    for place, found in enumerate(stems):
        score = sum(1 / frequency[stem] ** 0.5 for stem in sorted(found & wanted))
        if score > 0:
            scored.setdefault(sentences[place][1], (-score, place))
    best = sorted(scored.values())[:count]
    if best:
        return [Quote(*sentences[place], related=True) for _, place in best]
    # Retrieval put its best guess first.
    return [Quote(*sentences[0], related=False)] if sentences else []


def first_document_id(results: Sequence[str]) -> str | None:
    """The id of the first document in a list that is indexed: lists are newest first."""
    for result in results:
        with suppress(ValueError):
            value = cast(object, json.loads(result))
            listed = cast(dict[str, object], value).get("documents") if isinstance(value, dict) else value
            for each in cast(list[object], listed) if isinstance(listed, list) else ():
                fields = cast(dict[str, object], each) if isinstance(each, dict) else {}
                found = fields.get("document_id")
                if isinstance(found, str) and fields.get("state", "indexed") == "indexed":
                    return found
    return None


def opening(passage: Passage, *, count: int = 3) -> list[Quote]:
    """How a document begins. Its pages here are pieces of text, not those of a file, so none is named."""
    source = replace(passage, page=None).source
    return [Quote(source, sentence, related=True) for sentence in islice(_sentences(passage.text), count)]


def _from_json(value: object, title: str) -> Iterator[Passage]:
    if isinstance(value, list):
        for item in cast(list[object], value):
            yield from _from_json(item, title)
    elif isinstance(value, str):
        yield from (Passage(title or passage.title, passage.text) for passage in _from_text(value))
    elif isinstance(value, dict):
        fields = cast(dict[str, object], value)
        title = _first_text(fields, _TITLE_KEYS) or title
        text = _first_text(fields, _TEXT_KEYS)
        nested: list[object] = [item for item in fields.values() if isinstance(item, list | dict)]
        if text or (title and not nested):
            yield Passage(title, text, _whole_number(fields.get("page")), _whole_number(fields.get("number")))
        for item in nested:
            yield from _from_json(item, title)


def _whole_number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _first_text(fields: dict[str, object], keys: Iterable[str]) -> str:
    for key in keys:
        value = fields.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""


def _from_text(text: str) -> Iterator[Passage]:
    """Split at lines that name a document; text before the first one has no title."""
    if not text.strip() or (len(text) < 200 and _NOTHING.match(text)):
        return
    title, lines = "", list[str]()
    for line in text.splitlines():
        named = _TITLE_LINE.match(line) or _TITLE_ATTRIBUTE.search(line)
        if named:
            if "".join(lines).strip():
                yield Passage(title, "\n".join(lines).strip())
            title, lines = named["title"].strip(), []
        else:
            lines.append(line)
    if title or "".join(lines).strip():
        yield Passage(title, "\n".join(lines).strip())


def _unwrapped(text: str) -> str:
    """One line a paragraph: authors break lines within sentences. Headings, lists and tables keep their lines."""
    lines: list[str] = []
    for line in text.splitlines():
        continues = bool(lines and lines[-1].strip() and line.strip())
        if continues and not _MARKUP.match(line.lstrip()) and not lines[-1].lstrip().startswith(("#", "|")):
            lines[-1] = f"{lines[-1].rstrip()} {line.strip()}"
        else:
            lines.append(line)
    return "\n".join(lines)


def _sentences(text: str) -> Iterator[str]:
    for part in _SENTENCE_END.split(_unwrapped(text)):
        if part.lstrip().startswith("#"):
            continue  # a heading names what is said, but does not say it
        sentence = _MARKUP.sub("", part.strip()).strip()
        if len(sentence.split()) >= 3 or (len(sentence) >= 12 and " " not in sentence):
            yield sentence if len(sentence) <= _SENTENCE_CHARACTERS_MAX else sentence[:_SENTENCE_CHARACTERS_MAX] + "…"


def _stems(text: str) -> frozenset[str]:
    """The words that carry meaning, cut short so that singular and plural meet."""
    words = re.findall(r"\w+", text.casefold())
    return frozenset(word[:_STEM_LETTERS] for word in words if word not in _STOP_WORDS)
