"""What the product's own client does not ask for: refusals, and that it answers this machine only."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local_stack.google_drive.tests.running import DOCUMENT, OWNER, REPOSITORY, RunningDrive

FILES = "/drive/v3/files"


@pytest.fixture(scope="session")
async def server() -> AsyncGenerator[RunningDrive]:
    async with RunningDrive() as running:
        yield running


@pytest.fixture
async def drive(server: RunningDrive) -> RunningDrive:
    await server.begin()
    return server


async def sign_in(drive: RunningDrive) -> dict[str, str]:
    """The header of the owner."""
    credentials = json.loads(await drive.oauth_json())
    answer = await drive.http.post("/token", data=credentials | {"grant_type": "refresh_token"})
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


async def ask(drive: RunningDrive, path: str, **parameters: Any) -> httpx.Response:
    return await drive.http.get(path, params=parameters, headers=await sign_in(drive))


async def test_who_is_not_signed_in_sees_nothing(drive: RunningDrive) -> None:
    for headers in ({}, {"authorization": "Bearer ya29.invented"}):
        answer = await drive.http.get(FILES, headers=headers)
        assert answer.status_code == 401 and answer.json()["error"]["errors"][0]["reason"] == "authError"


async def test_access_lasts_as_long_as_it_says(drive: RunningDrive) -> None:
    await drive.control("POST", "/access", {"seconds": 0})
    assert (await ask(drive, FILES)).status_code == 401


@pytest.mark.parametrize(
    "question",
    [
        "name contains 'x'",
        "modifiedTime > '2026-01-01'",
        "'a' in owners",
        "trashed",
        "(",
        "name = 'x' extra",
        "name = x",
        "§",
    ],
)
async def test_a_question_it_does_not_understand_is_refused(drive: RunningDrive, question: str) -> None:
    assert (await ask(drive, FILES, q=question)).status_code == 400


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("'watched' in parents", {"one", "it's"}),
        ("'watched' in parents and not name = 'one'", {"it's"}),
        ("name = 'it\\'s' or (name = 'one' and trashed = false)", {"one", "it's"}),
        ("trashed = true or trashed != false", set[str]()),
        ("mimeType = 'text/plain' and name != 'one'", {"it's"}),
    ],
)
async def test_questions_are_answered(drive: RunningDrive, question: str, found: set[str]) -> None:
    await drive.add("one")
    await drive.add("two", name="it's")
    answer = await ask(drive, FILES, q=question, fields="files(name)")
    assert {file["name"] for file in answer.json()["files"]} == found


@pytest.mark.parametrize(
    "parameters",
    [
        {"fields": "files(id,nonsense)"},
        {"fields": "files(id"},
        {"corpora": "allDrives"},
        {"corpora": "drive"},
        {"orderBy": "name"},
        {"spaces": "appDataFolder"},
        {"pageSize": "0"},
        {"pageToken": "invented"},
    ],
)
async def test_parameters_it_does_not_simulate_are_refused(drive: RunningDrive, parameters: dict[str, str]) -> None:
    assert (await ask(drive, FILES, **parameters)).status_code == 400


async def test_a_page_token_fits_its_own_question_only(drive: RunningDrive) -> None:
    await drive.control("POST", "/settings", {"page_size_max": 1})
    await drive.add("one")
    first = (await ask(drive, FILES, q="trashed = false")).json()["nextPageToken"]
    assert (await ask(drive, FILES, q="trashed = false", pageToken=first)).status_code == 200
    assert (await ask(drive, FILES, q="trashed = true", pageToken=first)).status_code == 400


async def test_a_shared_drive_is_shown_to_who_asks_for_it(drive: RunningDrive) -> None:
    await drive.control("POST", "/drives", {"id": "drive", "members": [OWNER]})
    await drive.add("file", "drive")
    assert (await ask(drive, f"{FILES}/file")).status_code == 404
    assert (await ask(drive, f"{FILES}/file", supportsAllDrives="true")).status_code == 200


async def test_documents_of_google_have_no_bytes_and_others_no_export(drive: RunningDrive) -> None:
    await drive.add("plan", mime_type=DOCUMENT, exports={"text/plain": "words"})
    await drive.add("file")
    assert (await ask(drive, f"{FILES}/plan", alt="media")).status_code == 403
    assert (await ask(drive, f"{FILES}/file/export", mimeType="text/plain")).status_code == 403
    assert (await ask(drive, f"{FILES}/plan/export", mimeType="image/png")).status_code == 400
    assert (await ask(drive, f"{FILES}/plan/export", mimeType="text/plain")).text == "words"


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "password"},
        {"grant_type": "refresh_token", "refresh_token": "invented"},
        {"grant_type": "authorization_code", "code": "invented"},
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"},
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"},
    ],
)
async def test_nobody_gets_in_by_guessing(drive: RunningDrive, form: dict[str, str]) -> None:
    credentials = json.loads(await drive.oauth_json())
    known = {name: credentials[name] for name in ("client_id", "client_secret")}
    answer = await drive.http.post("/token", data=known | form)
    assert answer.status_code == 400 and "access_token" not in answer.json()


async def test_an_assertion_must_be_signed_fresh_and_for_drive(drive: RunningDrive) -> None:
    now = int(time.time())
    sound = {"scope": "https://www.googleapis.com/auth/drive.readonly", "iat": now, "exp": now + 600}
    assert (await drive.assert_account(sound)).status_code == 200
    for wrong in ({"exp": now - 1}, {"exp": now + 90_000}, {"aud": "https://example.com"}, {"scope": "openid"}):
        assert (await drive.assert_account(sound | wrong)).status_code == 400
    assert (await drive.assert_account(sound, spoil_signature=True)).status_code == 400


@pytest.mark.parametrize("values", [{"nonsense": 1}, {"mime_type": DOCUMENT, "text": "x"}, {"target_id": "x"}])
async def test_an_item_that_cannot_be_is_refused(drive: RunningDrive, values: dict[str, Any]) -> None:
    assert (await drive.http.post("/control/items", json=values)).status_code == 400


@pytest.mark.parametrize("host", ["evil.example", "10.0.0.1:54325", ""])
async def test_another_host_name_is_refused(drive: RunningDrive, host: str) -> None:
    assert (await drive.http.get(FILES, headers={"host": host})).status_code in (400, 403)


async def test_it_does_not_start_for_other_machines() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local_stack.google_drive", "--host", "0.0.0.0"),  # noqa: S104 - it must be refused
        cwd=REPOSITORY,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 1 and b"loopback" in errors


async def test_a_person_gets_credentials_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    async with RunningDrive("--credentials-file", str(file)) as drive:
        credentials = json.loads(file.read_text())
        answer = await drive.http.post(credentials["token_uri"], data=credentials | {"grant_type": "refresh_token"})
        assert answer.status_code == 200 and file.stat().st_mode & 0o777 == 0o600
