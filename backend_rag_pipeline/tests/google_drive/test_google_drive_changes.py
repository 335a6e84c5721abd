"""What the change logs tell, and when only a complete listing will do."""

import json
from typing import Any

import pytest

from local_stack.google_drive.tests.running import FOLDER, OWNER, SERVICE_ACCOUNT, SHORTCUT, RunningDrive
from rag_pipeline.sources.google_drive.source import GoogleDriveSource
from rag_pipeline.sources.source import Changes, JsonValue, SourceUnavailable

from .conftest import MakeSource


class Follower:
    """As the synchroniser does: changes where there are any, otherwise a complete listing."""

    def __init__(self, source: GoogleDriveSource) -> None:
        self.source = source
        self.state: dict[str, JsonValue] = {}
        self.files: dict[str, str] = {}
        """Name by key."""
        self.changes: Changes | None = None

    async def look(self) -> set[str]:
        self.changes = await self.source.changes(self.state)
        if self.changes is None:
            listing = await self.source.list_all()
            self.files, self.state = {file.key: file.name for file in listing.files}, listing.state
        else:
            self.files |= {file.key: file.name for file in self.changes.changed}
            self.files = {key: name for key, name in self.files.items() if key not in self.changes.removed}
            self.state = self.changes.state
        return set(self.files)

    @property
    def has_listed(self) -> bool:
        return self.changes is None


@pytest.fixture
async def follower(source: GoogleDriveSource) -> Follower:
    return Follower(source)


async def test_nothing_happened(drive: RunningDrive, follower: Follower) -> None:
    await drive.add("file")
    await follower.look()
    before = follower.state
    await drive.requests()
    assert await follower.look() == {"file"} and follower.state == before
    asked = [ask["path"] for ask in await drive.requests()]
    assert asked == ["/drive/v3/changes"], "one request for a Drive in which nothing happens"


async def test_a_new_file_a_changed_one_a_renamed_one_and_a_deleted_one(
    drive: RunningDrive, follower: Follower
) -> None:
    for id in ("changed", "renamed", "deleted", "untouched"):
        await drive.add(id)
    await follower.look()
    await drive.add("new")
    await drive.change("changed", text="other words")
    await drive.change("renamed", name="another name")
    await drive.delete("deleted")
    await drive.add("elsewhere", None)

    assert await follower.look() == {"new", "changed", "renamed", "untouched"}
    assert follower.changes is not None
    found = {file.key: file for file in follower.changes.changed}
    assert set(found) == {"new", "changed", "renamed"}
    listed = {file.key: file for file in (await follower.source.list_all()).files}
    assert found["renamed"].name == "another name"
    assert found["renamed"].fingerprint == listed["renamed"].fingerprint
    assert set(follower.changes.removed) >= {"deleted"} and "untouched" not in follower.changes.removed


async def test_a_rename_leaves_the_fingerprint_alone_and_a_new_text_does_not(
    drive: RunningDrive, source: GoogleDriveSource
) -> None:
    await drive.add("file")
    first = (await source.list_all()).files[0]
    await drive.change("file", name="other")
    second = (await source.list_all()).files[0]
    await drive.change("file", text="other")
    third = (await source.list_all()).files[0]
    assert first.fingerprint == second.fingerprint != third.fingerprint and second.name == "other"


async def test_every_page_of_the_log_is_read(drive: RunningDrive, follower: Follower) -> None:
    await follower.look()
    await drive.control("POST", "/settings", {"page_size_max": 3})
    expected = {await drive.add(f"file-{number}") for number in range(20)}
    assert await follower.look() == expected and not follower.has_listed
    assert len([ask for ask in await drive.requests() if ask["path"] == "/drive/v3/changes"]) >= 7


async def test_a_file_goes_to_the_trash_and_comes_back(drive: RunningDrive, follower: Follower) -> None:
    await drive.add("file")
    await follower.look()
    await drive.change("file", is_trashed=True)
    assert await follower.look() == set() and not follower.has_listed
    await drive.change("file", is_trashed=False)
    assert await follower.look() == {"file"} and not follower.has_listed


async def test_a_folder_goes_to_the_trash_with_all_below_and_comes_back(
    drive: RunningDrive, follower: Follower
) -> None:
    await drive.folder("folder")
    await drive.folder("deeper", "folder")
    await drive.add("below", "deeper")
    await drive.add("beside")
    assert await follower.look() == {"below", "beside"}
    await drive.change("folder", is_trashed=True)
    assert await follower.look() == {"beside"}
    await drive.change("folder", is_trashed=False)
    assert await follower.look() == {"below", "beside"}


async def test_files_and_folders_move_in_and_out(drive: RunningDrive, follower: Follower) -> None:
    """Of a folder that moves, the log names the folder alone."""
    await drive.folder("outside", None, readers=[SERVICE_ACCOUNT])
    await drive.folder("folder", "outside")
    await drive.folder("deeper", "folder")
    await drive.add("below", "deeper")
    await drive.add("file", "outside")
    assert await follower.look() == set()
    await drive.change("file", parents=["watched"])
    assert await follower.look() == {"file"} and not follower.has_listed
    await drive.change("folder", parents=["watched"])
    assert await follower.look() == {"file", "below"} and not follower.has_listed
    await drive.change("below", text="changed where it is now known")
    assert await follower.look() == {"file", "below"} and not follower.has_listed
    await drive.change("folder", parents=["outside"])
    assert await follower.look() == {"file"}
    await drive.change("file", parents=["outside"])
    assert await follower.look() == set() and not follower.has_listed


async def test_a_move_within_the_tree_changes_nothing(drive: RunningDrive, follower: Follower) -> None:
    await drive.folder("from")
    await drive.folder("to")
    await drive.folder("folder", "from")
    await drive.add("file", "folder")
    await follower.look()
    await drive.change("folder", parents=["to"])
    assert await follower.look() == {"file"} and not follower.has_listed


async def test_a_folder_moves_into_a_new_one_within_one_look(drive: RunningDrive, follower: Follower) -> None:
    await drive.folder("outside", None, readers=[SERVICE_ACCOUNT])
    await drive.folder("folder", "outside")
    await drive.add("file", "folder")
    await follower.look()
    await drive.change("folder", name="named in the log before the folder it goes to")
    await drive.folder("new")
    await drive.change("folder", parents=["new"])
    await drive.add("second", "folder")
    assert await follower.look() == {"file", "second"}


async def test_a_listing_that_lags_behind_the_log_hides_no_folder(drive: RunningDrive, follower: Follower) -> None:
    await drive.folder("outside", None, readers=[SERVICE_ACCOUNT])
    await drive.folder("folder", "outside")
    await drive.add("file", "folder")
    await follower.look()
    await drive.folder("new")
    await drive.change("folder", parents=["new"])
    await drive.fault("lag", path="/drive/v3/files", parameter="q")
    assert await follower.look() == {"file"} and not follower.has_listed


async def test_a_folder_leaves_inside_another_one(drive: RunningDrive, follower: Follower) -> None:
    await drive.folder("outer")
    await drive.folder("inner")
    await drive.add("file", "inner")
    await follower.look()
    await drive.change("inner", parents=["outer"])
    await drive.change("outer", is_trashed=True)
    assert await follower.look() == set()


async def test_what_is_not_shared_any_more_is_gone(drive: RunningDrive, make_source: MakeSource) -> None:
    follower = Follower(make_source(folder_id=""))
    await drive.add("file", None, readers=[SERVICE_ACCOUNT])
    await drive.folder("folder", None, readers=[SERVICE_ACCOUNT])
    await drive.add("below", "folder")
    assert await follower.look() == {"file", "below"}
    await drive.change("file", readers=[])
    assert await follower.look() == {"below"} and not follower.has_listed
    await drive.change("folder", readers=[])
    assert await follower.look() == set()
    await drive.change("folder", readers=[SERVICE_ACCOUNT])
    assert await follower.look() == {"below"}


async def test_shortcuts_come_and_go(drive: RunningDrive, follower: Follower) -> None:
    await drive.add("far", None, readers=[SERVICE_ACCOUNT])
    await drive.folder("far-folder", None, readers=[SERVICE_ACCOUNT])
    await drive.add("inside", "far-folder")
    await follower.look()
    await drive.add("one", mime_type=SHORTCUT, target_id="far")
    await drive.add("two", mime_type=SHORTCUT, target_id="far-folder")
    assert await follower.look() == {"far", "inside"} and not follower.has_listed
    await drive.change("far", name="renamed")
    await drive.add("inside-too", "far-folder")
    assert await follower.look() == {"far", "inside", "inside-too"} and not follower.has_listed
    assert follower.files["far"] == "renamed"
    await drive.change("one", is_trashed=True)
    assert await follower.look() == {"inside", "inside-too"}
    await drive.delete("two")
    assert await follower.look() == set()


async def test_each_shared_drive_has_its_own_log(drive: RunningDrive, make_source: MakeSource) -> None:
    follower = Follower(make_source(folder_id=""))
    for id in ("drive-a", "drive-b"):
        await drive.control("POST", "/drives", {"id": id, "members": [SERVICE_ACCOUNT]})
    await drive.add("file", "drive-a")
    assert await follower.look() == {"file"}
    await drive.add("second", "drive-b")
    assert await follower.look() == {"file", "second"} and not follower.has_listed
    await drive.change("file", parents=["drive-b"])
    assert await follower.look() == {"file", "second"} and not follower.has_listed
    await drive.change("second", parents=["watched"])
    assert await follower.look() == {"file", "second"} and not follower.has_listed
    await drive.control("POST", "/drives", {"id": "drive-c", "members": [SERVICE_ACCOUNT]})
    await drive.add("third", "drive-c")
    assert await follower.look() == {"file", "second", "third"}
    await drive.control("POST", "/drives", {"id": "drive-b", "members": [OWNER]})
    assert await follower.look() == {"second", "third"}


async def test_a_watched_shared_drive(drive: RunningDrive, make_source: MakeSource) -> None:
    await drive.control("POST", "/drives", {"id": "drive", "members": [SERVICE_ACCOUNT]})
    follower = Follower(make_source(folder_id="drive"))
    await drive.folder("folder", "drive")
    await follower.look()
    await drive.add("file", "folder")
    await drive.add("not-here")
    assert await follower.look() == {"file"} and not follower.has_listed
    await drive.control("POST", "/drives", {"id": "drive", "members": []})
    with pytest.raises(SourceUnavailable):
        await follower.look()


@pytest.mark.parametrize("status", [400, 404, 410])
async def test_a_place_that_google_forgot_means_a_complete_listing(
    drive: RunningDrive, follower: Follower, status: int
) -> None:
    await drive.add("deleted")
    await follower.look()
    await drive.delete("deleted")
    await drive.add("new")
    await drive.control("POST", "/settings", {"forget_changes": status})
    assert await follower.look() == {"new"} and follower.has_listed
    await drive.add("newer")
    assert await follower.look() == {"new", "newer"} and not follower.has_listed


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 0},
        {"root_id": "another-folder"},
        {"root_id": None},
        {"account": "somebody-else@example.com"},
        {"follows_shortcuts": False},
        {"places": None},
        {"places": {"account": "nonsense"}},
        {"folders": "watched"},
        {"shortcuts": []},
    ],
)
async def test_a_state_that_does_not_fit_means_a_complete_listing(
    drive: RunningDrive, source: GoogleDriveSource, damage: dict[str, Any]
) -> None:
    state = (await source.list_all()).state
    assert await source.changes(state) is not None
    assert await source.changes(state | damage) is None
    assert await source.changes({}) is None


async def test_another_account_begins_with_a_complete_listing(drive: RunningDrive, make_source: MakeSource) -> None:
    """Its log of changes is another one."""
    state = (await make_source().list_all()).state
    person, other = await drive.oauth_json(), await drive.oauth_json("other@example.com")
    assert await make_source(credentials_json=person).changes(state) is None
    own = (await make_source(credentials_json=person).list_all()).state
    assert await make_source(credentials_json=person).changes(own) is not None
    assert await make_source(credentials_json=other).changes(own) is None
    assert all(json.loads(key)["refresh_token"] not in json.dumps([state, own]) for key in (person, other))


@pytest.mark.parametrize("kind", ["server_error", "garbage", "truncated", "rate_limit"])
async def test_a_log_that_breaks_off_says_nothing(drive: RunningDrive, make_source: MakeSource, kind: str) -> None:
    source = make_source()
    state = (await source.list_all()).state
    await drive.control("POST", "/settings", {"page_size_max": 1})
    for number in range(3):
        await drive.add(f"file-{number}")
    await drive.fault(kind, times=1000, skip=1, path="/drive/v3/changes")
    with pytest.raises(SourceUnavailable):
        await make_source(client={"deadline_seconds": 1}).changes(state)
    await drive.control("DELETE", "/faults")
    changes = await source.changes(state)
    assert changes is not None and len(changes.changed) == 3


async def test_forms_and_maps_are_listed_too(drive: RunningDrive, source: GoogleDriveSource) -> None:
    await drive.add("form", mime_type="application/vnd.google-apps.form")
    await drive.add("folder", mime_type=FOLDER)
    listed = (await source.list_all()).files
    assert [file.mime_type for file in listed] == ["application/vnd.google-apps.form"]
