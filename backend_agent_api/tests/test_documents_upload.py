"""Uploading: what is accepted, what is refused and why, and that nothing is ever half there."""

import asyncio
import socket
import unicodedata
from collections.abc import AsyncGenerator
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from agent_api_support.api import Api, make_settings, refusal, run_api
from agent_api_support.documents import DOCUMENTS, TEXT, Library, Reader
from agent_api_support.waiting import until

from local_stack.postgres.cluster import Cluster
from local_stack.postgres.testing import Database

FILE_MAX_BYTES = 40_000
FIRST_LINE = "POST /api/documents HTTP/1.1\r\nHost: api.example.com\r\n"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
ZIP = b"PK\x03\x04" + b"\x00" * 40


@pytest_asyncio.fixture(scope="module")
async def library(postgres_cluster: Cluster, product_template: str) -> AsyncGenerator[Library]:
    """An API with small limits on a database of its own."""
    postgres_cluster.create_database("test_documents_upload", template=product_template)
    database = Database(postgres_cluster, "test_documents_upload")
    settings = make_settings(
        database.dsn(),
        upload_file_max_bytes=FILE_MAX_BYTES,
        uploads_per_user_max=3,
        upload_bytes_per_user_max=100_000,
        request_body_max_bytes=1_000,
        uploads_at_once_max=2,
    )
    async with run_api(settings) as api:
        yield Library(api, database)


async def test_many_files_of_one_person_wait_behind_the_first_of_another(library: Library) -> None:
    busy, other = await library.reader(), await library.reader()
    for number in range(3):
        await busy.upload(f"Text {number}.".encode(), f"{number}.txt")
    await other.upload(b"Another text.", "a.txt")
    rows = await library.rows("select priority from queue.procrastinate_jobs order by id")
    assert [row["priority"] for row in rows] == [100, 99, 98, 100]


async def test_an_upload_is_stored_and_queued_ahead_of_a_sync(library: Library) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, "Rental contract.txt")
    assert document | {"id": "", "created_at": "", "updated_at": ""} == {
        "id": "",
        "title": "Rental contract",
        "file_name": "Rental contract.txt",
        "url": None,
        "source": "upload",
        "mime_type": "text/plain",
        "size_bytes": len(TEXT),
        "status": "pending",
        "error": None,
        "is_quarantined": False,
        "chunk_count": 0,
        "page_count": None,
        "is_shared": False,
        "is_own": True,
        "can_delete": True,
        "can_share": False,
        "can_retry": False,
        "created_at": "",
        "updated_at": "",
        "indexed_at": None,
    }
    (stored,) = await library.rows("select * from public.uploads where document_id = $1", document["id"])
    assert (stored["owner_id"], stored["content"], stored["storage"]) == (reader.user_id, TEXT, "postgres")
    (job,) = await library.rows(
        "select queue_name, priority, task_name from queue.procrastinate_jobs where args ->> 'document_id' = $1",
        document["id"],
    )
    assert tuple(job) == ("uploads", 100, "rag_pipeline.index_document")
    assert (await reader.get(f"/{document['id']}")).json() == document


async def test_the_file_comes_back_to_be_saved_and_not_to_be_run(library: Library) -> None:
    reader = await library.reader()
    page = b"<script>alert(1)</script>"
    document = await reader.upload(page, 'pa"ge ü.html')
    reply = await reader.get(f"/{document['id']}/file")
    assert (reply.status_code, reply.content) == (200, page)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"] == (
        "attachment; filename=\"pa_ge _.html\"; filename*=UTF-8''pa%22ge%20%C3%BC.html"
    )
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert reply.headers["cache-control"] == "private, no-store"


async def test_the_same_content_again_is_the_same_document(library: Library) -> None:
    reader, other = await library.reader(), await library.reader()
    first = await reader.upload(TEXT, "contract.txt")
    again = await reader.post(TEXT, "contract (1).txt")
    assert (again.status_code, again.json()) == (200, first)
    assert await library.count(reader.user_id) == (1, 1, 1)
    theirs = await other.upload(TEXT, "contract.txt")
    assert theirs["id"] != first["id"]


async def test_many_at_once_make_one_document_of_the_same_content(library: Library) -> None:
    reader = await library.reader()
    replies = await asyncio.gather(*(reader.post(b"the same", "a.txt") for _ in range(12)))
    assert sorted(reply.status_code for reply in replies) == [200] * 11 + [201]
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert await library.count(reader.user_id) == (1, 1, 1)


async def test_many_at_once_do_not_pass_the_quota(library: Library) -> None:
    reader = await library.reader()
    replies = await asyncio.gather(*(reader.post(f"text {number}".encode(), "a.txt") for number in range(12)))
    assert sorted(reply.status_code for reply in replies) == [201] * 3 + [409] * 9
    assert {refusal(reply) for reply in replies if reply.status_code == 409} == {(409, "quota_exceeded")}
    assert await library.count(reader.user_id) == (3, 3, 3)
    # What is there already takes no room, and what is deleted gives it back.
    held = next(reply for reply in replies if reply.status_code == 201)
    number = replies.index(held)
    assert (await reader.post(f"text {number}".encode(), "a.txt")).status_code == 200
    assert (await reader.delete(held.json()["id"])).status_code == 204
    assert (await reader.post(b"one more", "a.txt")).status_code == 201


async def test_many_at_once_do_not_pass_the_quota_of_bytes(library: Library) -> None:
    reader = await library.reader()
    contents = [bytes([65 + number]) * FILE_MAX_BYTES for number in range(3)]
    replies = await asyncio.gather(*(reader.post(content, "a.txt") for content in contents))
    assert sorted(reply.status_code for reply in replies) == [201, 201, 409]
    summary = (await reader.get("/summary")).json()
    assert summary["usage"] == {"documents": 2, "bytes": 2 * FILE_MAX_BYTES}


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\me\\notes.txt", "notes.txt"),
        ("line\nbreak.txt", "line break.txt"),
        ('say "hi".txt', 'say "hi".txt'),
        ("invoice\u202etxt.exe.txt", "invoicetxt.exe.txt"),
        ("zero\u200bwidth\ufeff.txt", "zerowidth.txt"),
        ("👩‍👩‍👧 family.txt", "👩‍👩‍👧 family.txt"),
        ("  spaced   out  .txt", "spaced out .txt"),
        ("\x1b[31mred\x7f.txt", "[31mred .txt"),
        (".txt", "document.txt"),
        ("..hidden.txt", "hidden.txt"),
        ("e\u0301.txt", "é.txt"),
        ("TXT.TXT", "TXT.TXT"),
        ("x" * 900 + ".txt", "x" * 196 + ".txt"),
        ("👩‍👩‍👧" * 60 + ".md", ("👩‍👩‍👧" * 60)[:197] + ".md"),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_names_are_made_fit_to_be_shown(library: Library, offered: str, expected: str) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, offered)
    assert document["file_name"] == unicodedata.normalize("NFC", expected)
    assert (await reader.get(f"/{document['id']}/file")).content == TEXT


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("program.exe", b"MZ\x90\x00"),
        ("script.sh", b"#!/bin/sh"),
        ("noextension", b"text"),
        ("archive.tar.gz", b"\x1f\x8b\x08"),
        ("pdf", PDF),
        ("contract.pdf.zip", ZIP),
        # What a file plainly is counts more than what it is called, and what the client says of it counts nothing.
        ("really.txt", b"\x7fELF" + b"\x00" * 60),
        ("really.pdf", b"MZ\x90\x00" + b"\x00" * 60),
        ("really.pdf", b"\x89PNG\r\n\x1a\n"),
        ("really.md", PDF),
        ("really.png", b"GIF89a" + b"\x00" * 10 + PDF),
        ("really.docx", PDF),
        ("really.csv", ZIP),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_files_that_nothing_can_be_read_from_are_415(library: Library, name: str, content: bytes) -> None:
    reader = await library.reader()
    if name == "really.png":
        # A picture, if another than its name says: browsers and people mix them up.
        assert (await reader.post(content, name, kind="application/pdf")).status_code == 201
        return
    reply = await reader.post(content, name, kind="application/pdf")
    assert refusal(reply) == (415, "unsupported_type")
    assert await library.count(reader.user_id) == (0, 0, 0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.txt", b""),
        ("encrypted.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 40),
        ("truncated.pdf", b"%PD"),
        ("garbage.pdf", b"nothing of a PDF"),
        ("utf16.txt", "grüße".encode("utf-16")),
        ("latin.csv", "grüße".encode("latin-1")),
        ("Upper.PDF", PDF),
    ],
)
async def test_what_only_the_worker_can_judge_is_taken(library: Library, name: str, content: bytes) -> None:
    reader = await library.reader()
    assert (await reader.upload(content, name))["status"] == "pending"


async def test_a_file_over_the_limit_is_413_declared_or_not(library: Library) -> None:
    reader = await library.reader()
    assert (await reader.post(b"a" * FILE_MAX_BYTES, "a.txt")).status_code == 201
    # Above the limit of the file, within that of its form; then above both.
    for size in (FILE_MAX_BYTES + 1, FILE_MAX_BYTES + 100_000):
        assert refusal(await reader.post(b"b" * size, "b.txt")) == (413, "file_too_large")

    async def in_pieces() -> AsyncGenerator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="c.txt"\r\n\r\n'
        for _ in range(100):
            yield b"c" * 1_000
        yield b"\r\n--x--\r\n"

    headers = {**reader.headers, "Content-Type": "multipart/form-data; boundary=x"}
    reply = await reader.client.post(DOCUMENTS, headers=headers, content=in_pieces())
    assert refusal(reply) == (413, "file_too_large")
    assert await library.count(reader.user_id) == (1, 1, 1)


async def _first_line(api: Api, head: str) -> bytes:
    """What is answered to a head alone, without any body."""
    address = httpx.URL(api.base_url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(f"{FIRST_LINE}{head}\r\n".encode())
    async with asyncio.timeout(60):
        line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


async def test_who_may_not_is_refused_before_the_body_is_sent(library: Library) -> None:
    form = "Content-Type: multipart/form-data; boundary=x\r\n"
    assert (await _first_line(library.api, f"{form}Content-Length: 1000\r\n")).startswith(b"HTTP/1.1 401")
    reader = await library.reader()
    signed = f"Authorization: {reader.headers['Authorization']}\r\n{form}"
    assert (await _first_line(library.api, f"{signed}Content-Length: 9000000\r\n")).startswith(b"HTTP/1.1 413")
    # A body that never comes does not hold anything for ever.
    async with run_api(make_settings(library.database.dsn(), upload_receive_timeout_seconds=1)) as api:
        assert (await _first_line(api, f"{signed}Content-Length: 1000\r\n")).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("content_type", "content", "field"),
    [
        ("application/json", b"{}", "body"),
        ("", b"", "body"),
        ("multipart/form-data", b"--x--", "body"),
        ("multipart/form-data; boundary=x", b"", "file"),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense", "file"),
        # Cut off in the middle of the file.
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhalf of it',
            "file",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nt\r\n--x--\r\n',
            "file",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--x--\r\n',
            "file",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\na\r\n' * 2 + b"--x--\r\n",
            "body",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n' + b"a" * 2_000 + b"\r\n--x--\r\n",
            "body",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="' + b"n" * 20_000 + b'.txt"\r\n\r\na',
            "body",
        ),
    ],
    ids=lambda value: repr(value)[:24],
)
async def test_a_malformed_form_is_422(library: Library, content_type: str, content: bytes, field: str) -> None:
    reader = await library.reader()
    headers = {**reader.headers, "Content-Type": content_type}
    reply = await reader.client.post(DOCUMENTS, headers=headers, content=content)
    assert refusal(reply) == (422, "invalid_request")
    assert reply.json()["error"]["field"] == field


async def test_a_file_in_memory_is_counted_until_its_reader_has_it(library: Library) -> None:
    # So little room at the reader's end that the file cannot hide in buffers of the network.
    narrow = httpx.AsyncHTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)])
    async with (
        run_api(make_settings(library.database.dsn(), downloads_per_user_max=2)) as api,
        httpx.AsyncClient(base_url=api.base_url, transport=narrow, timeout=60) as slow,
    ):
        owner, other = await library.reader(), await library.reader()
        owner.client = other.client = api.client
        document = await owner.upload(b"a" * 15_000_000, "large.txt")
        path, theirs = f"{DOCUMENTS}/{document['id']}/file", await other.upload(TEXT, "b.txt")
        async with (
            slow.stream("GET", path, headers=owner.headers),
            slow.stream("GET", path, headers=owner.headers),
        ):
            assert refusal(await api.client.get(path, headers=owner.headers)) == (429, "rate_limited")
            assert (await other.get(f"/{theirs['id']}/file")).content == TEXT
        # Who leaves gives the seat back.
        await until(lambda: api.app.state.uploads.downloads.taken == 0)
        assert len((await api.client.get(path, headers=owner.headers)).content) == 15_000_000


async def test_only_administrators_upload_for_everyone(library: Library) -> None:
    reader, admin = await library.reader(), await library.reader(is_admin=True)
    assert refusal(await reader.post(TEXT, "a.txt", is_shared="true")) == (403, "forbidden")
    assert refusal(await reader.post(TEXT, "a.txt", is_shared="perhaps")) == (422, "invalid_request")
    assert await library.count(reader.user_id) == (0, 0, 0)
    private = await admin.upload(b"first private", "a.txt", is_shared="false")
    shared = await admin.upload(b"for everyone", "b.txt", is_shared="true")
    assert (private["is_shared"], private["can_share"]) == (False, True)
    assert (shared["is_shared"], shared["is_own"], shared["can_delete"]) == (True, True, True)
    assert shared["id"] in await reader.ids() and private["id"] not in await reader.ids()
    # Sent again for everyone, it is for everyone.
    again = await admin.post(b"first private", "a.txt", is_shared="true")
    assert (again.status_code, again.json()["is_shared"]) == (200, True)
    assert private["id"] in await reader.ids()


async def test_an_account_that_is_gone_uploads_nothing(library: Library) -> None:
    gone = Reader(uuid4(), library.api.client, library.api.headers(uuid4()))
    assert refusal(await gone.post()) == (401, "account_not_found")


async def test_a_database_that_is_away_is_503_and_nothing_is_half_there(library: Library) -> None:
    reader = await library.reader()
    async with library.database.superuser() as connection:
        await connection.execute(
            "create function public.refuse_jobs() returns trigger language plpgsql as"
            " $$ begin raise exception 'away' using errcode = '57P01'; end $$"
        )
        await connection.execute(
            "create trigger refuse_jobs before insert on queue.procrastinate_jobs"
            " for each row execute function public.refuse_jobs()"
        )
        try:
            assert refusal(await reader.post()) == (503, "database_unavailable")
        finally:
            await connection.execute("drop function public.refuse_jobs() cascade")
    assert await library.count(reader.user_id) == (0, 0, 0)
    assert (await reader.post()).status_code == 201
