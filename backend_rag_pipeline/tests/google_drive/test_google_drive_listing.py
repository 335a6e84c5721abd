"""A listing is complete, or there is none."""

import asyncio
from collections.abc import Iterable

import pytest

from local_stack.google_drive.tests.running import DOCUMENT, FOLDER, OWNER, SERVICE_ACCOUNT, SHORTCUT, RunningDrive
from rag_pipeline.sources.google_drive.source import GoogleDriveSource
from rag_pipeline.sources.source import AuthenticationError, SourceFile, SourceUnavailable

from .conftest import MakeSource


def keys(files: Iterable[SourceFile]) -> set[str]:
    return {file.key for file in files}


async def test_every_page_of_every_folder_is_listed(drive: RunningDrive, source: GoogleDriveSource) -> None:
    await drive.control("POST", "/settings", {"page_size_max": 2})
    parent = "watched"
    expected: set[str] = set()
    for depth in range(4):
        expected |= {await drive.add(f"file-{depth}-{number}", parent) for number in range(5)}
        parent = await drive.folder(f"folder-{depth}", parent)
    await drive.add("elsewhere", None)

    listing = await source.list_all()

    assert keys(listing.files) == expected
    pages = [
        ask for ask in await drive.requests() if "pageToken" in ask["parameters"] and ask["path"].endswith("/files")
    ]
    assert len(pages) >= 8


async def test_a_wide_tree_is_asked_for_in_few_questions(drive: RunningDrive, source: GoogleDriveSource) -> None:
    expected: set[str] = set()
    for number in range(45):
        folder = await drive.folder(f"folder-with-a-name-as-long-as-those-of-google-{number:02}")
        expected.add(await drive.add(f"file-{number}", folder))
    await drive.requests()
    assert keys((await source.list_all()).files) == expected
    assert len([ask for ask in await drive.requests() if ask["path"].endswith("/files")]) == 1 + 3


async def test_a_file_is_described(drive: RunningDrive, source: GoogleDriveSource) -> None:
    await drive.add("one", name='a "quoted" name\nwith 🦀.txt', text="hello")
    await drive.add("two", mime_type=DOCUMENT, name="Plan")
    files = {file.key: file for file in (await source.list_all()).files}
    one = files["one"]
    assert (one.name, one.mime_type, one.size_bytes) == ('a "quoted" name\nwith 🦀.txt', "text/plain", 5)
    assert one.fingerprint == "md5:5d41402abc4b2a76b9719d911017c592"
    assert one.modified_at is not None and one.modified_at.tzinfo is not None
    assert one.url == "https://drive.example.com/file/d/one/view"
    assert files["two"].size_bytes is None and files["two"].fingerprint.startswith("modified:2026-")


async def test_a_name_that_cannot_be_stored_is_made_fit(drive: RunningDrive, source: GoogleDriveSource) -> None:
    await drive.add("one", name="a\x00b")
    await drive.add("two", name="\x00")
    assert {file.key: file.name for file in (await source.list_all()).files} == {"one": "ab", "two": "two"}


async def test_two_files_of_one_name_in_one_folder_are_two_documents(
    drive: RunningDrive, source: GoogleDriveSource
) -> None:
    await drive.add("one", name="report.txt")
    await drive.add("two", name="report.txt")
    assert keys((await source.list_all()).files) == {"one", "two"}


async def test_cycles_several_parents_and_shortcuts_lead_to_each_document_once(
    drive: RunningDrive, source: GoogleDriveSource
) -> None:
    await drive.folder("a")
    await drive.folder("b", "a")
    await drive.change("a", parents=["watched", "b"])
    await drive.add("file", "a")
    await drive.change("file", parents=["a", "b"])
    await drive.add("far", None, readers=[SERVICE_ACCOUNT])
    await drive.folder("far-folder", None, readers=[SERVICE_ACCOUNT])
    await drive.add("inside", "far-folder")
    await drive.add("hidden", None)
    for number, target in enumerate(("far", "far-folder", "watched", "file", "hidden", "deleted")):
        await drive.add(f"shortcut-{number}", mime_type=SHORTCUT, target_id=target)
    assert keys((await source.list_all()).files) == {"file", "far", "inside"}


async def test_a_shortcut_that_cannot_be_followed_now_is_no_dead_one(
    drive: RunningDrive, make_source: MakeSource
) -> None:
    source = make_source(client={"deadline_seconds": 1})
    await drive.add("far", None, readers=[SERVICE_ACCOUNT])
    await drive.add("shortcut", mime_type=SHORTCUT, target_id="far")
    await drive.fault("user_rate_limit", path="/drive/v3/files/far", times=1000)
    with pytest.raises(SourceUnavailable):
        await source.list_all()


async def test_shortcuts_can_be_left_alone(drive: RunningDrive, make_source: MakeSource) -> None:
    await drive.add("far", None, readers=[SERVICE_ACCOUNT])
    await drive.add("shortcut", mime_type=SHORTCUT, target_id="far")
    assert (await make_source(follow_shortcuts=False).list_all()).files == ()


async def test_the_trash_is_not_listed(drive: RunningDrive, source: GoogleDriveSource) -> None:
    await drive.folder("folder")
    await drive.add("in-folder", "folder")
    await drive.add("thrown-away")
    await drive.add("kept")
    await drive.change("folder", is_trashed=True)
    await drive.change("thrown-away", is_trashed=True)
    assert keys((await source.list_all()).files) == {"kept"}


async def test_everything_the_account_may_read(drive: RunningDrive, make_source: MakeSource) -> None:
    await drive.control("POST", "/settings", {"page_size_max": 1})
    await drive.add("in-folder")
    await drive.add("private", None)
    await drive.add("shared", None, readers=[SERVICE_ACCOUNT])
    for number in range(2):
        await drive.control("POST", "/drives", {"id": f"drive-{number}", "members": [SERVICE_ACCOUNT]})
        await drive.add(f"in-drive-{number}", f"drive-{number}")
    await drive.control("POST", "/drives", {"id": "drive-of-others", "members": [OWNER]})
    await drive.add("not-ours", "drive-of-others")
    await drive.folder("lent", "drive-of-others", readers=[SERVICE_ACCOUNT])
    await drive.add("lent-file", "lent")

    listing = await make_source(folder_id="").list_all()

    assert keys(listing.files) == {"in-folder", "shared", "in-drive-0", "in-drive-1", "lent-file"}


async def test_a_shared_drive_and_a_folder_of_one(drive: RunningDrive, make_source: MakeSource) -> None:
    await drive.control("POST", "/drives", {"id": "drive", "members": [SERVICE_ACCOUNT]})
    await drive.folder("folder", "drive")
    await drive.add("top", "drive")
    await drive.add("below", "folder")
    assert keys((await make_source(folder_id="drive").list_all()).files) == {"top", "below"}
    assert keys((await make_source(folder_id="folder").list_all()).files) == {"below"}


async def test_a_folder_of_a_shared_drive_whose_member_one_is_not(drive: RunningDrive, make_source: MakeSource) -> None:
    await drive.control("POST", "/drives", {"id": "drive", "members": [OWNER]})
    await drive.folder("lent", "drive", readers=[SERVICE_ACCOUNT])
    await drive.folder("deeper", "lent")
    await drive.add("file", "deeper")
    source = make_source(folder_id="lent")
    listing = await source.list_all()
    assert keys(listing.files) == {"file"}
    await drive.add("second", "deeper")
    changes = await source.changes(listing.state)
    assert changes is not None and keys(changes.changed) == {"second"}


async def test_the_own_drive_of_a_person(drive: RunningDrive, make_source: MakeSource) -> None:
    await drive.add("mine", None)
    source = make_source(folder_id="root", credentials_json=await drive.oauth_json())
    listing = await source.list_all()
    assert keys(listing.files) == {"mine"}
    changes = await source.changes(listing.state)
    assert changes is not None and changes.changed == ()


@pytest.mark.parametrize(
    "kind", ["server_error", "garbage", "truncated", "incomplete_search", "rate_limit", "forbidden"]
)
async def test_a_listing_with_one_page_missing_is_no_listing(
    drive: RunningDrive, make_source: MakeSource, kind: str
) -> None:
    source = make_source(client={"deadline_seconds": 1})
    await drive.control("POST", "/settings", {"page_size_max": 1})
    for number in range(4):
        await drive.add(f"file-{number}")
    await drive.fault(kind, times=1000, skip=2, path="/drive/v3/files", parameter="pageToken")
    with pytest.raises(SourceUnavailable):
        await source.list_all()


async def test_pages_that_ran_out_are_no_end_of_a_listing(drive: RunningDrive, make_source: MakeSource) -> None:
    source = make_source(client={"threads": 1})
    await drive.control("POST", "/settings", {"page_size_max": 1})
    for number in range(3):
        await drive.add(f"file-{number}")
    async with drive.holding(skip=1, path="/drive/v3/files", parameter="pageToken") as held:
        listing = asyncio.create_task(source.list_all())
        await held()
        await drive.control("POST", "/settings", {"forget_pages": True})
    with pytest.raises(SourceUnavailable):
        await listing


@pytest.mark.parametrize("how", ["is_trashed", "unshared", "deleted"])
async def test_a_watched_folder_that_disappears_is_no_empty_folder(
    drive: RunningDrive, source: GoogleDriveSource, how: str
) -> None:
    await drive.add("file")
    state = (await source.list_all()).state
    if how == "deleted":
        await drive.delete("watched")
    else:
        await drive.change("watched", **({"is_trashed": True} if how == "is_trashed" else {"readers": []}))
    assert await source.changes(state) is None
    with pytest.raises(SourceUnavailable, match="watched folder"):
        await source.list_all()


async def test_a_file_that_moves_during_the_listing_is_not_missed(drive: RunningDrive, make_source: MakeSource) -> None:
    """It goes from a folder that was not listed yet into one that was."""
    source = make_source(client={"threads": 1})
    await drive.folder("below")
    await drive.add("traveller", "below")
    await drive.add("doomed", "below")
    async with drive.holding(skip=1, path="/drive/v3/files", parameter="q") as held:
        listing = asyncio.create_task(source.list_all())
        await held()
        await drive.change("traveller", parents=["watched"])
        await drive.change("doomed", is_trashed=True)
    assert keys((await listing).files) == {"traveller"}


async def test_access_that_ends_in_mid_listing_is_renewed(drive: RunningDrive, source: GoogleDriveSource) -> None:
    await drive.control("POST", "/settings", {"page_size_max": 1})
    expected = {await drive.add(f"file-{number}") for number in range(5)}
    for skip in (1, 2):
        await drive.fault("expired", skip=skip, path="/drive/v3/files", parameter="pageToken")
    assert keys((await source.list_all()).files) == expected
    assert (await drive.control("POST", "/access"))["handed_out"] >= 3


async def test_access_that_is_not_renewed_in_mid_listing_ends_it(
    drive: RunningDrive, source: GoogleDriveSource
) -> None:
    await drive.control("POST", "/settings", {"page_size_max": 1})
    for number in range(5):
        await drive.add(f"file-{number}")
    await source.check()
    await drive.control("POST", "/access", {"refuse": [SERVICE_ACCOUNT]})
    await drive.fault("expired", skip=2, path="/drive/v3/files", parameter="pageToken")
    with pytest.raises(AuthenticationError, match="invalid_grant"):
        await source.list_all()


async def test_more_files_than_the_limit_are_a_mistake(drive: RunningDrive, make_source: MakeSource) -> None:
    for number in range(3):
        await drive.add(f"file-{number}")
    assert len((await make_source(files_max=3).list_all()).files) == 3
    with pytest.raises(SourceUnavailable, match="RAG_FILES_MAX"):
        await make_source(files_max=2).list_all()


async def test_an_empty_folder_is_a_complete_listing(drive: RunningDrive, source: GoogleDriveSource) -> None:
    await drive.add("no-document", mime_type=FOLDER)
    assert (await source.list_all()).files == ()
