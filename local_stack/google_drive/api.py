"""The part of Drive v3 that the product asks for."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeVar

from local_stack.google_drive import fields, question
from local_stack.google_drive.drive import Drive, Entry
from local_stack.google_drive.errors import DriveError, Json, invalid, not_found, not_simulated
from local_stack.google_drive.items import Item

Entity = TypeVar("Entity")
Parameters = Mapping[str, str]

_PAGE_SIZE_DEFAULT = 100
_COMMON = {"alt", "fields", "prettyPrint", "key", "quotaUser"}


def about(drive: Drive, account: str, parameters: Parameters) -> Json:
    _known(parameters, set())
    if "fields" not in parameters:
        raise DriveError(400, "required", "The 'fields' parameter is required for this method.", location="fields")
    return fields.select(
        {"kind": "drive#about", "user": {"emailAddress": account}}, parameters["fields"], fields.ABOUT, "*"
    )


def get_file(drive: Drive, account: str, parameters: Parameters, id: str) -> Json:
    _known(parameters, {"supportsAllDrives", "acknowledgeAbuse"})
    item = visible_file(drive, account, parameters, id)
    return fields.select(
        drive.as_json(account, item), parameters.get("fields", ""), fields.FILE, "kind,id,name,mimeType"
    )


def visible_file(drive: Drive, account: str, parameters: Parameters, id: str) -> Item:
    item = drive.seen_by(account, id)
    if item.drive_id is not None and not _flag(parameters, "supportsAllDrives"):
        # Who does not say that shared drives are understood sees nothing of them.
        raise not_found(id)
    return item


def list_files(drive: Drive, account: str, parameters: Parameters) -> Json:
    _known(
        parameters,
        {
            "q",
            "pageSize",
            "pageToken",
            "spaces",
            "corpora",
            "driveId",
            "supportsAllDrives",
            "includeItemsFromAllDrives",
        },
    )
    condition = question.parse(parameters.get("q", ""))
    corpus = _corpus(drive, account, parameters)
    found = [item for item in corpus if condition(item, drive.is_in_trash(item))]
    mark = hashlib.sha256(f"{account} {parameters.get('q')} {parameters.get('driveId')}".encode()).hexdigest()[:12]
    page, next_page = _page(drive, found, parameters, mark=f"{mark}.{drive.generation}")
    answer = {
        "kind": "drive#fileList",
        "incompleteSearch": False,
        "files": [drive.as_json(account, item) for item in page],
    } | next_page
    return fields.select(
        answer,
        parameters.get("fields", ""),
        fields.FILES,
        "kind,nextPageToken,incompleteSearch,files(kind,id,name,mimeType)",
    )


def list_drives(drive: Drive, account: str, parameters: Parameters) -> Json:
    _known(parameters, {"pageSize", "pageToken"})
    mine = [shared for shared in drive.drives.values() if account in shared.members]
    page, next_page = _page(drive, mine, parameters, mark=f"drives.{drive.generation}")
    answer = {
        "kind": "drive#driveList",
        "drives": [{"id": shared.id, "name": shared.name} for shared in page],
    } | next_page
    return fields.select(answer, parameters.get("fields", ""), fields.DRIVES, "*")


def get_drive(drive: Drive, account: str, parameters: Parameters, id: str) -> Json:
    _known(parameters, set())
    _member_of(drive, account, id)
    shared = drive.drives[id]
    return fields.select({"id": shared.id, "name": shared.name}, parameters.get("fields", ""), fields.DRIVE, "*")


def start_of_changes(drive: Drive, account: str, parameters: Parameters) -> Json:
    _known(parameters, {"supportsAllDrives", "driveId"})
    if "driveId" in parameters:
        _member_of(drive, account, parameters["driveId"])
    answer = {"kind": "drive#startPageToken", "startPageToken": str(len(drive.log) + 1)}
    return fields.select(answer, parameters.get("fields", ""), fields.START, "*")


def list_changes(drive: Drive, account: str, parameters: Parameters) -> Json:
    _known(
        parameters,
        {
            *("pageToken", "pageSize", "spaces", "driveId", "includeRemoved"),
            *("supportsAllDrives", "includeItemsFromAllDrives"),
        },
    )
    drive_id = parameters.get("driveId")
    if drive_id is not None:
        _member_of(drive, account, drive_id)
    start = _place(drive, parameters)
    entries = [entry for entry in drive.log[start - 1 :] if _concerns(drive, entry, account, drive_id)]
    # A newer entry of the same thing replaces the older ones.
    latest = {entry.item_id or entry.drive_id: entry.number for entry in entries}
    current = [entry for entry in entries if latest[entry.item_id or entry.drive_id] == entry.number]
    size = min(_page_size(parameters), drive.page_size_max)
    answer: Json = {
        "kind": "drive#changeList",
        "changes": [_change(drive, account, drive_id, entry) for entry in current[:size]],
    }
    if len(current) > size:
        answer["nextPageToken"] = str(current[size].number)
    else:
        answer["newStartPageToken"] = str(len(drive.log) + 1)
    return fields.select(
        answer,
        parameters.get("fields", ""),
        fields.CHANGES,
        "kind,nextPageToken,newStartPageToken,changes(kind,changeType,fileId,removed,file(kind,id,name,mimeType))",
    )


def _concerns(drive: Drive, entry: Entry, account: str, drive_id: str | None) -> bool:
    """What happens in a shared drive stands in its own log, not in those of its members."""
    if drive_id is not None:
        return entry.item_id is not None and drive_id in (entry.drive_id, entry.old_drive_id)
    if account not in entry.audience:
        return False
    return entry.item_id is None or entry.has_left_accounts or _is_personal(drive, account, entry.drive_id)


def _is_personal(drive: Drive, account: str, drive_id: str | None) -> bool:
    """Not of a shared drive, or of one that the account is no member of: something in it was shared by itself."""
    return drive_id is None or account not in drive.drives[drive_id].members


def _change(drive: Drive, account: str, drive_id: str | None, entry: Entry) -> Json:
    if entry.item_id is None:
        assert entry.drive_id is not None
        is_member = account in drive.drives[entry.drive_id].members
        return {"kind": "drive#change", "changeType": "drive", "driveId": entry.drive_id, "removed": not is_member}
    change: Json = {"kind": "drive#change", "changeType": "file", "fileId": entry.item_id, "removed": True}
    item = drive.items.get(entry.item_id)
    if item is None or account not in drive.audience_of(item):
        return change
    if item.drive_id == drive_id or (drive_id is None and _is_personal(drive, account, item.drive_id)):
        change |= {"removed": False, "file": drive.as_json(account, item)}
    return change


def _corpus(drive: Drive, account: str, parameters: Parameters) -> list[Item]:
    kind, drive_id = parameters.get("corpora", "user"), parameters.get("driveId")
    if (drive_id is not None) != (kind == "drive"):
        raise invalid("driveId")
    if kind == "drive" and not (
        _flag(parameters, "includeItemsFromAllDrives") and _flag(parameters, "supportsAllDrives")
    ):
        raise invalid("includeItemsFromAllDrives")
    if kind not in ("user", "drive"):
        raise not_simulated(f"corpora={kind}")
    if drive_id is not None:
        _member_of(drive, account, drive_id)
        return [item for item in drive.items.values() if item.drive_id == drive_id]
    # Of shared drives only what was shared with the account by itself.
    return [
        item
        for item in drive.items.values()
        if account in drive.audience_of(item) and _is_personal(drive, account, item.drive_id)
    ]


def _member_of(drive: Drive, account: str, drive_id: str) -> None:
    if drive_id not in drive.drives or account not in drive.drives[drive_id].members:
        raise DriveError(404, "notFound", f"Shared drive not found: {drive_id}", location="driveId")


def _page(drive: Drive, found: Sequence[Entity], parameters: Parameters, *, mark: str) -> tuple[Sequence[Entity], Json]:
    start = 0
    if token := parameters.get("pageToken"):
        try:
            start, theirs = json.loads(base64.urlsafe_b64decode(token))
        except (ValueError, TypeError):
            raise invalid("pageToken") from None
        if theirs != mark:
            raise invalid("pageToken")
    end = start + min(_page_size(parameters), drive.page_size_max)
    next_page = {"nextPageToken": base64.urlsafe_b64encode(json.dumps([end, mark]).encode()).decode()}
    return found[start:end], next_page if end < len(found) else {}


def _page_size(parameters: Parameters) -> int:
    text = parameters.get("pageSize", str(_PAGE_SIZE_DEFAULT))
    if not text.isdigit() or int(text) < 1:
        raise invalid("pageSize")
    return int(text)


def _place(drive: Drive, parameters: Parameters) -> int:
    token = parameters.get("pageToken", "")
    if not token.isdigit() or not 1 <= int(token) <= len(drive.log) + 1:
        raise invalid("pageToken")
    if int(token) <= drive.log_starts_at:
        reason = {400: "invalid", 404: "notFound", 410: "gone"}.get(drive.lost_place_status, "gone")
        raise DriveError(drive.lost_place_status, reason, "The page token is no longer valid.", location="pageToken")
    return int(token)


def _flag(parameters: Parameters, name: str) -> bool:
    return parameters.get(name) == "true"


def _known(parameters: Parameters, names: set[str]) -> None:
    if unknown := sorted(parameters.keys() - names - _COMMON):
        raise not_simulated(f"the parameter {unknown[0]}")
    if parameters.get("spaces", "drive") != "drive":
        raise not_simulated("other spaces than drive")
