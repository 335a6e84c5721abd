"""Drive's objects, reduced to what we need."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rag_pipeline.sources.source import SourceFile

FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
_NATIVE = "application/vnd.google-apps."

ITEM_FIELDS = (
    "id,name,mimeType,parents,trashed,md5Checksum,modifiedTime,size,webViewLink,driveId,"
    "shortcutDetails(targetId),capabilities(canDownload)"
)
SHARED_DRIVES_TOO = {"supportsAllDrives": True, "includeItemsFromAllDrives": True}


@dataclass(frozen=True)
class Export:
    """A format in which Google hands out a document of its own."""

    mime_type: str
    extension: str


_TEXT = Export("text/plain", ".txt")
# Office formats keep what a PDF or plain text loses: headings (the context of each chunk), tables, speaker notes, cells
# with types. Google's Markdown carries every image as text. Exports end at 10 MB; text alone seldom does, so it comes
# second.
EXPORTS: dict[str, tuple[Export, ...]] = {
    f"{_NATIVE}document": (
        Export("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx"),
        _TEXT,
    ),
    f"{_NATIVE}spreadsheet": (Export("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx"),),
    f"{_NATIVE}presentation": (
        Export("application/vnd.openxmlformats-officedocument.presentationml.presentation", ".pptx"),
        _TEXT,
    ),
    f"{_NATIVE}drawing": (Export("application/pdf", ".pdf"),),
}


@dataclass(frozen=True)
class DriveItem:
    """A file, folder or shortcut."""

    id: str
    name: str
    mime_type: str
    parents: tuple[str, ...]
    is_trashed: bool
    md5: str | None
    modified: str
    size_bytes: int | None
    url: str | None
    drive_id: str | None
    target_id: str | None
    can_download: bool

    @property
    def is_folder(self) -> bool:
        return self.mime_type == FOLDER

    @property
    def is_shortcut(self) -> bool:
        return self.mime_type == SHORTCUT

    @property
    def is_document(self) -> bool:
        return not self.is_folder and not self.is_shortcut

    @property
    def is_native(self) -> bool:
        """Made by a Google editor, without bytes of its own."""
        return self.mime_type.startswith(_NATIVE)

    @property
    def fingerprint(self) -> str:
        """Drive's `version` would also count views and sharing, and every export of an office format differs.

        Permission to download counts: with it, a file that was refused is worth another attempt.
        """
        content = f"md5:{self.md5}" if self.md5 else f"modified:{self.modified}"
        return content if self.can_download else f"{content}:locked"

    def as_source_file(self) -> SourceFile:
        return SourceFile(
            key=self.id,
            name=self.name,
            mime_type=self.mime_type,
            size_bytes=None if self.is_native else self.size_bytes,
            modified_at=_moment(self.modified),
            fingerprint=self.fingerprint,
            url=self.url,
        )


def item_of(value: dict[str, Any]) -> DriveItem:
    """Raises KeyError or ValueError where Drive leaves out what it promises."""
    size = value.get("size")
    shortcut: dict[str, Any] = value.get("shortcutDetails") or {}
    capabilities: dict[str, Any] = value.get("capabilities") or {}
    return DriveItem(
        id=value["id"],
        name=_storable(value.get("name") or "") or value["id"],
        mime_type=value.get("mimeType") or "application/octet-stream",
        parents=tuple(value.get("parents") or ()),
        is_trashed=bool(value.get("trashed")),
        md5=value.get("md5Checksum"),
        modified=value.get("modifiedTime") or "",
        size_bytes=None if size is None else int(size),
        url=value.get("webViewLink"),
        drive_id=value.get("driveId"),
        target_id=shortcut.get("targetId"),
        can_download=bool(capabilities.get("canDownload", True)),
    )


def _storable(name: str) -> str:
    """Without what Postgres holds in no text: one such name would keep the whole listing from being stored."""
    return name.replace("\x00", "").encode("utf-8", "replace").decode()


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
