"""Credentials: what is accepted, what is said about the rest, and what happens when Google refuses."""

import asyncio
import json
import logging
import sys
import time
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local_stack.google_drive.tests.running import OWNER, SERVICE_ACCOUNT, RunningDrive
from rag_pipeline.sources.google_drive.source import GoogleDriveOptions, GoogleDriveSource
from rag_pipeline.sources.late import LateSource
from rag_pipeline.sources.source import AuthenticationError, ConfigurationError, SourceUnavailable

from .conftest import MakeSource

SERVICE = Path(__file__).resolve().parents[2]


async def test_a_service_account_and_a_person_may_read(drive: RunningDrive, make_source: MakeSource) -> None:
    await make_source().check()
    await make_source(credentials_json=await drive.oauth_json()).check()
    await make_source(folder_id="").check()


@pytest.mark.parametrize("name", ["credentials.json", "token.json"])
async def test_credentials_lie_in_a_file(
    drive: RunningDrive, make_source: MakeSource, tmp_path: Path, name: str
) -> None:
    content = drive.service_account_json() if name == "credentials.json" else await drive.oauth_json()
    (tmp_path / name).write_text(content)
    await make_source(credentials_json="", credentials_directory=tmp_path).check()


async def test_credentials_that_come_later_are_found_and_no_document_is_to_blame_meanwhile(
    drive: RunningDrive, make_source: MakeSource, tmp_path: Path
) -> None:
    await drive.add("file")
    source = LateSource("google_drive", lambda: make_source(credentials_json="", credentials_directory=tmp_path))
    with pytest.raises(ConfigurationError, match="needs credentials"):
        await source.check()
    with pytest.raises(SourceUnavailable):
        await source.fetch("file")
    (tmp_path / "credentials.json").write_text(drive.service_account_json())
    await source.check()
    assert (await source.fetch("file")).content == b"the text of file"


async def test_an_address_copied_from_the_browser_names_the_folder(
    drive: RunningDrive, make_source: MakeSource
) -> None:
    await drive.add("file")
    source = make_source(folder_id=" https://drive.google.com/drive/u/0/folders/watched?usp=sharing ")
    await source.check()
    assert [file.key for file in (await source.list_all()).files] == ["file"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "needs credentials"),
        ("{", "no valid JSON"),
        ("[]", "JSON object"),
        ('{"type": "service_account", "client_email": "a@example.com", "private_key": "hush"}', "no complete key"),
        ('{"type": "authorized_user", "client_id": "x"}', "lacks refresh_token, client_secret"),
        ('{"type": "external_account"}', "'external_account'"),
        ('{"installed": {"client_id": "x"}}', "Run once: python -m rag_pipeline.sources.google_drive.authorize"),
        ('{"type": "authorized_user", "token_uri": "http://evil.example.com/token"}', "https://"),
    ],
)
def test_credentials_that_cannot_work_are_named_and_not_quoted(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        GoogleDriveSource(GoogleDriveOptions(credentials_json=content, credentials_directory=tmp_path))
    assert words in str(refusal.value) and "hush" not in str(refusal.value)


@pytest.mark.parametrize("folder_id", ["a folder", "' or trashed", "https://example.com/x"])
def test_a_folder_id_is_one_word(folder_id: str, drive: RunningDrive) -> None:
    with pytest.raises(ConfigurationError, match="RAG_WATCH_FOLDER_ID"):
        GoogleDriveSource(GoogleDriveOptions(folder_id=folder_id, credentials_json=drive.service_account_json()))


def test_options_do_not_show_the_key() -> None:
    assert "hush" not in repr(GoogleDriveOptions(credentials_json="hush"))


async def test_a_folder_that_is_not_shared_is_named_with_the_account(
    drive: RunningDrive, make_source: MakeSource
) -> None:
    await drive.folder("private", None)
    with pytest.raises(ConfigurationError, match=SERVICE_ACCOUNT):
        await make_source(folder_id="private").check()
    await drive.add("file")
    with pytest.raises(ConfigurationError, match="not a folder"):
        await make_source(folder_id="file").check()


async def test_a_key_that_google_does_not_know(drive: RunningDrive, make_source: MakeSource) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    source = make_source(credentials_json=drive.service_account_json(private_key=other.decode()))
    with pytest.raises(AuthenticationError, match="invalid_grant"):
        await source.check()


async def test_consent_that_was_withdrawn(drive: RunningDrive, make_source: MakeSource) -> None:
    source = make_source(credentials_json=await drive.oauth_json())
    state = (await source.list_all()).state
    await drive.control("POST", "/access", {"expire": True, "refuse": [OWNER]})
    for ask in (source.check(), source.list_all(), source.changes(state), source.fetch("file")):
        with pytest.raises(AuthenticationError):
            await ask
    await drive.control("POST", "/access", {"allow": [OWNER]})
    await source.check()


async def test_an_api_that_is_not_enabled(drive: RunningDrive, source: GoogleDriveSource) -> None:
    await drive.fault("api_disabled")
    with pytest.raises(AuthenticationError, match="not enabled"):
        await source.check()


async def test_access_that_ends_soon_is_renewed_before_it_is_used(
    drive: RunningDrive, source: GoogleDriveSource
) -> None:
    await drive.control("POST", "/access", {"seconds": 1})
    await source.check()
    await source.check()
    assert (await drive.control("POST", "/access"))["handed_out"] >= 2


@pytest.mark.parametrize("kind", ["too_many_requests", "rate_limit", "user_rate_limit", "server_error", "unavailable"])
async def test_a_passing_failure_passes(drive: RunningDrive, source: GoogleDriveSource, kind: str) -> None:
    await drive.add("file")
    await drive.fault(kind, times=3)
    assert len((await source.list_all()).files) == 1


async def test_a_passing_failure_of_the_sign_in_passes(drive: RunningDrive, source: GoogleDriveSource) -> None:
    """Google's library makes three attempts of its own."""
    await drive.fault("unavailable", path="/token", times=4)
    await source.check()


async def test_a_sign_in_that_is_away_refuses_nobody(drive: RunningDrive, make_source: MakeSource) -> None:
    await drive.fault("unavailable", path="/token", times=1000)
    with pytest.raises(SourceUnavailable):
        await make_source(client={"deadline_seconds": 5}).check()


async def test_a_rate_limit_that_lasts_is_called_by_its_name(drive: RunningDrive, make_source: MakeSource) -> None:
    # Signed in before, so that one question at least is answered within the deadline.
    source = make_source(client={"deadline_seconds": 10})
    await source.check()
    await drive.fault("rate_limit", times=1000)
    with pytest.raises(SourceUnavailable, match="403 rateLimitExceeded"):
        await source.check()


async def test_google_says_how_long_to_wait(drive: RunningDrive, source: GoogleDriveSource) -> None:
    await source.check()
    await drive.fault("too_many_requests", retry_after_seconds=1)
    begun = time.monotonic()
    await source.check()
    assert time.monotonic() - begun >= 1


async def test_silence_ends_at_the_deadline(drive: RunningDrive, make_source: MakeSource) -> None:
    source = make_source(client={"timeout_seconds": 60, "deadline_seconds": 10, "threads": 1})
    async with drive.holding():
        begun = time.monotonic()
        with pytest.raises(SourceUnavailable, match=r"within 10 seconds"):
            await source.check()
        assert time.monotonic() - begun < 50
    # Its only thread does not wait for the lost answer.
    await source.check()


async def test_a_source_closes_while_google_is_silent(drive: RunningDrive, make_source: MakeSource) -> None:
    source = make_source(client={"timeout_seconds": 60})
    async with drive.holding() as held:
        waiting = asyncio.create_task(source.check())
        await held()
        waiting.cancel()
        async with asyncio.timeout(50):
            await source.close()
        assert waiting.cancelled() or waiting.done()


async def test_a_server_that_is_not_there(make_source: MakeSource) -> None:
    source = make_source(client={"api_endpoint": "http://127.0.0.1:9", "deadline_seconds": 0.3})
    with pytest.raises(SourceUnavailable):
        await source.check()


def test_google_is_not_asked_over_an_open_line(drive: RunningDrive, make_source: MakeSource) -> None:
    with pytest.raises(ConfigurationError, match="https"):
        make_source(client={"api_endpoint": "http://drive.example.com"})


async def test_nothing_secret_is_logged(
    drive: RunningDrive, source: GoogleDriveSource, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await drive.fault("rate_limit", times=2)
    await source.check()
    assert "ya29." not in caplog.text and "PRIVATE KEY" not in caplog.text and "assertion" not in caplog.text


async def test_a_person_gives_consent_once(drive: RunningDrive, make_source: MakeSource, tmp_path: Path) -> None:
    oauth = json.loads(await drive.oauth_json())
    client = {"client_id": oauth["client_id"], "client_secret": oauth["client_secret"]}
    addresses = {
        "auth_uri": f"{drive.url}/auth",
        "token_uri": f"{drive.url}/token",
        "redirect_uris": ["http://localhost"],
    }
    (tmp_path / "credentials.json").write_text(json.dumps({"installed": client | addresses}))
    command = ["-m", "rag_pipeline.sources.google_drive.authorize", "--no-browser", "--directory", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", *command, cwd=SERVICE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(120):
        address = ""
        while not address.startswith(drive.url):
            address = (await process.stdout.readline()).decode().strip()
        async with httpx.AsyncClient(follow_redirects=True, timeout=60) as browser:
            assert "Done." in (await browser.get(address)).text
        assert await process.wait() == 0
    assert (tmp_path / "token.json").stat().st_mode & 0o777 == 0o600
    await make_source(credentials_json="", credentials_directory=tmp_path).check()
    assert "drive.readonly" in address and "access_type=offline" in address
