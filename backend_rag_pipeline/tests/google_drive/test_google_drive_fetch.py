"""The bytes of a file are whole and within the limit, or there is a reason why there are none."""

import base64
import os

import pytest

from local_stack.google_drive.tests.running import DOCUMENT, DOCX, FOLDER, RunningDrive
from rag_pipeline.sources.google_drive.download import ExportTooLarge, FileHarmful
from rag_pipeline.sources.google_drive.source import GoogleDriveSource
from rag_pipeline.sources.source import (
    FileForbidden,
    FileGone,
    FileNotStable,
    FileTooLarge,
    FileUnsupported,
    SourceUnavailable,
)

from .conftest import MakeSource

_TEXT = "text/plain"


async def add_bytes(drive: RunningDrive, id: str, content: bytes) -> None:
    await drive.add(id, mime_type="application/pdf", content_base64=base64.b64encode(content).decode())


async def test_a_file_comes_in_chunks_and_whole(drive: RunningDrive, source: GoogleDriveSource) -> None:
    content = os.urandom(20 * 1024 * 1024)
    await add_bytes(drive, "large", content)
    await drive.requests()
    fetched = await source.fetch("large")
    assert fetched.content == content
    assert (fetched.name, fetched.mime_type) == ("large", "application/pdf")
    assert fetched.fingerprint == (await source.list_all()).files[0].fingerprint
    assert len([ask for ask in await drive.requests() if ask["parameters"].get("alt") == "media"]) == 3


async def test_an_empty_file_is_empty(drive: RunningDrive, source: GoogleDriveSource) -> None:
    await drive.add("empty", text="")
    assert (await source.fetch("empty")).content == b""


async def test_a_file_above_the_limit_is_not_downloaded(drive: RunningDrive, make_source: MakeSource) -> None:
    source = make_source(file_bytes_max=1024)
    await add_bytes(drive, "fits", b"x" * 1024)
    await add_bytes(drive, "large", b"x" * 1025)
    assert len((await source.fetch("fits")).content) == 1024
    await drive.requests()
    with pytest.raises(FileTooLarge):
        await source.fetch("large")
    assert not [ask for ask in await drive.requests() if ask["parameters"].get("alt") == "media"]


async def test_an_export_above_the_limit_is_not_kept(drive: RunningDrive, make_source: MakeSource) -> None:
    await drive.add("plan", mime_type=DOCUMENT, exports={DOCX: "x" * 2000})
    with pytest.raises(FileTooLarge):
        await make_source(file_bytes_max=1024).fetch("plan")


@pytest.mark.parametrize(
    ("kind", "exported", "name"),
    [
        ("document", DOCX, "Plan.docx"),
        ("spreadsheet", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "Plan.xlsx"),
        ("presentation", "application/vnd.openxmlformats-officedocument.presentationml.presentation", "Plan.pptx"),
        ("drawing", "application/pdf", "Plan.pdf"),
    ],
)
async def test_documents_of_google_are_exported(
    drive: RunningDrive, source: GoogleDriveSource, kind: str, exported: str, name: str
) -> None:
    mime_type = f"application/vnd.google-apps.{kind}"
    await drive.add("plan", name="Plan", mime_type=mime_type, exports={exported: "exported", _TEXT: "as text"})
    fetched = await source.fetch("plan")
    assert (fetched.name, fetched.mime_type, fetched.content) == (name, exported, b"exported")


async def test_a_document_too_large_to_export_is_read_as_text(drive: RunningDrive, source: GoogleDriveSource) -> None:
    await drive.control("POST", "/settings", {"export_bytes_max": 100})
    await drive.add("plan", name="Plan", mime_type=DOCUMENT, exports={DOCX: "x" * 101, _TEXT: "words"})
    fetched = await source.fetch("plan")
    assert (fetched.name, fetched.mime_type, fetched.content) == ("Plan.txt", _TEXT, b"words")
    await drive.change("plan", exports={DOCX: "x" * 101, _TEXT: "x" * 101})
    with pytest.raises(ExportTooLarge, match="10 MB"):
        await source.fetch("plan")


@pytest.mark.parametrize("kind", ["form", "map", "site", "jam", "script"])
async def test_what_holds_no_text_is_not_indexed(drive: RunningDrive, source: GoogleDriveSource, kind: str) -> None:
    await drive.add("it", mime_type=f"application/vnd.google-apps.{kind}")
    with pytest.raises(FileUnsupported) as refusal:
        await source.fetch("it")
    assert refusal.value.code == "unsupported_type"


@pytest.mark.parametrize("how", ["trashed", "deleted", "unshared", "never", "folder"])
async def test_a_file_that_is_gone(drive: RunningDrive, source: GoogleDriveSource, how: str) -> None:
    if how != "never":
        await drive.add("file", **({"mime_type": FOLDER} if how == "folder" else {}))
    if how == "trashed":
        await drive.change("file", is_trashed=True)
    elif how == "deleted":
        await drive.delete("file")
    elif how == "unshared":
        await drive.change("watched", readers=[])
    with pytest.raises(FileGone):
        await source.fetch("file")


@pytest.mark.parametrize("parameter", ["alt=media", "fields"])
async def test_permission_lost_just_now(drive: RunningDrive, source: GoogleDriveSource, parameter: str) -> None:
    await drive.add("file")
    await drive.fault("forbidden", path="/drive/v3/files/", parameter=parameter)
    with pytest.raises(FileGone):
        await source.fetch("file")


@pytest.mark.parametrize("parameter", ["alt=media", "fields"])
async def test_a_rate_limit_that_lasts_is_no_lost_permission(
    drive: RunningDrive, make_source: MakeSource, parameter: str
) -> None:
    """Both are a 403."""
    source = make_source(client={"deadline_seconds": 1})
    await drive.add("file")
    await drive.fault("rate_limit", path="/drive/v3/files/", parameter=parameter, times=1000)
    with pytest.raises(SourceUnavailable):
        await source.fetch("file")


async def test_a_file_that_must_not_be_downloaded(drive: RunningDrive, source: GoogleDriveSource) -> None:
    await drive.add("locked", can_download=False)
    await drive.add("harmful", is_abusive=True)
    with pytest.raises(FileForbidden, match="owner"):
        await source.fetch("locked")
    with pytest.raises(FileHarmful, match="malware"):
        await source.fetch("harmful")
    before = (await source.list_all()).files
    await drive.change("locked", can_download=True)
    after = (await source.list_all()).files
    assert [old.fingerprint == new.fingerprint for old, new in zip(before, after, strict=True)] == [False, True]
    assert (await source.fetch("locked")).content == b"the text of locked"


async def test_bytes_that_do_not_fit_their_sum_are_not_taken(drive: RunningDrive, source: GoogleDriveSource) -> None:
    await drive.add("file")
    await drive.fault("corrupt", parameter="alt=media")
    with pytest.raises(FileNotStable):
        await source.fetch("file")
    assert (await source.fetch("file")).content == b"the text of file"


async def test_a_download_that_breaks_off_is_tried_again(drive: RunningDrive, source: GoogleDriveSource) -> None:
    content = os.urandom(9 * 1024 * 1024)
    await add_bytes(drive, "file", content)
    await drive.fault("truncated", parameter="alt=media", skip=1, times=2)
    assert (await source.fetch("file")).content == content


async def test_a_download_that_keeps_breaking_off_is_no_content(drive: RunningDrive, make_source: MakeSource) -> None:
    source = make_source(client={"deadline_seconds": 1})
    await drive.add("file")
    await drive.fault("truncated", parameter="alt=media", times=1000)
    with pytest.raises(SourceUnavailable):
        await source.fetch("file")


async def test_a_file_of_a_shared_drive(drive: RunningDrive, make_source: MakeSource) -> None:
    await drive.control("POST", "/drives", {"id": "drive", "members": ["reader@project.example.com"]})
    await drive.add("file", "drive")
    assert (await make_source(folder_id="drive").fetch("file")).content == b"the text of file"
