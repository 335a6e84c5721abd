"""What lies in a Drive."""

import hashlib
from dataclasses import dataclass, field

from local_stack.google_drive.errors import Json

FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
NATIVE = "application/vnd.google-apps."


@dataclass
class Item:
    """A file, folder or shortcut. The root of an account or of a shared drive is a folder without parents."""

    id: str
    name: str
    mime_type: str
    owner: str | None
    """The account it belongs to; None in a shared drive."""
    drive_id: str | None = None
    parents: list[str] = field(default_factory=list[str])
    readers: set[str] = field(default_factory=set[str])
    """Accounts it is shared with; what lies below is shared with them as well."""
    content: bytes = b""
    exports: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Of a document of Google's: content by type."""
    is_trashed: bool = False
    """Itself; what lies below a trashed folder is in the trash too."""
    target_id: str | None = None
    is_abusive: bool = False
    can_download: bool = True
    modified: str = ""
    version: int = 1

    @property
    def is_native(self) -> bool:
        return self.mime_type.startswith(NATIVE)

    def as_json(self, *, trashed: bool, visible_parents: list[str]) -> Json:
        """As `files.get` shows it to somebody who sees these parents."""
        value: Json = {
            "kind": "drive#file",
            "id": self.id,
            "name": self.name,
            "mimeType": self.mime_type,
            "trashed": trashed,
            "explicitlyTrashed": self.is_trashed,
            "modifiedTime": self.modified,
            "version": str(self.version),
            "webViewLink": f"https://drive.example.com/file/d/{self.id}/view",
            "capabilities": {"canDownload": self.can_download},
        }
        if visible_parents:
            value["parents"] = visible_parents
        if self.drive_id is not None:
            value["driveId"] = self.drive_id
        if self.target_id is not None:
            value["shortcutDetails"] = {"targetId": self.target_id}
        if not self.is_native:
            value["size"] = str(len(self.content))
            value["md5Checksum"] = hashlib.md5(self.content, usedforsecurity=False).hexdigest()
        return value
