"""Files that people uploaded: fetched from Postgres or Supabase Storage, before any bulk sync."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import pytest
from rag_support.world import World

TEXT = b"# Mine\n\nMy own note about oranges.\n"


@dataclass
class Storage:
    """A bucket of Supabase Storage, as far as it is read."""

    port: int = 0
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    key: str = "sb_secret_test"
    status: int = 200


@pytest.fixture
def storage() -> Iterator[Storage]:
    storage = Storage()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = storage.objects.get(self.path.removeprefix("/storage/v1/object/documents/"))
            if self.headers["apikey"] != storage.key:
                self._answer(403, b"{}")
            elif storage.status != 200:
                self._answer(storage.status, b"{}")
            elif content is None:
                # As Storage does: the real status stands in the body.
                self._answer(400, b'{"statusCode": "404", "error": "not_found"}')
            else:
                self._answer(200, content)

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    storage.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield storage
    server.shutdown()
    thread.join()
    server.server_close()


async def upload(world: World, document_id: str, owner: UUID, *, path: str | None = None, text: bytes = TEXT) -> None:
    """As the API does it: document, upload and job in one transaction."""
    async with world.database.connect() as connection, connection.transaction():
        await connection.execute(
            """
            insert into public.document_metadata (
                id, title, title_is_given, file_name, mime_type, owner_id, source, status
            ) values ($1, 'My note', true, 'note.md', 'text/markdown', $2, 'upload', 'pending')
            """,
            document_id,
            owner,
        )
        await connection.execute(
            """
            insert into public.uploads (document_id, owner_id, storage, content, storage_path, sha256, size_bytes)
            values ($1, $2, $3, $4, $5, $6, $7)
            """,
            document_id,
            owner,
            "postgres" if path is None else "supabase",
            text if path is None else None,
            path,
            hashlib.sha256(text).hexdigest(),
            len(text),
        )
        await connection.fetchval("select public.enqueue_document($1, 100)", document_id)


async def test_an_upload_is_indexed_for_its_owner_alone(world: World) -> None:
    owner = await world.database.add_user()
    await upload(world, "note", owner)
    assert (await world.single())[0] == 0
    (chunk,) = await world.fetch("select * from public.documents where document_id = 'note'")
    assert chunk["owner_id"] == owner
    assert "My own note" in chunk["content"]
    # A person named it so.
    assert chunk["context"].startswith("My note")
    document = await world.document("note")
    assert (document["status"], document["title"]) == ("indexed", "My note")


async def shown_error(world: World) -> str | None:
    return await world.value("select error_code from public.rag_pipeline_state")


async def test_a_folder_that_is_missing_at_start_is_shown_and_stops_no_upload(world: World) -> None:
    owner = await world.database.add_user()
    await upload(world, "note", owner)
    world.folder.rmdir()
    world.start_worker()
    await world.until_status("note", "indexed")

    async def is_shown() -> bool:
        return await shown_error(world) == "configuration"

    await world.until(is_shown, "the pipeline shows the error")
    world.folder.mkdir()
    world.write("fruit.md", "Oranges ripen in winter.")
    await world.until_status("fruit.md", "indexed")
    assert await shown_error(world) is None


async def test_a_drive_that_nobody_gave_access_to_is_shown_and_stops_no_upload(world: World, tmp_path: Path) -> None:
    owner = await world.database.add_user()
    await upload(world, "note", owner)
    drive = {"RAG_PIPELINE_TYPE": "google_drive", "GOOGLE_CREDENTIALS_DIRECTORY": str(tmp_path)}
    status, report, _ = await world.single(**drive)
    assert (status, report["initialized"]) == (2, False)
    assert await shown_error(world) == "configuration"
    world.start_worker(**drive)
    await world.until_status("note", "indexed")


async def test_a_document_that_is_deleted_gives_its_place_away(world: World) -> None:
    """Its model is asked for nothing more: uploading and deleting would cost without end."""
    owner = await world.database.add_user()
    parts = b"\n\n".join(b"# Part %d\n\n" % number + b"Some words of it. " * 80 for number in range(200))
    await upload(world, "long", owner, text=parts)
    world.embeddings.latency_seconds = 1
    world.start_worker(RAG_WORKER_CONCURRENCY="1", EMBEDDING_BATCH_SIZE="1", EMBEDDING_CONCURRENCY="1")

    async def is_embedded() -> bool:
        return len(world.embeddings.documents()) > 1

    await world.until(is_embedded, "the long document is being embedded")
    await world.fetch("delete from public.document_metadata where id = 'long'")
    await upload(world, "short", owner)
    await world.until_status("short", "indexed")
    assert len(world.embeddings.documents()) < 50


async def test_an_upload_comes_before_a_bulk_sync(world: World) -> None:
    for number in range(20):
        world.write(f"{number}.md", f"File {number}.")
    owner = await world.database.add_user()
    world.embeddings.hold()
    world.start_worker(RAG_WORKER_CONCURRENCY="1", EMBEDDING_BATCH_SIZE="1")

    async def begun() -> bool:
        query = "select count(*) from public.document_metadata where status = 'indexing'"
        return (
            await world.value(query) == 1 and await world.value("select count(*) from public.document_metadata") == 20
        )

    await world.until(begun, "the sync is being worked off")
    await upload(world, "note", owner)
    world.embeddings.released.set()
    await world.until_idle()
    rows = await world.fetch("select id from public.document_metadata order by indexed_at")
    assert [row["id"] for row in rows].index("note") <= 1


async def test_an_upload_in_supabase_storage_is_read_with_the_service_key(world: World, storage: Storage) -> None:
    owner = await world.database.add_user()
    await upload(world, "note", owner, path="uploads/some id")
    environment = {"SUPABASE_URL": f"http://127.0.0.1:{storage.port}", "UPLOAD_BUCKET": "documents"}
    environment["SUPABASE_SERVICE_KEY"] = storage.key
    storage.status = 503
    assert (await world.single(**environment))[0] == 1
    assert (await world.document("note"))["error_code"] == "storage_unavailable"
    storage.status = 200
    for key, code in (("wrong", "authentication"), (storage.key, "gone")):
        await world.fetch("select public.enqueue_document('note', 100)")
        assert (await world.single(**environment | {"SUPABASE_SERVICE_KEY": key}))[0] == 1
        assert (await world.document("note"))["error_code"] == code
    storage.objects["uploads/some%20id"] = TEXT
    await world.fetch("select public.enqueue_document('note', 100)")
    status, _, log = await world.single(**environment)
    assert status == 0, log
    assert len(await world.texts("note")) == 1
