"""Bytes: `alt=media` with ranges, and exports."""

import re
from collections.abc import Mapping

from starlette.responses import Response

from local_stack.google_drive.api import visible_file
from local_stack.google_drive.drive import Drive
from local_stack.google_drive.errors import DriveError, invalid
from local_stack.google_drive.items import FOLDER, SHORTCUT, Item

_RANGE = re.compile(r"bytes=(\d+)-(\d*)$")


def media(drive: Drive, account: str, parameters: Mapping[str, str], id: str, range_header: str | None) -> Response:
    item = visible_file(drive, account, parameters, id)
    if item.is_native:
        reason, hint = "fileNotDownloadable", "Use Export with Docs Editors files."
        raise DriveError(403, reason, f"Only files with binary content can be downloaded. {hint}")
    _check_download(item)
    if item.is_abusive and parameters.get("acknowledgeAbuse") != "true":
        raise DriveError(
            403,
            "cannotDownloadAbusiveFile",
            "This file has been identified as malware or spam and cannot be downloaded.",
        )
    return _part(item.content, item.mime_type, range_header)


def export(drive: Drive, account: str, parameters: Mapping[str, str], id: str) -> Response:
    """Ranges are ignored, as by Google."""
    item = drive.seen_by(account, id)
    if not item.is_native or item.mime_type in (FOLDER, SHORTCUT):
        raise DriveError(403, "fileNotExportable", "Export only supports Docs Editors files.")
    _check_download(item)
    wanted = parameters.get("mimeType", "")
    if wanted not in item.exports:
        raise invalid("convertTo", "The requested conversion is not supported.")
    if len(item.exports[wanted]) > drive.export_bytes_max:
        raise DriveError(403, "exportSizeLimitExceeded", "This file is too large to be exported.")
    return Response(item.exports[wanted], media_type=wanted)


def _check_download(item: Item) -> None:
    if not item.can_download:
        raise DriveError(403, "cannotDownloadFile", "This file cannot be downloaded by the user.")


def _part(content: bytes, mime_type: str, range_header: str | None) -> Response:
    found = _RANGE.match(range_header or "")
    if found is None:
        return Response(content, headers={"content-type": mime_type})
    start, end = int(found[1]), min(int(found[2] or len(content)), len(content) - 1)
    if start >= len(content):
        return Response(status_code=416, headers={"content-range": f"bytes */{len(content)}"})
    headers = {"content-range": f"bytes {start}-{end}/{len(content)}", "content-type": mime_type}
    return Response(content[start : end + 1], 206, headers)
