"""The state: items, shared drives, who sees what, and the log of changes."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from local_stack.google_drive.errors import Json, not_found
from local_stack.google_drive.faults import Faults
from local_stack.google_drive.items import FOLDER, Item
from local_stack.google_drive.sign_in import SignIn

EXPORT_BYTES_MAX = 10 * 1024 * 1024
PAGE_SIZE_MAX = 1000
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """Something happened to an item or a shared drive. `audience` saw it before or sees it after."""

    number: int
    item_id: str | None
    drive_id: str | None
    """The shared drive it happened in; without an item: the drive itself was joined, left or renamed."""
    audience: frozenset[str]
    old_drive_id: str | None = None
    """The shared drive that the item left."""
    has_left_accounts: bool = False
    """The item went from an account into a shared drive."""


@dataclass
class SharedDrive:
    id: str
    name: str
    members: set[str]


@dataclass
class Drive:
    """Everything; nothing of it outlives the process."""

    sign_in: SignIn = field(default_factory=SignIn)
    faults: Faults = field(default_factory=Faults)
    items: dict[str, Item] = field(default_factory=dict[str, Item])
    drives: dict[str, SharedDrive] = field(default_factory=dict[str, SharedDrive])
    log: list[Entry] = field(default_factory=list[Entry])
    log_starts_at: int = 0
    """Places before it are forgotten."""
    lost_place_status: int = 410
    page_size_max: int = PAGE_SIZE_MAX
    export_bytes_max: int = EXPORT_BYTES_MAX
    requests: list[Json] = field(default_factory=list[Json])
    """What was asked, for tests: method, path and parameters."""
    generation: int = 0
    """Page tokens of listings made before it are refused."""

    def reset(self) -> None:
        """Forget everything but who may sign in."""
        fresh = Drive(sign_in=self.sign_in)
        self.sign_in.refused.clear()
        self.sign_in.access_seconds = 3600
        self.__dict__.update(fresh.__dict__)

    def root_of(self, account: str) -> Item:
        """My Drive."""
        id = f"root-{account.partition('@')[0]}"
        if id not in self.items:
            self.items[id] = Item(id, "My Drive", FOLDER, account, modified=self._now())
        return self.items[id]

    def get(self, id: str) -> Item:
        if id not in self.items:
            raise not_found(id)
        return self.items[id]

    def seen_by(self, account: str, id: str) -> Item:
        """Raises the same for what does not exist and for what this account may not see."""
        item = self.root_of(account) if id == "root" else self.get(id)
        if account not in self.audience_of(item):
            raise not_found(id)
        return item

    def audience_of(self, item: Item) -> frozenset[str]:
        """The accounts that see an item, by the item itself or by what it lies in."""
        found: set[str] = set()
        for place in self._upwards(item):
            found |= place.readers | ({place.owner} if place.owner else set[str]())
            if place.drive_id is not None:
                found |= self.drives[place.drive_id].members
        return frozenset(found)

    def is_in_trash(self, item: Item) -> bool:
        return any(place.is_trashed for place in self._upwards(item))

    def as_json(self, account: str, item: Item) -> Json:
        parents = [id for id in item.parents if id in self.items and account in self.audience_of(self.items[id])]
        return item.as_json(trashed=self.is_in_trash(item), visible_parents=parents)

    def add_drive(self, id: str, name: str, members: Iterable[str]) -> SharedDrive:
        """A shared drive; its root folder has its id."""
        drive = self.drives[id] = SharedDrive(id, name, set(members))
        self.items[id] = Item(id, name, FOLDER, None, drive_id=id, modified=self._now())
        self._note_drive(drive, drive.members)
        return drive

    def set_members(self, drive: SharedDrive, members: Iterable[str]) -> None:
        before, drive.members = drive.members, set(members)
        self._note_drive(drive, before ^ drive.members)

    def add(self, item: Item) -> None:
        if item.drive_id is None and item.parents and item.parents[0] in self.items:
            parent = self.items[item.parents[0]]
            item.drive_id, item.owner = parent.drive_id, parent.owner
        self.items[item.id] = item
        self.touch(item)
        self.note(item, frozenset(), item.drive_id)

    def touch(self, item: Item) -> None:
        """Its content changed."""
        item.modified = self._now()

    def note(self, item: Item, audience_before: frozenset[str], drive_before: str | None) -> None:
        """Log a change of this item: of nothing below it, as Google does."""
        item.version += 1
        has_moved = drive_before != item.drive_id
        self.log.append(
            Entry(
                number=len(self.log) + 1,
                item_id=item.id,
                drive_id=item.drive_id,
                audience=audience_before | self.audience_of(item),
                old_drive_id=drive_before if has_moved else None,
                has_left_accounts=has_moved and drive_before is None,
            )
        )

    def delete(self, item: Item) -> None:
        """For good, with everything below."""
        for child in [child for child in self.items.values() if item.id in child.parents]:
            child.parents.remove(item.id)
            if not child.parents:
                self.delete(child)
        self.note(item, frozenset(), item.drive_id)
        del self.items[item.id]

    def set_drive(self, item: Item, drive_id: str | None) -> None:
        """Moved into another drive, with everything below."""
        item.drive_id = drive_id
        for child in self.items.values():
            if item.id in child.parents and child.drive_id != drive_id:
                self.set_drive(child, drive_id)

    def new_id(self) -> str:
        return f"1{secrets.token_urlsafe(24)}"

    def _note_drive(self, drive: SharedDrive, audience: Iterable[str]) -> None:
        self.log.append(Entry(len(self.log) + 1, None, drive.id, frozenset(audience)))

    def _upwards(self, item: Item) -> list[Item]:
        """The item and all it lies in; parents may form a circle."""
        found: dict[str, Item] = {}
        waiting = [item]
        while waiting:
            place = waiting.pop()
            if place.id not in found:
                found[place.id] = place
                waiting += [self.items[id] for id in place.parents if id in self.items]
        return list(found.values())

    def _now(self) -> str:
        """A clock that moves with each event, so that no two changes share a moment."""
        moment = _EPOCH + timedelta(seconds=len(self.log))
        return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
