"""Short titles for conversations, made of the person's own words."""

import re

from local_stack.demo_model.errors import ModelError
from local_stack.demo_model.marks import read_marks
from local_stack.demo_model.schemas import ChatRequest

_ASKS_FOR_TITLE = re.compile(
    r"\b(?:short|brief|concise|few)\b(?:\W+\w+){0,5}?\W+title\b|\btitle\b(?:\W+\w+){0,6}?\W+(?:conversation|chat)\b",
    re.I,
)
_FILLER = re.compile(
    r"^(?:(?:please|hi|hello|hey|can you|could you|would you|tell me|explain|what(?:'s| is| are)"
    r"|how (?:do|does|can) (?:i|we|you)|how|who|where|when|why|which|do you know"
    r"|i want to know|the|a|an|about|is|are)\b\W*)+",
    re.I,
)
_WORDS_MAX = 6
_CHARACTERS_MAX = 50


def is_title_request(request: ChatRequest) -> bool:
    """True when the instructions ask for a short title."""
    instructions = (message.text() for message in request.messages if message.role in ("system", "developer"))
    return any(_ASKS_FOR_TITLE.search(text) for text in instructions)


def make_title(prompt: str) -> str:
    """At most six words and 50 characters."""
    try:
        text = read_marks(prompt)
    except ModelError:
        words = prompt
    else:
        words = text.echo if text.echo is not None else text.rest
    line = " ".join(words.split())
    line = re.sub(r"^(?:user|human|question|message)\s*:\s*", "", line, flags=re.I)
    line = re.split(r"\s(?:assistant|ai|answer)\s*:\s", line, maxsplit=1, flags=re.I)[0]
    line = _FILLER.sub("", line) or line
    title = " ".join(line.split()[:_WORDS_MAX])[:_CHARACTERS_MAX].strip(" .,;:!?\"'`")
    return title[:1].upper() + title[1:] if title else "New conversation"
