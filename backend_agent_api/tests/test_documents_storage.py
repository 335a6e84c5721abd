"""Uploads in Supabase Storage: nothing is lost, and nothing is left behind for good."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from agent_api_support.api import CLOSED_PORT_URL, make_settings, refusal, run_api
from agent_api_support.documents import TEXT, Library
from agent_api_support.storage_server import StorageServer, run_storage_server

from agent_api.documents.supabase_storage import LIST_MAX, open_supabase_storage
from agent_api.documents.sweep import sweep
from local_stack.postgres.cluster import Cluster
from local_stack.postgres.testing import Database

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def database(postgres_cluster: Cluster, product_template: str) -> Database:
    postgres_cluster.create_database("test_documents_storage", template=product_template)
    return Database(postgres_cluster, "test_documents_storage")


@pytest_asyncio.fixture(scope="module")
async def server() -> AsyncGenerator[StorageServer]:
    async with run_storage_server() as running:
        yield running


def _settings(database: Database, server: StorageServer, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "supabase_url": server.base_url,
        "upload_storage": "supabase",
        "uploads_per_user_max": 2,
        # Sweeps are made by the tests.
        "upload_sweep_interval_seconds": 3600,
        **changes,
    }
    return make_settings(database.dsn(), **values)


@pytest_asyncio.fixture
async def library(database: Database, server: StorageServer) -> AsyncGenerator[Library]:
    """An API that keeps uploads in a bucket that is not there yet."""
    server.reset()
    async with run_api(_settings(database, server)) as api:
        # The sweep at its start must not take what a test puts there for its own.
        async with asyncio.timeout(60):
            await server.listed.wait()
        yield Library(api, database)


async def _sweep(
    library: Library, server: StorageServer, *, grace_seconds: float = 3600, share_max: float = 0.5
) -> int:
    async with open_supabase_storage(_settings(library.database, server)) as storage:
        database = library.api.app.state.database
        return await sweep(database, storage, grace_seconds=grace_seconds, share_max=share_max)


async def test_the_bytes_go_into_a_private_bucket_that_is_made_for_them(
    library: Library, server: StorageServer
) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, "../my contract ü.txt")
    (row,) = await library.rows("select * from public.uploads where document_id = $1", document["id"])
    assert (row["storage"], row["content"]) == ("supabase", None)
    assert row["storage_path"] == f"uploads/{row['id']}"
    assert server.objects() == {row["storage_path"]: TEXT}
    assert server.is_public == {"agent-uploads": False}
    assert (await reader.get(f"/{document['id']}/file")).content == TEXT
    # The same content again needs no second object.
    assert (await reader.post(TEXT)).status_code == 200
    assert len(server.objects()) == 1
    assert (await reader.delete(document["id"])).status_code == 204
    assert server.objects() == {}


async def test_uploads_of_before_are_read_from_where_they_are(
    library: Library, server: StorageServer, database: Database
) -> None:
    reader = await library.reader()
    there = await reader.upload(b"in the bucket", "a.txt")
    async with run_api(_settings(database, server, upload_storage="postgres")) as api:
        reader.client = api.client
        here = await reader.upload(b"in the database", "b.txt")
        assert (await reader.get(f"/{there['id']}/file")).content == b"in the bucket"
    reader.client = library.api.client
    assert (await reader.get(f"/{here['id']}/file")).content == b"in the database"


@pytest.mark.parametrize("breaks", ["status", "upload", "create"])
async def test_a_storage_that_fails_is_503_and_nothing_is_half_there(
    library: Library, server: StorageServer, breaks: str
) -> None:
    reader = await library.reader()
    if breaks == "status":
        server.status = 500
    else:
        server.refused_acts = {breaks}
    reply = await reader.post()
    assert refusal(reply) == (503, "storage_unavailable")
    assert "secret" not in reply.text
    assert await library.count(reader.user_id) == (0, 0, 0)
    server.status, server.refused_acts = 200, set()
    assert (await reader.post()).status_code == 201


async def test_a_storage_that_is_away_is_503(database: Database) -> None:
    settings = make_settings(database.dsn(), supabase_url=CLOSED_PORT_URL, upload_storage="supabase")
    async with run_api(settings) as api:
        library = Library(api, database)
        reader = await library.reader()
        assert refusal(await reader.post()) == (503, "storage_unavailable")
        assert await library.count(reader.user_id) == (0, 0, 0)


async def test_a_storage_that_hangs_is_503(library: Library, server: StorageServer, database: Database) -> None:
    server.gate.clear()
    async with run_api(_settings(database, server, storage_timeout_seconds=0.2)) as api:
        reader = await Library(api, database).reader()
        assert refusal(await reader.post()) == (503, "storage_unavailable")
        assert await library.count(reader.user_id) == (0, 0, 0)
    server.gate.set()


async def test_what_the_transaction_refuses_leaves_no_object(library: Library, server: StorageServer) -> None:
    """Both see room before their bytes are stored; the database lets one in."""
    reader = await library.reader()
    await reader.upload(b"first", "a.txt")
    server.gate.clear()
    sending = [asyncio.create_task(reader.post(content, "b.txt")) for content in (b"second", b"third")]
    await _until_uploads_wait(server, 2)
    server.gate.set()
    replies = [await each for each in sending]
    assert sorted(reply.status_code for reply in replies) == [201, 409]
    assert await library.count(reader.user_id) == (2, 2, 2)
    assert len(server.objects()) == 2


async def _until_uploads_wait(server: StorageServer, count: int) -> None:
    async with asyncio.timeout(60):
        while server.waiting < count:  # noqa: ASYNC110 - a counter of a stand-in has no event to wait for
            await asyncio.sleep(0.01)


async def test_an_object_whose_row_the_database_lost_is_swept(library: Library, server: StorageServer) -> None:
    """After a failing commit nobody knows whether the row is there, so the object stays for the sweep to judge."""
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
    assert len(server.objects()) == 1
    assert await _sweep(library, server) == 0, "it may belong to an upload that is being stored"
    assert await _sweep(library, server, grace_seconds=-60) == 1
    assert server.objects() == {}


async def test_a_deletion_holds_while_storage_is_away(library: Library, server: StorageServer) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, "a.txt")
    server.status = 500
    assert (await reader.delete(document["id"])).status_code == 204
    assert refusal(await reader.get(f"/{document['id']}")) == (404, "document_not_found")
    server.status = 200
    assert len(server.objects()) == 1
    assert await _sweep(library, server, grace_seconds=-60) == 1


async def test_an_account_that_is_deleted_leaves_no_file(library: Library, server: StorageServer) -> None:
    reader, other = await library.reader(), await library.reader()
    await reader.upload(b"private", "a.txt")
    kept = await other.upload(b"of another", "b.txt")
    await library.database.delete_user(reader.user_id)
    assert await _sweep(library, server, grace_seconds=-60) == 1
    assert list(server.objects().values()) == [b"of another"]
    assert (await other.get(f"/{kept['id']}/file")).content == b"of another"


async def test_a_deleted_account_leaves_no_file_where_new_uploads_go_elsewhere(
    library: Library, server: StorageServer, database: Database
) -> None:
    reader = await library.reader()
    await reader.upload(b"private", "a.txt")
    # As if it had come from a version that noted nothing: nobody uploads from now on.
    async with database.connect() as connection:
        await connection.execute("delete from public.app_settings where key = 'uploads_in_bucket'")
    server.listed.clear()
    async with run_api(_settings(database, server)), asyncio.timeout(60):
        await server.listed.wait()
    elsewhere = _settings(
        database,
        server,
        upload_storage="postgres",
        upload_sweep_interval_seconds=0.05,
        upload_sweep_grace_seconds=0,
    )
    async with run_api(elsewhere):
        assert len(server.objects()) == 1
        await library.database.delete_user(reader.user_id)
        async with asyncio.timeout(60):
            while server.objects():  # noqa: ASYNC110 - what a stand-in holds has no event to wait for
                await asyncio.sleep(0.01)


async def test_a_bucket_that_was_never_used_is_not_looked_at(
    server: StorageServer, postgres_cluster: Cluster, product_template: str
) -> None:
    server.reset()
    server.put(f"uploads/{uuid4()}", b"of another database", created_at=LONG_AGO)
    postgres_cluster.create_database("test_documents_storage_unused", template=product_template)
    settings = _settings(
        Database(postgres_cluster, "test_documents_storage_unused"),
        server,
        upload_storage="postgres",
        upload_sweep_interval_seconds=0.01,
    )
    async with run_api(settings) as api:
        reader = await Library(api, Database(postgres_cluster, "test_documents_storage_unused")).reader()
        await reader.upload(b"in the database", "a.txt")
        # Many turns of the process that would look.
        for _ in range(20):
            await reader.ids()
    assert not server.listed.is_set()
    assert len(server.objects()) == 1


async def test_a_sweep_removes_only_what_is_ours_and_old(library: Library, server: StorageServer) -> None:
    recent = datetime.now(UTC) - timedelta(seconds=10)
    foreign = {"uploads/holiday.jpg", "uploads/notes", "pictures/one.png", f"uploads/{uuid4()}.txt"}
    for path in foreign:
        server.put(path, b"of somebody else", created_at=LONG_AGO)
    young = f"uploads/{uuid4()}"
    server.put(young, b"young", created_at=recent)
    # More than one page of them, between objects that stay.
    for number in range(LIST_MAX + 500):
        server.put(f"uploads/{UUID(int=number)}", b"left behind", created_at=LONG_AGO)
    assert await _sweep(library, server, share_max=1) == LIST_MAX + 500
    assert set(server.objects()) == foreign | {young}


async def test_a_bucket_of_another_database_is_not_emptied(
    library: Library, server: StorageServer, caplog: pytest.LogCaptureFixture
) -> None:
    """What is removed is gone for good, so files nobody knows are a mistake before they are waste."""
    reader = await library.reader()
    for name in ("a.txt", "b.txt"):
        await reader.upload(name.encode(), name)
    for path in server.objects():
        server.put(path, b"known", created_at=LONG_AGO)
    of_others = [f"uploads/{uuid4()}" for _ in range(6)]
    for path in of_others:
        server.put(path, b"of another database", created_at=LONG_AGO)
    server.put(f"uploads/{uuid4()}", b"young", created_at=datetime.now(UTC))
    before = dict(server.objects())
    assert await _sweep(library, server) == 0
    assert server.objects() == before
    (line,) = [str(record.msg) for record in caplog.records if "uploads_not_swept" in str(record.msg)]
    assert "UPLOAD_BUCKET" in line and "UPLOAD_SWEEP_SHARE_MAX=1" in line
    assert await _sweep(library, server, share_max=1) == len(of_others), "an operator may mean it"
    assert set(before) - set(server.objects()) == set(of_others)


async def test_an_api_beside_the_wrong_bucket_removes_nothing_at_its_start(
    server: StorageServer, database: Database
) -> None:
    server.reset()
    for _ in range(6):
        server.put(f"uploads/{uuid4()}", b"of another database", created_at=LONG_AGO)
    async with run_api(_settings(database, server, upload_sweep_interval_seconds=0.01)):
        async with asyncio.timeout(60):
            for _ in range(3):
                server.listed.clear()
                await server.listed.wait()
    assert len(server.objects()) == 6


async def test_bytes_that_are_gone_are_not_found(library: Library, server: StorageServer) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, "a.txt")
    server.objects().clear()
    assert refusal(await reader.get(f"/{document['id']}/file")) == (404, "file_not_found")
    server.status = 500
    assert refusal(await reader.get(f"/{document['id']}/file")) == (503, "storage_unavailable")


async def test_the_bucket_is_swept_while_the_api_runs(library: Library, server: StorageServer) -> None:
    server.put(f"uploads/{uuid4()}", b"left behind", created_at=LONG_AGO)
    async with run_api(_settings(library.database, server, upload_sweep_interval_seconds=0.05)):
        async with asyncio.timeout(60):
            while server.objects():  # noqa: ASYNC110 - what a stand-in holds has no event to wait for
                await asyncio.sleep(0.01)
        # And again.
        server.put(f"uploads/{uuid4()}", b"left behind", created_at=LONG_AGO)
        async with asyncio.timeout(60):
            while server.objects():  # noqa: ASYNC110 - what a stand-in holds has no event to wait for
                await asyncio.sleep(0.01)


async def test_an_api_starts_while_storage_is_away(server: StorageServer, database: Database) -> None:
    settings = _settings(database, server, supabase_url=CLOSED_PORT_URL, upload_sweep_interval_seconds=0.05)
    async with run_api(settings) as api:
        reply: httpx.Response = await api.client.get("/health")
        assert reply.status_code == 200
