"""Drive's change logs: one of the account, one of each shared drive; all of them have to be read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from rag_pipeline.sources.google_drive.client import Json
from rag_pipeline.sources.google_drive.reader import Reader, at_once
from rag_pipeline.sources.google_drive.refusals import DriveRefusal
from rag_pipeline.sources.google_drive.tree import Tree
from rag_pipeline.sources.google_drive.wire import ITEM_FIELDS, SHARED_DRIVES_TOO, DriveItem, item_of
from rag_pipeline.sources.source import JsonValue, SourceState, SourceUnavailable

ACCOUNT = "account"
_PAGE_SIZE = 1000
_FIELDS = f"nextPageToken,newStartPageToken,changes(changeType,fileId,driveId,removed,file({ITEM_FIELDS}))"
# The place in a log is too old, malformed, or its shared drive is not ours any more.
_PLACE_LOST = {400, 403, 404, 410}
_STATE_VERSION = 1


class PlaceLost(Exception):
    """The log cannot be read on from here: everything has to be listed."""


@dataclass(frozen=True)
class Scope:
    """What is read, and as whom: what was remembered of another scope is of no use."""

    root_id: str | None
    account: str
    follows_shortcuts: bool


@dataclass(frozen=True)
class Known:
    """What is remembered between two looks: the tree, and the place in each log."""

    tree: Tree
    places: dict[str, str]

    def as_state(self, scope: Scope) -> SourceState:
        return {
            "version": _STATE_VERSION,
            "account": scope.account,
            "follows_shortcuts": scope.follows_shortcuts,
            "root_id": self.tree.root_id,
            "places": cast(JsonValue, self.places),
            "folders": cast(JsonValue, sorted(self.tree.folders)),
            "shortcuts": cast(JsonValue, self.tree.shortcuts),
        }


def known_of(state: Mapping[str, JsonValue], scope: Scope) -> Known | None:
    """None: written by another version, or for another scope."""
    places, folders, shortcuts = state.get("places"), state.get("folders"), state.get("shortcuts")
    theirs = [state.get(name, "") for name in ("version", "root_id", "account", "follows_shortcuts")]
    if theirs != [_STATE_VERSION, scope.root_id, scope.account, scope.follows_shortcuts]:
        return None
    if not (isinstance(places, dict) and isinstance(folders, list) and isinstance(shortcuts, dict)):
        return None
    tree = Tree(scope.root_id, {str(id) for id in folders}, {id: str(target) for id, target in shortcuts.items()})
    return Known(tree, {log: str(place) for log, place in places.items()})


async def places_now(reader: Reader, drive_ids: Iterable[str]) -> dict[str, str]:
    """Where each log ends at this moment."""
    logs = [ACCOUNT, *drive_ids]
    places = await at_once([_place_now(reader, log) for log in logs])
    return dict(zip(logs, places, strict=True))


async def _place_now(reader: Reader, log: str) -> str:
    answer = await reader.client.call(
        lambda service: service.changes().getStartPageToken(supportsAllDrives=True, **_drive_of(log))
    )
    place = answer.get("startPageToken")
    if not place:
        raise SourceUnavailable("Google Drive did not say where its log of changes ends")
    return str(place)


@dataclass(frozen=True)
class Seen:
    """The present state of everything that the logs name; None: gone, for this account."""

    items: dict[str, DriveItem | None]
    drive_ids: frozenset[str]
    """Shared drives that were joined, left or changed."""
    places: dict[str, str]


async def read_logs(reader: Reader, places: Mapping[str, str]) -> Seen:
    """Every page of every log. Raises PlaceLost."""
    read = await at_once([_read_log(reader, log, place) for log, place in places.items()])
    items: dict[str, DriveItem | None] = {}
    disputed: set[str] = set()
    for entries, _, _ in read:
        for id, item in entries.items():
            if id in items and (items[id] is None) != (item is None):
                disputed.add(id)
            items[id] = item
    # What moves between drives leaves one log and enters another; the file itself knows.
    ids = sorted(disputed)
    settled = await at_once([reader.item(id) for id in ids])
    items.update(zip(ids, settled, strict=True))
    drive_ids = frozenset(id for _, ids, _ in read for id in ids)
    return Seen(items, drive_ids, dict(zip(places, (place for _, _, place in read), strict=True)))


async def _read_log(reader: Reader, log: str, place: str) -> tuple[dict[str, DriveItem | None], set[str], str]:
    entries: dict[str, DriveItem | None] = {}
    drive_ids: set[str] = set()
    visited: set[str] = set()
    while True:
        if place in visited:
            raise SourceUnavailable("Google Drive's log of changes goes round in circles")
        visited.add(place)
        answer = await _page(reader, log, place)
        for change in answer.get("changes", []):
            if change.get("changeType") == "drive":
                drive_ids.add(str(change.get("driveId")))
            else:
                # Entries come oldest first, and the last one holds.
                entries[_file_id(change)] = _item(change)
        if "nextPageToken" in answer:
            place = str(answer["nextPageToken"])
        elif "newStartPageToken" in answer:
            return entries, drive_ids, str(answer["newStartPageToken"])
        else:
            raise SourceUnavailable("Google Drive's log of changes ended without saying where to go on")


async def _page(reader: Reader, log: str, place: str) -> Json:
    def request(service: Any) -> Any:
        return service.changes().list(
            pageToken=place,
            pageSize=_PAGE_SIZE,
            includeRemoved=True,
            spaces="drive",
            fields=_FIELDS,
            **SHARED_DRIVES_TOO,
            **_drive_of(log),
        )

    try:
        return await reader.client.call(request)
    except DriveRefusal as refusal:
        if refusal.status in _PLACE_LOST and not refusal.is_rate_limit:
            raise PlaceLost from None
        raise


def _file_id(change: Json) -> str:
    if not isinstance(change.get("fileId"), str):
        raise SourceUnavailable("Google Drive reported a change without a file's id")
    return change["fileId"]


def _item(change: Json) -> DriveItem | None:
    if change.get("removed") or not change.get("file"):
        return None
    try:
        return item_of(change["file"])
    except (KeyError, ValueError, TypeError):
        raise SourceUnavailable("Google Drive described a file without its id") from None


def _drive_of(log: str) -> Json:
    return {} if log == ACCOUNT else {"driveId": log}
