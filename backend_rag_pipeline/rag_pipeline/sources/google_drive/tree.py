"""Which documents belong to what is watched: one folder tree, or everything."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rag_pipeline.sources.google_drive.reader import Reader, at_once
from rag_pipeline.sources.google_drive.wire import DriveItem


@dataclass
class Tree:
    """What is watched, as last seen. Documents are not kept: their own entries name their folders."""

    root_id: str | None
    """None: everything the account may read."""
    folders: set[str] = field(default_factory=set[str])
    shortcuts: dict[str, str] = field(default_factory=dict[str, str])
    """Target by shortcut, for the shortcuts that lie in the tree."""

    def holds(self, item: DriveItem) -> bool:
        """Whether an item that is not in the trash belongs here: by a folder of its own, or by a shortcut to it."""
        return (
            self.root_id is None
            or item.id == self.root_id
            or not self.folders.isdisjoint(item.parents)
            or item.id in self.shortcuts.values()
        )

    def copy(self) -> "Tree":
        return Tree(self.root_id, set(self.folders), dict(self.shortcuts))


class Walker:
    """Adds to a tree what lies below; collects the documents on the way."""

    def __init__(self, reader: Reader, tree: Tree, *, follow_shortcuts: bool) -> None:
        self._reader = reader
        self._follows_shortcuts = follow_shortcuts
        self.tree = tree
        self.documents: dict[str, DriveItem] = {}

    async def add(self, items: Iterable[DriveItem]) -> None:
        """Take in items that belong to the tree, with all that lies below folders and behind shortcuts.

        A folder is walked once, however many ways lead to it: cycles end.
        """
        waiting = list(items)
        while waiting:
            entered: list[DriveItem] = []
            targets: set[str] = set()
            for item in waiting:
                if item.is_trashed:
                    continue
                if item.is_folder and item.id not in self.tree.folders:
                    self.tree.folders.add(item.id)
                    entered.append(item)
                elif item.is_document:
                    self.documents[item.id] = item
                elif item.is_shortcut and item.target_id is not None and self._follows_shortcuts:
                    self.tree.shortcuts[item.id] = item.target_id
                    targets.add(item.target_id)
            waiting = [*await self._below(entered), *await self._behind(targets)]

    def add_all_visible(self, items: Iterable[DriveItem]) -> None:
        """Take in a listing of everything, in which folders need no walk."""
        for item in items:
            if item.is_folder:
                self.tree.folders.add(item.id)
            elif item.is_document:
                self.documents[item.id] = item

    async def _below(self, folders: list[DriveItem]) -> list[DriveItem]:
        by_drive: dict[str | None, list[str]] = {}
        for folder in folders:
            by_drive.setdefault(folder.drive_id, []).append(folder.id)
        found = await at_once([self._reader.children(ids, drive_id) for drive_id, ids in by_drive.items()])
        return [item for part in found for item in part]

    async def _behind(self, targets: set[str]) -> list[DriveItem]:
        unknown = sorted(targets - self.tree.folders - self.documents.keys())
        found = await at_once([self._reader.item(id) for id in unknown])
        # None: the shortcut leads to what was deleted, or to what this account may not read.
        return [item for item in found if item is not None]


@dataclass(frozen=True)
class Update:
    """What a set of changes means for the tree."""

    tree: Tree
    changed: Mapping[str, DriveItem]
    removed: frozenset[str]


async def follow(
    reader: Reader, known: Tree, seen: Mapping[str, DriveItem | None], *, follow_shortcuts: bool
) -> Update | None:
    """Apply the present state of what changed (None: gone) to what was known.

    The feed names a folder that moves, and nothing below it. What enters is walked; where something leaves, only a
    complete listing tells what else goes with it: None.
    """
    present = [item for item in seen.values() if item is not None and not item.is_trashed]
    gone = seen.keys() - {item.id for item in present}
    if gone & (known.folders | known.shortcuts.keys()):
        return None
    walker = Walker(reader, known.copy(), follow_shortcuts=follow_shortcuts)
    await _add_what_enters(walker, [item for item in present if not item.is_document])
    if any(_has_left(item, known, walker.tree) for item in present):
        return None
    documents = [item for item in present if item.is_document]
    changed = {**walker.documents, **{item.id: item for item in documents if walker.tree.holds(item)}}
    return Update(walker.tree, changed, frozenset((gone | {item.id for item in documents}) - changed.keys()))


async def _add_what_enters(walker: Walker, items: list[DriveItem]) -> None:
    tree = walker.tree
    outside = [item for item in items if item.id not in tree.folders and item.id not in tree.shortcuts]
    while entering := [item for item in outside if tree.holds(item)]:
        # One of them may be the folder that another one lies in.
        outside = [item for item in outside if item not in entering]
        await walker.add(entering)


def _has_left(item: DriveItem, known: Tree, tree: Tree) -> bool:
    if item.is_folder:
        return item.id in known.folders and not tree.holds(item)
    if item.is_shortcut and item.id in known.shortcuts:
        return not tree.holds(item) or item.target_id != known.shortcuts[item.id]
    return False
