"""The whole way, from Drive to the database, with the worker as operators start it: in single mode, as a process."""

import asyncio
import base64
import io
import json
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from docx import Document

from local_stack.google_drive.tests.running import DOCUMENT, DOCX, REPOSITORY, SERVICE_ACCOUNT, RunningDrive
from local_stack.postgres.testing import Database
from local_stack.processes import free_ports

SERVICE = Path(__file__).resolve().parents[2]
FORM = "application/vnd.google-apps.form"
OTHER = "other@example.com"
_SECONDS_MAX = 300
IMPATIENT = {"GOOGLE_DRIVE_DEADLINE_SECONDS": "8"}
"""Where no answer comes that would be right."""

RunWorker: TypeAlias = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


@pytest.fixture(scope="module")
async def model_url() -> AsyncGenerator[str]:
    """An embedding model on a port."""
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local_stack.demo_model", "--port", str(port), cwd=REPOSITORY
    )
    try:
        async with asyncio.timeout(_SECONDS_MAX), httpx.AsyncClient() as http:
            while not await _is_healthy(http, f"http://127.0.0.1:{port}/health"):
                assert process.returncode is None, "the model ended while it started"
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def run_worker(drive: RunningDrive, database: Database, model_url: str) -> RunWorker:
    """One run; answers the exit status and what was printed."""
    environment = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")},
        "RAG_PIPELINE_ENV_FILE": "",
        "DATABASE_URL": database.dsn(),
        "EMBEDDING_BASE_URL": model_url,
        "EMBEDDING_API_KEY": "none",
        "EMBEDDING_MODEL_CHOICE": "all-minilm-l6-v2",
        "RAG_WATCH_FOLDER_ID": "watched",
        "GOOGLE_DRIVE_API_ENDPOINT": drive.url,
        "GOOGLE_DRIVE_CREDENTIALS_JSON": drive.service_account_json(),
        "RAG_ATTEMPTS_MAX": "1",
    }

    async def run(**overrides: str) -> tuple[int, dict[str, Any]]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "docker_entrypoint.py", "--pipeline", "google_drive", "--mode", "single"),
            cwd=SERVICE,
            env=environment | overrides,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(_SECONDS_MAX):
            output, errors = await process.communicate()
        text = output.decode() + errors.decode()
        assert "PRIVATE KEY" not in text and "ya29." not in text, "a secret was printed"
        print(errors.decode())
        return process.returncode or 0, json.loads(output)

    return run


async def stored(database: Database) -> dict[str, tuple[str, str, str]]:
    """Title, state and all text of each document, by its id in Drive."""
    async with database.connect() as connection:
        rows = await connection.fetch(
            """
            select document.source_key, document.file_name, document.status,
                coalesce(string_agg(chunk.content, ' ' order by chunk.chunk_index), '') as content
            from public.document_metadata as document
            left join public.documents as chunk on chunk.document_id = document.id
            where document.source = 'google_drive'
            group by document.id
            """
        )
    return {row["source_key"]: (row["file_name"], row["status"], row["content"]) for row in rows}


async def ids(database: Database) -> dict[str, str]:
    async with database.connect() as connection:
        rows = await connection.fetch("select source_key, id from public.document_metadata")
    return {row["source_key"]: row["id"] for row in rows}


def word_file(text: str) -> str:
    document: Any = Document()
    document.add_paragraph(text)
    buffer = io.BytesIO()
    document.save(buffer)
    return base64.b64encode(buffer.getvalue()).decode()


async def fill(drive: RunningDrive) -> None:
    await drive.control("POST", "/settings", {"page_size_max": 2})
    await drive.folder("folder")
    await drive.folder("deeper", "folder")
    for number in range(5):
        await drive.add(f"top-{number}", name=f"top-{number}.txt")
        await drive.add(f"deep-{number}", "deeper", name=f"deep-{number}.txt")
    await drive.add("plan", name="Plan", mime_type=DOCUMENT, exports_base64={DOCX: word_file("what is planned")})
    await drive.add("form", name="Form", mime_type=FORM)


async def test_paging_trash_moves_and_access_that_ends_leave_exactly_the_right_documents(
    drive: RunningDrive, database: Database, run_worker: RunWorker
) -> None:
    await fill(drive)
    status, printed = await run_worker()
    assert (status, printed["files_failed"], printed["pipeline_type"]) == (0, 0, "google_drive"), printed
    expected = {
        f"{place}-{number}": (f"{place}-{number}.txt", "indexed", f"the text of {place}-{number}")
        for place in ("top", "deep")
        for number in range(5)
    }
    expected["plan"] = ("Plan", "indexed", "what is planned")
    expected["form"] = ("Form", "not_indexed", "")
    assert await stored(database) == expected
    first_ids = await ids(database)

    # Trash, move in, rename, other text: told by the log.
    await drive.change("top-0", is_trashed=True)
    await drive.change("top-1", name="renamed.txt")
    await drive.change("top-2", text="other words")
    await drive.folder("outside", None, readers=[SERVICE_ACCOUNT])
    await drive.add("newcomer", "outside", name="newcomer.txt")
    await drive.change("outside", parents=["watched"])
    assert (await run_worker())[0] == 0
    del expected["top-0"]
    expected["top-1"] = ("renamed.txt", "indexed", "the text of top-1")
    expected["top-2"] = ("top-2.txt", "indexed", "other words")
    expected["newcomer"] = ("newcomer.txt", "indexed", "the text of newcomer")
    assert await stored(database) == expected
    assert (await ids(database))["top-1"] == first_ids["top-1"], "a renamed file is the same document"

    # Access ends in the middle of a listing, and comes back.
    await drive.control("POST", "/settings", {"forget_changes": 410})
    await drive.fault("expired", skip=2, path="/drive/v3/files", parameter="pageToken")
    assert (await run_worker())[0] == 0
    assert await stored(database) == expected

    # It ends and does not come back, while half of the files would be missing: nothing is deleted.
    await drive.change("folder", parents=["root-owner"])
    async with drive.holding(path="/drive/v3/files", parameter="pageToken") as held:
        running = asyncio.ensure_future(run_worker())
        await held()
        await drive.control("POST", "/access", {"expire": True, "refuse": [SERVICE_ACCOUNT]})
        await drive.fault("expired", path="/drive/v3/files", times=100)
    assert (await running)[0] == 3
    assert await stored(database) == expected
    await drive.control("DELETE", "/faults")
    await drive.control("POST", "/access", {"allow": [SERVICE_ACCOUNT]})

    # A page that fails is no end of the listing either.
    await drive.fault("server_error", times=1000, skip=1, path="/drive/v3/files", parameter="pageToken")
    assert (await run_worker(**IMPATIENT))[0] == 1
    assert await stored(database) == expected
    await drive.control("DELETE", "/faults")

    # The folder had left with everything below.
    assert (await run_worker())[0] == 0
    expected = {key: value for key, value in expected.items() if not key.startswith("deep-")}
    assert await stored(database) == expected


async def test_nothing_changed_costs_one_question(
    drive: RunningDrive, database: Database, run_worker: RunWorker
) -> None:
    await fill(drive)
    assert (await run_worker())[0] == 0
    await drive.requests()
    status, printed = await run_worker()
    assert (status, printed["files_processed"], printed["files_deleted"]) == (0, 0, 0)
    asked = [ask["path"] for ask in await drive.requests()]
    assert asked == ["/drive/v3/files/watched", "/drive/v3/changes"], "the check at start, and the log"


async def shown_error(database: Database) -> tuple[str | None, str]:
    async with database.connect() as connection:
        row = await connection.fetchrow("select error_code, error_message from public.rag_pipeline_state")
    return (None, "") if row is None else (row["error_code"], row["error_message"] or "")


async def test_a_refused_key_ends_with_3_and_a_wrong_folder_with_2_and_both_are_shown(
    drive: RunningDrive, database: Database, run_worker: RunWorker
) -> None:
    await drive.control("POST", "/access", {"refuse": [SERVICE_ACCOUNT]})
    assert (await run_worker())[0] == 3
    assert (await shown_error(database))[0] == "authentication"
    await drive.control("POST", "/access", {"allow": [SERVICE_ACCOUNT]})
    await drive.change("watched", readers=[])
    assert (await run_worker())[0] == 2
    assert (await shown_error(database))[0] == "configuration"


async def test_an_error_is_gone_with_its_cause_also_where_nothing_changed(
    drive: RunningDrive, database: Database, run_worker: RunWorker
) -> None:
    await drive.add("file")
    assert (await run_worker())[0] == 0
    await drive.fault("server_error", times=1000, path="/drive/v3/changes")
    assert (await run_worker(**IMPATIENT))[0] == 1
    assert (await shown_error(database))[0] == "source_unavailable"
    await drive.control("DELETE", "/faults")
    assert (await run_worker())[0] == 0
    assert (await shown_error(database))[0] is None


async def test_another_folder_that_lacks_most_files_deletes_nothing_unless_that_is_meant(
    drive: RunningDrive, database: Database, run_worker: RunWorker
) -> None:
    await drive.folder("folder")
    await drive.folder("deeper", "folder")
    await drive.add("top")
    for number in range(3):
        await drive.add(f"deep-{number}", "deeper")
    assert (await run_worker())[0] == 0
    status, printed = await run_worker(RAG_WATCH_FOLDER_ID="folder")
    assert (status, printed["files_deleted"]) == (0, 1), "most files are in it"
    await drive.folder("typo")
    for _ in range(2):
        status, printed = await run_worker(RAG_WATCH_FOLDER_ID="typo")
        assert (status, printed["files_deleted"]) == (1, 0)
    code, message = await shown_error(database)
    assert code == "source_unavailable" and "RAG_ACCEPT_NEW_FOLDER" in message
    status, printed = await run_worker(RAG_WATCH_FOLDER_ID="typo", RAG_ACCEPT_NEW_FOLDER="true")
    assert (status, printed["files_deleted"]) == (0, 3)


async def _is_healthy(http: httpx.AsyncClient, address: str) -> bool:
    try:
        return (await http.get(address)).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("seen", [set[str](), {"file-0"}])
async def test_another_account_that_sees_little_deletes_nothing_unless_that_is_meant(
    drive: RunningDrive, database: Database, run_worker: RunWorker, seen: set[str]
) -> None:
    files = {f"file-{number}" for number in range(3)}
    for id in files:
        await drive.add(id, None, name=f"{id}.txt", readers=[SERVICE_ACCOUNT, *([OTHER] if id in seen else [])])
    assert (await run_worker(RAG_WATCH_FOLDER_ID=""))[0] == 0
    as_other = {"RAG_WATCH_FOLDER_ID": "", "GOOGLE_DRIVE_CREDENTIALS_JSON": await drive.oauth_json(OTHER)}
    assert (await run_worker(**as_other))[0] == 1
    assert set(await stored(database)) == files
    async with database.connect() as connection:
        shown = await connection.fetchval("select error_message from public.rag_pipeline_state")
    assert "RAG_ACCEPT_NEW_FOLDER" in shown
    assert (await run_worker(**as_other, RAG_ACCEPT_NEW_FOLDER="true"))[0] == 0
    assert set(await stored(database)) == seen
