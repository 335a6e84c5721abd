"""One folder tree of Google Drive, or all that an account may read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rag_pipeline.sources.google_drive import feed
from rag_pipeline.sources.google_drive.client import ClientOptions, DriveClient
from rag_pipeline.sources.google_drive.credentials import check_address, load_identity
from rag_pipeline.sources.google_drive.download import download
from rag_pipeline.sources.google_drive.reader import Reader
from rag_pipeline.sources.google_drive.tree import Tree, Update, Walker, follow
from rag_pipeline.sources.google_drive.wire import DriveItem
from rag_pipeline.sources.source import (
    Changes,
    ConfigurationError,
    FetchedFile,
    FileGone,
    JsonValue,
    Listing,
    SourceState,
    SourceUnavailable,
)

# What somebody copies from the browser: .../folders/<id>?usp=sharing, .../open?id=<id>
_FOLDER_ADDRESS = re.compile(r"https://drive\.google\.com/.*?(?:folders/|[?&]id=)([A-Za-z0-9_-]+)")
_FOLDER_ID = re.compile(r"[A-Za-z0-9_-]+")
_LISTINGS_MAX = 3


@dataclass(frozen=True)
class GoogleDriveOptions:
    """What is read, as whom, and within which limits."""

    folder_id: str = ""
    """The folder tree to read; an address copied from the browser will do. Empty: everything the account may read."""
    credentials_json: str = field(default="", repr=False)
    credentials_directory: Path = Path("google-credentials")
    file_bytes_max: int = 50 * 1024 * 1024
    files_max: int = 200_000
    follow_shortcuts: bool = True
    client: ClientOptions = field(default_factory=ClientOptions)


class GoogleDriveSource:
    """See `rag_pipeline.sources.source.Source`."""

    pipeline_type = "google_drive"

    def __init__(self, options: GoogleDriveOptions) -> None:
        """Raises ConfigurationError; asks Google nothing yet."""
        self._options = options
        self._folder_id = _folder_id(options.folder_id)
        if options.client.api_endpoint:
            check_address(options.client.api_endpoint, "GOOGLE_DRIVE_API_ENDPOINT")
        identity = load_identity(options.credentials_json, options.credentials_directory)
        self._identity = identity
        self._client = DriveClient(identity, options.client)

    async def check(self) -> None:
        reader = Reader(self._client)
        if self._folder_id is None:
            await reader.client.call(lambda service: service.about().get(fields="kind"))
            return
        root = await reader.item(self._folder_id)
        if root is None:
            with_whom = self._identity.account or "the account that gave access"
            raise ConfigurationError(
                f"RAG_WATCH_FOLDER_ID: there is no such folder, or it is not shared with {with_whom}"
            )
        if not root.is_folder:
            raise ConfigurationError("RAG_WATCH_FOLDER_ID: this is a file, not a folder")

    async def list_all(self) -> Listing:
        reader = Reader(self._client)
        for _ in range(_LISTINGS_MAX):
            # The places come first: what happens during the listing is in the logs after them.
            root = await self._root(reader)
            tree = Tree(root.id if root else None)
            places = await feed.places_now(reader, await self._drive_ids(reader, root))
            walker = Walker(reader, tree, follow_shortcuts=self._options.follow_shortcuts)
            await self._walk(reader, walker, root)
            if len(walker.documents) > self._options.files_max:
                raise SourceUnavailable(
                    f"Google Drive holds more than {self._options.files_max} files for this account: "
                    "set RAG_WATCH_FOLDER_ID, or raise RAG_FILES_MAX"
                )
            if (listing := await self._caught_up(reader, feed.Known(tree, places), walker.documents)) is not None:
                return listing
        raise SourceUnavailable("Folders move about in Google Drive while it is listed; it is tried again")

    async def changes(self, state: Mapping[str, JsonValue]) -> Changes | None:
        reader = Reader(self._client)
        root = await self._root(reader) if self._folder_id == "root" else None
        known = feed.known_of(state, self._scope(root.id if root else self._folder_id))
        if known is None or (found := await self._update(reader, known)) is None:
            return None
        update, places = found
        changed = tuple(item.as_source_file() for item in update.changed.values())
        return Changes(
            changed,
            tuple(sorted(update.removed)),
            self._state(update.tree, places),
        )

    async def fetch(self, key: str) -> FetchedFile:
        item = await Reader(self._client).item(key)
        if item is None or item.is_trashed or not item.is_document:
            raise FileGone("The file was deleted, or is not shared with this account any more.")
        return await download(self._client, item, bytes_max=self._options.file_bytes_max)

    async def close(self) -> None:
        await self._client.close()

    def _state(self, tree: Tree, places: dict[str, str]) -> SourceState:
        return feed.Known(tree, places).as_state(self._scope(tree.root_id))

    def _scope(self, root_id: str | None) -> feed.Scope:
        return feed.Scope(root_id, self._identity.mark, self._options.follow_shortcuts)

    async def _root(self, reader: Reader) -> DriveItem | None:
        """The watched folder. One that is not to be seen is no empty one: nothing may be concluded from it."""
        if self._folder_id is None:
            return None
        root = await reader.item(self._folder_id)
        if root is None or root.is_trashed or not root.is_folder:
            raise SourceUnavailable("The watched folder is in the trash, deleted, or not shared with us any more")
        return root

    async def _drive_ids(self, reader: Reader, root: DriveItem | None) -> list[str]:
        if root is None:
            return await reader.drive_ids()
        # A folder of a shared drive may be shared with somebody who is no member and has no part in the drive's log.
        return [root.drive_id] if root.drive_id is not None and await reader.is_member(root.drive_id) else []

    async def _walk(self, reader: Reader, walker: Walker, root: DriveItem | None) -> None:
        if root is not None:
            await walker.add([root])
            return
        items = await reader.everything()
        walker.add_all_visible(items)
        await walker.add(item for item in items if item.is_shortcut)

    async def _caught_up(self, reader: Reader, known: feed.Known, documents: Mapping[str, DriveItem]) -> Listing | None:
        """A file that moves from a folder not yet listed to one listed before is missed: the logs know of it."""
        if (found := await self._update(reader, known)) is None:
            return None
        update, places = found
        kept = {id: item for id, item in documents.items() if id not in update.removed} | dict(update.changed)
        files = tuple(item.as_source_file() for item in kept.values())
        return Listing(files, self._state(update.tree, places))

    async def _update(self, reader: Reader, known: feed.Known) -> tuple[Update, dict[str, str]] | None:
        try:
            seen = await feed.read_logs(reader, known.places)
        except feed.PlaceLost:
            return None
        if self._folder_id is None and seen.drive_ids:
            # A shared drive was joined, left, or renamed: its files come or go with it.
            return None
        update = await follow(reader, known.tree, seen.items, follow_shortcuts=self._options.follow_shortcuts)
        return None if update is None else (update, seen.places)


def _folder_id(text: str) -> str | None:
    text = text.strip()
    if found := _FOLDER_ADDRESS.match(text):
        return found[1]
    if text and not _FOLDER_ID.fullmatch(text):
        raise ConfigurationError("RAG_WATCH_FOLDER_ID: must be a folder's id, or its address in the browser")
    return text or None
