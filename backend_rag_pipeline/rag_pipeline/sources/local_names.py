"""Names of local files: which are documents, and how any name becomes a key that Postgres can hold."""

import os
import re

# What editors, browsers and office programs leave beside a document while it is being written.
TEMPORARY_PREFIXES = (".", "~$", "~wrl")
TEMPORARY_SUFFIXES = (".part", ".partial", ".crdownload", ".download", ".tmp", ".temp", ".swp", ".swx", ".lock", "~")
# The last three stand at the root of a disk, and nobody else may read them.
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "lost+found", "$recycle.bin", "system volume information"})
KEY_BYTES_MAX = 2_000
"""An index of Postgres refuses entries above 2,704 bytes."""
_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|(\\))")


def is_ignored(name: str, *, is_folder: bool) -> bool:
    """Whether a file or folder of this name is never read: hidden, temporary or the system's."""
    lower = name.lower()
    if lower.startswith(TEMPORARY_PREFIXES) or lower in SYSTEM_FILES:
        return True
    # Folders are named by people: "archive.lock", "Copy~". Emacs saves unfinished work as "#name#".
    return not is_folder and (lower.endswith(TEMPORARY_SUFFIXES) or (lower.startswith("#") and lower.endswith("#")))


def is_too_long(key: str) -> bool:
    """Whether the key of a file is longer than what can be stored of it."""
    return len(key.encode()) > KEY_BYTES_MAX


def key_of(relative_path: str) -> str:
    """A path below the folder as valid text, different for different paths.

    Bytes that are no UTF-8 (Python holds them as surrogates) become `\\xNN`, and a backslash becomes two.
    """
    return "".join(_escape(character) for character in relative_path)


def path_of(key: str) -> str:
    """The path that `key_of` made this key of."""
    return _ESCAPED.sub(lambda match: "\\" if match[2] else os.fsdecode(bytes([int(match[1], 16)])), key)


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character
