"""Marked words: `[[name]]` or `[[name:key=number,...]]` in the last user message steer the demo model."""

import re
from dataclasses import dataclass, field

from local_stack.demo_model.errors import ModelError
from local_stack.demo_model.settings import MARK_CHUNKS_MAX, MARK_PAUSE_MS_MAX

_MARK = re.compile(r"\[\[([a-z-]+)((?:[:=,][a-z0-9=,-]*)?)\]\]")

# Option -> (lowest, highest) for each mark.
_CHUNKS = (1, MARK_CHUNKS_MAX)
_PAUSE = (0, MARK_PAUSE_MS_MAX)
_KNOWN: dict[str, dict[str, tuple[int, int]]] = {
    "slow": {"chunks": _CHUNKS, "ms": _PAUSE},
    "chunks": {"chunks": _CHUNKS, "ms": _PAUSE},
    "fail": {"status": (400, 599)},
    "fail-midway": {"chunks": (0, MARK_CHUNKS_MAX)},
    "hang": {},
    "hang-midway": {"chunks": (0, MARK_CHUNKS_MAX)},
    "echo": {},
    "tool": {},
    "empty": {},
    "markdown": {},
}


@dataclass(frozen=True)
class Marks:
    """The marks of one prompt, each with its options, and the prompt without them."""

    rest: str
    options: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    # Verbatim text behind [[echo]]; marks in it are text.
    echo: str | None = None

    def __contains__(self, name: str) -> bool:
        return name in self.options

    def option(self, name: str, option: str, default: int) -> int:
        """The option's value, or the default."""
        return self.options.get(name, {}).get(option, default)


def read_marks(prompt: str) -> Marks:
    """Find the marks of a prompt; other words in double brackets are plain text.

    Raises ModelError 400 for a known mark with a wrong option.
    """
    found: dict[str, dict[str, int]] = {}
    rest: list[str] = []
    end = 0
    for match in _MARK.finditer(prompt):
        name, options = match[1], match[2]
        if name not in _KNOWN:
            continue
        # [[chunks=50,ms=20]] is short for [[chunks:chunks=50,ms=20]].
        found[name] = _read_options(name, f"chunks{options}" if options.startswith("=") else options[1:])
        rest.append(prompt[end : match.start()])
        end = match.end()
        if name == "echo":
            echo = prompt[end + 1 :] if prompt[end : end + 1].isspace() else prompt[end:]
            return Marks(rest="".join(rest).strip(), options=found, echo=echo)
    return Marks(rest="".join([*rest, prompt[end:]]).strip(), options=found)


def _read_options(mark: str, text: str) -> dict[str, int]:
    """Parse `key=number,key=number`."""
    limits = _KNOWN[mark]
    values: dict[str, int] = {}
    for item in filter(None, text.split(",")):
        name, _, number = item.partition("=")
        lowest, highest = limits.get(name, (1, 0))
        if not (number.isdigit() and lowest <= int(number) <= highest):
            known = ", ".join(f"{key}={low}..{high}" for key, (low, high) in limits.items()) or "none"
            raise ModelError(400, f"Mark [[{mark}]] cannot take {item!r}; its options: {known}", code="invalid_mark")
        values[name] = int(number)
    return values
