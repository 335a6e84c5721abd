"""A worker that keeps running: what it notices, what it survives, and how it stops."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

from rag_support.world import SERVICE, World

TEXT = "# Oranges\n\nOranges ripen in winter.\n"


async def test_new_changed_renamed_and_deleted_files_are_followed(world: World) -> None:
    world.start_worker()
    path = world.write("fruit.md", TEXT, written_at=time.time())
    await world.until_status("fruit.md", "indexed")
    document_id = (await world.document("fruit.md"))["id"]

    world.write("fruit.md", "# Pears\n\nPears ripen in summer.\n", written_at=time.time())

    async def changed() -> bool:
        return "Pears" in "".join(await world.texts("fruit.md"))

    await world.until(changed, "the new text is stored")
    await world.until_idle()
    world.embeddings.forget()
    (world.folder / "sub").mkdir()
    path.rename(world.folder / "sub" / "pears.md")
    await world.until_status("sub/pears.md", "indexed")
    renamed = await world.documents()
    assert list(renamed) == ["sub/pears.md"]
    assert (renamed["sub/pears.md"]["id"], renamed["sub/pears.md"]["title"]) == (document_id, "Pears")
    assert world.embeddings.documents() == []

    (world.folder / "sub" / "pears.md").unlink()

    async def gone() -> bool:
        return await world.documents() == {} and await world.value("select count(*) from public.documents") == 0

    await world.until(gone, "document and chunks are deleted")


async def test_a_file_copied_elsewhere_and_deleted_here_stays_the_same_document(world: World) -> None:
    path = world.write("fruit.md", TEXT)
    await world.single()
    before = (await world.document("fruit.md"))["id"]
    world.embeddings.forget()
    world.write("copy.md", TEXT, written_at=1_700_000_000)
    path.unlink()
    assert (await world.single())[0] == 0
    assert {key: row["id"] for key, row in (await world.documents()).items()} == {"copy.md": before}
    assert world.embeddings.documents() == []


async def test_a_folder_that_disappears_is_an_error_and_its_documents_stay(world: World) -> None:
    world.write("fruit.md", TEXT)
    world.start_worker()
    await world.until_status("fruit.md", "indexed")
    elsewhere = world.folder.with_name("elsewhere")
    world.folder.rename(elsewhere)

    async def noted() -> bool:
        return await world.value("select error_code from public.rag_pipeline_state") == "source_unavailable"

    await world.until(noted, "the pipeline shows the error")
    # An empty folder in its place is what an unmounted disk leaves.
    await world.value("update public.rag_pipeline_state set error_code = null")
    world.folder.mkdir()
    await world.until(noted, "the pipeline shows that another folder stands there")
    assert list(await world.documents()) == ["fruit.md"]
    assert await world.texts("fruit.md")

    world.folder.rmdir()
    elsewhere.rename(world.folder)

    async def well() -> bool:
        query = "select error_code is null and last_check_time > now() - interval '1 s' from public.rag_pipeline_state"
        return bool(await world.value(query))

    await world.until(well, "the error is gone with its cause")
    assert list(await world.documents()) == ["fruit.md"]


async def test_an_emptied_folder_that_is_the_same_is_honoured(world: World) -> None:
    for number in range(5):
        world.write(f"{number}.md", f"Text {number}")
    assert (await world.single())[0] == 0
    for path in world.folder.iterdir():
        path.unlink()
    status, report, _ = await world.single()
    assert (status, report["files_deleted"]) == (0, 5)


async def test_another_folder_is_accepted_when_that_is_said_to_be_meant(world: World) -> None:
    world.write("fruit.md", TEXT)
    await world.single()
    world.folder.rename(world.folder.with_name("elsewhere"))
    world.folder.mkdir()
    status, report, _ = await world.single()
    assert (status, report["files_deleted"]) == (1, 0)
    status, report, _ = await world.single(RAG_ACCEPT_NEW_FOLDER="true")
    assert (status, report["files_deleted"]) == (0, 1)


async def test_another_path_with_other_files_deletes_nothing_unless_that_is_meant(world: World) -> None:
    """A wrong letter in RAG_WATCH_DIRECTORY, or a worker that is started elsewhere."""
    for number in range(4):
        world.write(f"{number}.md", f"Text {number}")
    assert (await world.single())[0] == 0
    elsewhere = world.folder.with_name("elsewhere")
    shutil.copytree(world.folder, elsewhere)
    (elsewhere / "3.md").unlink()
    world.folder = elsewhere
    status, report, _ = await world.single()
    assert (status, report["files_deleted"]) == (0, 1), "most files are there: the same folder, mounted elsewhere"
    world.folder = elsewhere.with_name("empty")
    world.folder.mkdir()
    for expected in ((1, 0), (1, 0)):
        status, report, _ = await world.single()
        assert (status, report["files_deleted"]) == expected
    assert "RAG_ACCEPT_NEW_FOLDER" in await world.value("select error_message from public.rag_pipeline_state")
    status, report, _ = await world.single(RAG_ACCEPT_NEW_FOLDER="true")
    assert (status, report["files_deleted"]) == (0, 3)


async def test_a_stopped_worker_finishes_what_it_does(world: World) -> None:
    world.write("fruit.md", TEXT)
    world.embeddings.hold()
    worker = world.start_worker(RAG_WORKER_STOP_SECONDS="100")
    await world.until_status("fruit.md", "indexing")
    worker.send_signal(signal.SIGTERM)
    world.embeddings.released.set()
    assert worker.wait(150) == 0
    assert (await world.document("fruit.md"))["status"] == "indexed"
    assert await world.value("select count(*) from queue.procrastinate_jobs") == 0
    assert await world.value("select count(*) from public.job_leases where name like 'rag-sync:%'") == 0


async def test_a_stopped_worker_gives_back_what_it_cannot_finish(world: World) -> None:
    world.write("fruit.md", TEXT)
    world.embeddings.hold()
    worker = world.start_worker(RAG_WORKER_STOP_SECONDS="0.2")
    await world.until_status("fruit.md", "indexing")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(150) == 0
    assert await world.value("select status::text from queue.procrastinate_jobs") == "todo"
    world.embeddings.released.set()
    world.start_worker()
    await world.until_status("fruit.md", "indexed")


async def test_the_health_check_follows_the_heartbeat(world: World) -> None:
    def health() -> int:
        command = [sys.executable, "-m", "rag_pipeline.health"]
        return subprocess.run(
            command, cwd=SERVICE, env=world.environment(), capture_output=True, timeout=150, check=False
        ).returncode

    # Longer than a busy machine lets a worker wait between two beats.
    world.overrides["RAG_WORKER_STALLED_SECONDS"] = "600"
    assert health() == 1
    worker = world.start_worker()
    heartbeat = world.logs / "heartbeat"

    async def beats() -> bool:
        return heartbeat.exists()

    await world.until(beats, "the first heartbeat")
    assert health() == 0
    world.kill(worker)
    os.utime(heartbeat)
    written = json.loads(heartbeat.read_text())
    heartbeat.write_text(json.dumps(written | {"at": time.time() - 601}))
    assert health() == 1


async def test_logs_are_json_lines_without_a_word_of_the_documents(world: World) -> None:
    world.write("fruit.md", TEXT)
    world.write("broken.pdf", b"%PDF-1.7 Oranges ripen in winter")
    worker = world.start_worker(LOG_LEVEL="DEBUG")
    await world.until_status("fruit.md", "indexed")
    await world.until_status("broken.pdf", "failed")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(150) == 0
    lines = world.log_text().splitlines()
    assert all(json.loads(line)["event"] for line in lines)
    assert "ripen" not in world.log_text()
    assert world.database.dsn() not in world.log_text()
