"""Field masks: `nextPageToken,files(id,shortcutDetails(targetId))`. An unknown name is refused, as by Google."""

import re
from typing import Any

from local_stack.google_drive.errors import Json, invalid

Mask = dict[str, Any]

_FILE: Mask = {
    name: None
    for name in (
        *("kind", "id", "name", "mimeType", "parents", "trashed", "explicitlyTrashed", "md5Checksum", "modifiedTime"),
        *("version", "size", "webViewLink", "driveId"),
    )
} | {
    "shortcutDetails": {"targetId": None, "targetMimeType": None},
    "capabilities": {"canDownload": None},
}
_DRIVE: Mask = {"kind": None, "id": None, "name": None}
FILE = _FILE
DRIVE = _DRIVE
FILES: Mask = {"kind": None, "nextPageToken": None, "incompleteSearch": None, "files": _FILE}
DRIVES: Mask = {"kind": None, "nextPageToken": None, "drives": _DRIVE}
START: Mask = {"kind": None, "startPageToken": None}
ABOUT: Mask = {"kind": None, "user": {"emailAddress": None}}
CHANGES: Mask = {
    "kind": None,
    "nextPageToken": None,
    "newStartPageToken": None,
    "changes": {
        **{name: None for name in ("kind", "changeType", "fileId", "driveId", "removed", "time")},
        "file": _FILE,
        "drive": _DRIVE,
    },
}


def select(answer: Json, mask: str, known: Mask, default: str) -> Json:
    """The part of `answer` that the caller asked for."""
    words = re.findall(r"[A-Za-z0-9]+|[(),*]", mask or default)
    wanted = _parse(words, known)
    if words:
        raise invalid("fields", f"Invalid field selection {mask}")
    return _pick(answer, wanted)


def _parse(words: list[str], known: Mask) -> Mask:
    wanted: Mask = {}
    while words:
        name = words.pop(0)
        if name == "*":
            wanted |= known
        elif name not in known:
            raise invalid("fields", f"Invalid field selection {name}")
        elif words and words[0] == "(":
            words.pop(0)
            wanted[name] = _parse(words, known[name] or {})
            if not words or words.pop(0) != ")":
                raise invalid("fields", "Invalid field selection")
        else:
            wanted[name] = known[name]
        if not words or words[0] != ",":
            return wanted
        words.pop(0)
    raise invalid("fields", "Invalid field selection")


def _pick(value: Any, wanted: Mask | None) -> Any:
    if wanted is None:
        return value
    if isinstance(value, list):
        return [_pick(entry, wanted) for entry in value]  # pyright: ignore[reportUnknownVariableType] - any JSON
    return {name: _pick(value[name], inner) for name, inner in wanted.items() if name in value}
