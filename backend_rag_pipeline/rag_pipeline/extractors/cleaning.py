"""Text as it may be stored and shown: no NUL, no half characters, nothing that hides or reorders."""

import re
import unicodedata

# C0 and C1 controls except tab and newline; Postgres refuses NUL.
# Bidirectional overrides show a text in another order than it has; tag characters (U+E0000) are invisible
# and used to smuggle instructions past readers; U+FEFF and noncharacters carry nothing.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
    "\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile("\r\n?|[\x0c\x85\u2028\u2029]")
# Looks at a run of blanks from its beginning only: from each of its places the work would grow with its square.
_TRAILING_SPACE = re.compile(r"(?<![ \t\u00a0])[ \t\u00a0]+(?=\n)")
_BLANK_LINES = re.compile(r"\n{4,}")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})


def clean_text(text: str) -> str:
    """The same text in NFC, with \\n line ends and without what no reader can see."""
    text = _LONE_SURROGATE.sub("\ufffd", _LINE_END.sub("\n", text))
    text = _UNWANTED.sub("", text.translate(_LIGATURES))
    text = _BLANK_LINES.sub("\n\n\n", _TRAILING_SPACE.sub("", text))
    return unicodedata.normalize("NFC", text).strip("\n")


def clean_line(text: str, *, max_characters: int) -> str:
    """The text on one line, cut at the limit."""
    return " ".join(clean_text(text).split())[:max_characters].rstrip()
