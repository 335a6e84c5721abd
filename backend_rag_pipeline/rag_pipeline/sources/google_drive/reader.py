"""Single questions to Drive, each with every page of its answer."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from rag_pipeline.sources.google_drive.client import DriveClient, Json
from rag_pipeline.sources.google_drive.refusals import DriveRefusal
from rag_pipeline.sources.google_drive.wire import ITEM_FIELDS, SHARED_DRIVES_TOO, DriveItem, item_of
from rag_pipeline.sources.source import SourceUnavailable

Result = TypeVar("Result")

_PAGE_SIZE = 1000
_DRIVES_PAGE_SIZE = 100
# An address above 2,048 characters would be sent in another way.
_FOLDERS_PER_QUESTION = 20


class Reader:
    """Asks for what there is; answers are complete, or an error is raised."""

    def __init__(self, client: DriveClient) -> None:
        self.client = client
        self._memberships: dict[str, bool] = {}

    async def item(self, id: str) -> DriveItem | None:
        """One file, folder or shortcut; None where it does not exist or may not be seen."""
        try:
            found = await self.client.call(
                lambda service: service.files().get(fileId=id, fields=ITEM_FIELDS, supportsAllDrives=True)
            )
        except DriveRefusal as refusal:
            if refusal.is_not_visible:
                return None
            raise
        return _items([found])[0]

    async def children(self, folder_ids: Iterable[str], drive_id: str | None) -> list[DriveItem]:
        """What lies directly in these folders, all of the same drive, without the trash."""
        ids = sorted(folder_ids)
        corpus = await self._corpus(drive_id)
        parts = [ids[start : start + _FOLDERS_PER_QUESTION] for start in range(0, len(ids), _FOLDERS_PER_QUESTION)]
        found = await at_once([self._files(f"({_any_of(part)}) and trashed = false", corpus) for part in parts])
        return [item for items in found for item in items]

    async def everything(self) -> list[DriveItem]:
        """What the account may read, without the trash: its own, what was shared with it, and its shared drives."""
        corpora: list[Json] = [{"corpora": "user"}]
        corpora += [{"corpora": "drive", "driveId": id} for id in await self.drive_ids()]
        return [
            item
            for found in await at_once([self._files("trashed = false", corpus) for corpus in corpora])
            for item in found
        ]

    async def drive_ids(self) -> list[str]:
        """The shared drives this account is a member of."""

        def request(service: Any, page: str | None) -> Any:
            return service.drives().list(pageSize=_DRIVES_PAGE_SIZE, pageToken=page, fields="nextPageToken,drives(id)")

        return [drive["id"] async for answer in self._pages(request) for drive in answer.get("drives", [])]

    async def is_member(self, drive_id: str) -> bool:
        """Whether the account belongs to a shared drive; folders of others may be shared with it too."""
        try:
            await self.client.call(lambda service: service.drives().get(driveId=drive_id, fields="id"))
        except DriveRefusal as refusal:
            if refusal.is_not_visible:
                return False
            raise
        return True

    async def _corpus(self, drive_id: str | None) -> Json:
        if drive_id is None:
            return {"corpora": "user"}
        if drive_id not in self._memberships:
            self._memberships[drive_id] = await self.is_member(drive_id)
        return {"corpora": "drive", "driveId": drive_id} if self._memberships[drive_id] else {"corpora": "user"}

    async def _files(self, question: str, corpus: Json) -> list[DriveItem]:
        def request(service: Any, page: str | None) -> Any:
            return service.files().list(
                q=question,
                pageSize=_PAGE_SIZE,
                pageToken=page,
                spaces="drive",
                fields=f"nextPageToken,incompleteSearch,files({ITEM_FIELDS})",
                **corpus,
                **SHARED_DRIVES_TOO,
            )

        found: list[DriveItem] = []
        async for answer in self._pages(request):
            if answer.get("incompleteSearch"):
                raise SourceUnavailable("Google Drive did not search everywhere; the listing is not complete")
            found += _items(answer.get("files", []))
        return found

    async def _pages(self, request: Callable[[Any, str | None], Any]) -> AsyncGenerator[Json]:
        page: str | None = None
        seen: set[str] = set()
        while True:
            answer = await self.client.call(lambda service, page=page: request(service, page))
            yield answer
            page = answer.get("nextPageToken")
            if not page:
                return
            if page in seen:
                raise SourceUnavailable("Google Drive's listing goes round in circles")
            seen.add(page)


def _any_of(folder_ids: Iterable[str]) -> str:
    return " or ".join(f"'{id}' in parents" for id in folder_ids)


def _items(values: Iterable[Json]) -> list[DriveItem]:
    try:
        return [item_of(value) for value in values]
    except (KeyError, ValueError, TypeError):
        raise SourceUnavailable("Google Drive described a file without its id") from None


async def at_once(questions: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """All answers, in order; the first failure ends the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(question) for question in questions]
    except* Exception as failures:
        first: BaseException = failures
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
    return [task.result() for task in tasks]
