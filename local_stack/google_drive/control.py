"""What a test or a person does in a Drive: JSON in, JSON out, without a key."""

import base64
from typing import Any, cast

from local_stack.google_drive.drive import Drive
from local_stack.google_drive.errors import DriveError, Json
from local_stack.google_drive.items import FOLDER, NATIVE, SHORTCUT, Item
from local_stack.google_drive.sign_in import PublicKey

_TEXT_FIELDS = {"name", "mime_type", "modified", "target_id"}
_FLAG_FIELDS = {"is_abusive", "can_download", "is_trashed"}
_OTHER_FIELDS = {"parents", "readers", "text", "content_base64", "exports", "exports_base64"}


def add_account(drive: Drive, values: Json) -> Json:
    """`{"account", "public_key"?}`: with a key (JWK) a service account, otherwise a person who gave consent."""
    account = str(values["account"])
    drive.sign_in.refused.discard(account)
    root = drive.root_of(account).id
    if "public_key" in values:
        drive.sign_in.service_accounts[account] = PublicKey.from_jwk(values["public_key"])
        return {"account": account, "root_id": root}
    return {"account": account, "root_id": root, "credentials": drive.sign_in.add_user(account)}


def add_item(drive: Drive, values: Json) -> Json:
    """`{"name", "owner", "parents"?, "id"?, ...}`: without parents it lies in My Drive of its owner."""
    owner = str(values.pop("owner", "owner@example.com"))
    id = str(values.pop("id", "") or drive.new_id())
    if id in drive.items:
        raise _wrong("this id is taken")
    item = Item(id, id, str(values.pop("mime_type", "text/plain")), owner, parents=[drive.root_of(owner).id])
    _set(drive, item, values)
    drive.add(item)
    return {"id": id}


def change_item(drive: Drive, values: Json, id: str) -> Json:
    """Any field of `add_item`; `is_trashed`, `parents` (a move) and `readers` (who it is shared with) too."""
    item = drive.get(id)
    audience, drive_before = drive.audience_of(item), item.drive_id
    _set(drive, item, values)
    if item.parents and item.parents[0] in drive.items:
        drive.set_drive(item, drive.items[item.parents[0]].drive_id)
    if values.keys() & {"text", "content_base64", "exports", "exports_base64"}:
        drive.touch(item)
    drive.note(item, audience, drive_before)
    return {"id": id}


def delete_item(drive: Drive, _: Json, id: str) -> Json:
    drive.delete(drive.get(id))
    return {"id": id}


def add_drive(drive: Drive, values: Json) -> Json:
    """`{"id", "members"}`: a shared drive, or other members of one that is there."""
    id, members = str(values["id"]), [str(member) for member in values["members"]]
    if id in drive.drives:
        drive.set_members(drive.drives[id], members)
    else:
        drive.add_drive(id, str(values.get("name", id)), members)
    return {"id": id}


def change_access(drive: Drive, values: Json) -> Json:
    """`expire`: what was handed out ends now. `refuse`, `allow`: accounts. `seconds`: how long new access lasts."""
    sign_in = drive.sign_in
    if values.get("expire"):
        sign_in.expire_all()
    sign_in.refused |= set(values.get("refuse", []))
    sign_in.refused -= set(values.get("allow", []))
    sign_in.access_seconds = int(values.get("seconds", sign_in.access_seconds))
    return {"handed_out": sign_in.handed_out}


def change_settings(drive: Drive, values: Json) -> Json:
    """Sizes of pages and exports; `forget_changes` and `forget_pages` make every token handed out so far invalid."""
    drive.page_size_max = int(values.get("page_size_max", drive.page_size_max))
    drive.export_bytes_max = int(values.get("export_bytes_max", drive.export_bytes_max))
    if "forget_changes" in values:
        drive.lost_place_status = int(values["forget_changes"])
        drive.log_starts_at = len(drive.log) + 1
        # Places handed out from now on are beyond it.
        drive.note(drive.root_of("nobody@example.com"), frozenset(), None)
    if values.get("forget_pages"):
        drive.generation += 1
    return {"page_size_max": drive.page_size_max, "export_bytes_max": drive.export_bytes_max}


def add_fault(drive: Drive, values: Json) -> Json:
    try:
        drive.faults.add(values)
    except (TypeError, ValueError) as error:
        raise _wrong(str(error)) from None
    return {"faults": drive.faults.as_json()}


def clear_faults(drive: Drive, _: Json) -> Json:
    drive.faults.planned.clear()
    return {"faults": []}


def release(drive: Drive, _: Json) -> Json:
    """What is held goes on."""
    drive.faults.release()
    return {"released": True}


def show_requests(drive: Drive, _: Json) -> Json:
    """What was asked since the last time."""
    shown, drive.requests = drive.requests, []
    return {"requests": shown}


def reset(drive: Drive, _: Json) -> Json:
    drive.reset()
    return {"reset": True}


def _set(drive: Drive, item: Item, values: Json) -> None:
    if unknown := values.keys() - _TEXT_FIELDS - _FLAG_FIELDS - _OTHER_FIELDS:
        raise _wrong(f"unknown field {min(unknown)}")
    for name in values.keys() & (_TEXT_FIELDS | _FLAG_FIELDS):
        setattr(item, name, values[name])
    if "parents" in values:
        item.parents = [drive.get(str(id)).id for id in values["parents"]]
    if "readers" in values:
        item.readers = {str(reader) for reader in values["readers"]}
    if "text" in values:
        item.content = str(values["text"]).encode()
    if "content_base64" in values:
        item.content = base64.b64decode(values["content_base64"])
    exports = cast("dict[str, Any]", values.get("exports", {}))
    encoded = cast("dict[str, Any]", values.get("exports_base64", {}))
    if exports or encoded:
        item.exports = {kind: str(text).encode() for kind, text in exports.items()}
        item.exports |= {kind: base64.b64decode(text) for kind, text in encoded.items()}
    if item.mime_type.startswith(NATIVE) and item.content:
        raise _wrong("documents of Google have exports, no content")
    if (item.mime_type == SHORTCUT) != (item.target_id is not None):
        raise _wrong("a shortcut has a target_id, nothing else does")
    if item.mime_type == FOLDER and item.exports:
        raise _wrong("a folder has no exports")


def _wrong(message: str) -> DriveError:
    return DriveError(400, "invalid", message)
