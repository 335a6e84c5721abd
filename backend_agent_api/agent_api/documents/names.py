"""Names of files, as people and hostile clients send them, made fit to be shown and sent on."""

import re
import unicodedata

from agent_api.text import clean_text

FILE_NAME_MAX_CHARACTERS = 200
UNNAMED = "document"
JOINERS = "\u200c\u200d"
"""Format characters that make one emoji, or one word, out of several signs; all others only mislead."""
# How browsers write these three in a part's header.
ESCAPES = {"%22": '"', "%0A": "\n", "%0D": "\r"}


def clean_file_name(offered: str) -> str:
    """The last part of a path, in one line, without control and direction marks, of bounded length."""
    name = clean_text(offered)
    for escape, character in ESCAPES.items():
        name = name.replace(escape, character)
    name = in_one_line(re.split(r"[/\\]", name)[-1]).rstrip(" .")
    if name.startswith("."):
        # A hidden file, or nothing but an extension.
        name = name.lstrip(". ") if name.count(".") > 1 else UNNAMED + name
    return _shortened(name or UNNAMED)


def in_one_line(text: str) -> str:
    """Without control and direction marks, which could make a name look like another one."""
    kept = (_shown(character) for character in unicodedata.normalize("NFC", text))
    return re.sub(r"\s+", " ", "".join(kept)).strip()


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    return "" if category in ("Cf", "Cs", "Co", "Cn") and character not in JOINERS else character


def _shortened(name: str) -> str:
    if len(name) <= FILE_NAME_MAX_CHARACTERS:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 10:
        return name[:FILE_NAME_MAX_CHARACTERS]
    return stem[: FILE_NAME_MAX_CHARACTERS - len(ending) - 1] + dot + ending


def title_of(file_name: str) -> str:
    """What a document is called before anybody names it."""
    return file_name.rpartition(".")[0] or file_name
