"""One run on a schedule: what it reports, and what it leaves in the database."""

import asyncio
import contextlib
import json
import os
import pty
import subprocess
import sys
import time

from made_files import make_image, make_scan
from rag_support.embedding_server import vector_of
from rag_support.vision_service import VisionService
from rag_support.world import SERVICE, World

from rag_pipeline.extractors.language_data import has_ocr

TEXT = "# Oranges\n\nOranges ripen in winter.\n\n# Apples\n\nApples ripen in autumn.\n"
MANY_MORE = """
insert into public.document_metadata
select (jsonb_populate_record(m, jsonb_build_object(
    'id', gen_random_uuid(), 'file_name', n || '.txt', 'source_key', n || '.txt', 'source_identity', n
))).*
from public.document_metadata as m cross join generate_series(1, 799) as n
"""
# All at once: a busy machine adds to that only once.
SLOW_DELETE = """
do $$
begin
    create function public.dawdle() returns trigger language plpgsql as $body$
    begin
        perform pg_sleep(10);
        return null;
    end;
    $body$;
    create trigger dawdle before delete on public.document_metadata for each statement execute function public.dawdle();
end;
$$
"""


async def test_a_folder_is_indexed_and_reported_in_one_json_line(world: World) -> None:
    world.write("fruit.md", TEXT)
    world.write("sub/table.csv", "name,price\npear,3\nplum,4\n")
    status, report, log = await world.single()
    assert status == 0, log
    assert report["files_processed"] == 2
    assert (report["files_deleted"], report["files_failed"], report["errors"]) == (0, 0, 0)
    assert (report["initialized"], report["pipeline_type"], report["run_mode"]) == (True, "local", "single")
    assert set(report) == {
        *("files_processed", "files_deleted", "files_failed", "errors", "duration", "initialized"),
        *("pipeline_type", "run_mode", "total_duration"),
    }
    assert "Oranges ripen in winter." in "".join(await world.texts("fruit.md"))
    document = await world.document("fruit.md")
    assert (document["status"], document["error_code"]) == ("indexed", None)
    assert document["chunk_count"] == len(await world.texts("fruit.md"))
    (space,) = await world.fetch("select * from public.embedding_space")
    assert (space["model"], space["dimensions"], space["is_active"]) == ("test-model", 16, True)


async def test_the_last_document_takes_as_long_as_its_model_takes(world: World) -> None:
    """The queue is empty by then, which ends a single run: but not what is still being worked on."""
    world.write("fruit.md", TEXT)
    world.embeddings.latency_seconds = 2
    status, report, log = await world.single(RAG_WORKER_STOP_SECONDS="0.5")
    assert (status, report["files_processed"]) == (0, 1), log
    assert (await world.document("fruit.md"))["status"] == "indexed"


async def test_a_table_becomes_rows_with_typed_columns(world: World) -> None:
    world.write("prices.csv", "name,price\npear,3\nplum,4\n")
    assert (await world.single())[0] == 0
    rows = await world.fetch("select row_data from public.document_rows order by id")
    assert [json.loads(row["row_data"]) for row in rows] == [{"name": "pear", "price": 3}, {"name": "plum", "price": 4}]
    (table,) = json.loads((await world.document("prices.csv"))["schema"])
    assert table["columns"] == [{"name": "name", "type": "text"}, {"name": "price", "type": "integer"}]


async def test_an_unchanged_folder_costs_no_embedding_call(world: World) -> None:
    world.write("fruit.md", TEXT)
    await world.single()
    assert world.embeddings.documents()
    world.embeddings.forget()
    status, report, _ = await world.single()
    assert (status, report["files_processed"]) == (0, 0)
    assert world.embeddings.texts == [], "not even a probe"


async def test_a_touched_file_is_looked_at_and_not_embedded_again(world: World) -> None:
    world.write("fruit.md", TEXT)
    await world.single()
    world.embeddings.forget()
    world.write("fruit.md", TEXT, written_at=1_700_000_000)
    status, report, _ = await world.single()
    assert (status, report["files_processed"]) == (0, 1)
    assert world.embeddings.documents() == []
    assert (await world.document("fruit.md"))["status"] == "indexed"


async def test_other_content_of_the_same_size_and_time_is_read(world: World) -> None:
    """rsync, unzip and cp keep the time of what they copy."""
    path = world.write("price.md", "The price is 10 euro.")
    await world.single()
    before = path.stat().st_mtime_ns
    path.write_text("The price is 99 euro.")
    os.utime(path, ns=(before, before))
    assert (await world.single())[0] == 0
    assert await world.texts("price.md") == ["The price is 99 euro."]


async def test_a_mark_of_an_earlier_version_is_completed_and_embeds_nothing(world: World) -> None:
    path = world.write("fruit.md", TEXT)
    await world.single()
    world.embeddings.forget()
    shorten = "update public.document_metadata set fingerprint = split_part(fingerprint, ';', 1)"
    await world.fetch(shorten)
    path.rename(world.folder / "pears.md")
    report = (await world.single())[1]
    assert (report["files_processed"], report["files_deleted"]) == (0, 0), "a rename, also by the old mark"
    assert list(await world.documents()) == ["pears.md"]
    await world.fetch(shorten)
    for files in (1, 0):
        assert (await world.single())[1]["files_processed"] == files
    assert world.embeddings.documents() == []


async def test_a_changed_file_loses_what_is_not_in_it_any_more(world: World) -> None:
    world.write("fruit.md", TEXT)
    await world.single()
    world.write("fruit.md", "# Pears\n\nPears ripen in late summer.\n", written_at=1_700_000_000)
    assert (await world.single())[0] == 0
    stored = "".join(await world.texts("fruit.md"))
    assert "Pears" in stored
    assert "Oranges" not in stored


async def test_a_deleted_file_is_gone_after_one_look(world: World) -> None:
    path = world.write("fruit.md", TEXT)
    world.write("other.md", "Something else.")
    await world.single()
    path.unlink()
    status, report, _ = await world.single()
    assert (status, report["files_deleted"]) == (0, 1)
    assert list(await world.documents()) == ["other.md"]
    assert await world.texts("fruit.md") == []
    search = "select content from public.search_documents(gen_random_uuid(), $1, $2::text::vector, null)"
    for words in ("When do oranges ripen?", "Something else"):
        found = await world.fetch(search, words, str(vector_of(TEXT)))
        assert [row["content"] for row in found] == ["Something else."]


async def test_a_document_is_called_by_its_own_title_else_by_its_file_and_so_are_its_passages(world: World) -> None:
    world.write("annual_fruit-report.md", TEXT)
    world.write("storing-and-selling.txt", "Apples keep in a cool cellar.")
    assert (await world.single())[0] == 0
    rows = await world.fetch(
        """
        select m.file_name, m.title, d.context, d.metadata ->> 'file_title' as file_title
        from public.documents as d join public.document_metadata as m on m.id = d.document_id
        """
    )
    found = {(row["file_name"], row["title"], row["context"].split(" \u203a ")[0], row["file_title"]) for row in rows}
    assert found == {
        ("annual_fruit-report.md", *["Oranges"] * 3),
        ("storing-and-selling.txt", *["Storing and selling"] * 3),
    }


async def test_text_that_is_renamed_to_a_table_becomes_one_and_back(world: World) -> None:
    path = world.write("data.txt", "name,amount\nfirst,1\nsecond,2\n")
    assert (await world.single())[0] == 0
    rows = "select count(*) from public.document_rows"
    assert await world.value(rows) == 0
    for name, mime_type, count in (("data.csv", "text/csv", 2), ("data", "text/plain", 0)):
        path = path.rename(world.folder / name)
        assert (await world.single())[1]["files_processed"] == 1
        document = await world.document(name)
        assert (document["status"], document["mime_type"]) == ("indexed", mime_type)
        assert await world.value(rows) == count
    assert len(await world.documents()) == 1


async def test_a_picture_nobody_could_see_is_looked_at_once_by_each_model_that_comes(
    world: World, vision: VisionService
) -> None:
    world.write("picture.png", make_image("words"))
    seeing = {"LLM_BASE_URL": vision.url, "LLM_API_KEY": "key"}
    vision.status = 400
    for _ in range(2):
        assert (await world.single(VISION_LLM_CHOICE="refused", **seeing))[0] == 0
    document = await world.document("picture.png")
    assert (document["status"], document["error_code"]) == ("not_indexed", "needs_vision")
    vision.status = 200
    assert (await world.single(VISION_LLM_CHOICE="sees", **seeing))[0] == 0
    assert await world.texts("picture.png") == ["A picture of 900 by 200 pixels."]
    assert vision.models == ["refused", "sees"]
    assert (await world.document("picture.png"))["error_code"] is None


async def test_pages_that_nobody_could_read_are_told_until_somebody_can(world: World) -> None:
    path = world.write("partly.pdf", make_scan("ORANGES"))
    without = {"TESSDATA_PREFIX": str(world.logs)}
    assert (await world.single(**without))[0] == 0
    document = await world.document("partly.pdf")
    assert (document["status"], document["error_code"]) == ("indexed", "needs_vision")
    assert "1 of 2 pages are pictures" in document["error_message"]
    world.embeddings.forget()
    assert (await world.single(**without))[1]["files_processed"] == 0
    # Looked at again, it is what it was.
    os.utime(path, (1_600_000_000, 1_600_000_000))
    assert (await world.single(**without))[0] == 0
    assert (await world.document("partly.pdf"))["error_code"] == "needs_vision"
    assert world.embeddings.documents() == []
    if has_ocr(()):
        assert (await world.single())[0] == 0
        assert (await world.document("partly.pdf"))["error_code"] is None
        assert any("ORANGES" in text for text in await world.texts("partly.pdf"))


async def test_a_bulk_load_leaves_its_words_counted(world: World) -> None:
    world.write("long.md", "".join(f"## Part {number}\n\nA common word.\n\n" for number in range(120)))
    assert (await world.single(CHUNK_MODEL_TOKENS_MAX="40", CHUNK_OVERLAP_MODEL_TOKENS="0"))[0] == 0
    chunks = await world.value("select count(*) from public.documents")
    assert chunks > 100
    assert await world.value("select chunks from private.weigh_words('common')") > chunks / 2


async def test_a_broken_file_fails_the_run_and_not_the_others(world: World) -> None:
    world.write("broken.pdf", b"%PDF-1.7 and then nothing of the kind")
    world.write("fruit.md", TEXT)
    status, report, _ = await world.single()
    assert (status, report["files_processed"], report["files_failed"], report["errors"]) == (1, 1, 1, 1)
    document = await world.document("broken.pdf")
    assert document["status"] == "failed"
    assert document["error_message"] and "Error" not in document["error_message"]
    assert document["quarantined_at"] is not None
    # What will never work is not tried again, until it or a limit changes.
    status, report, _ = await world.single()
    assert (status, report["files_failed"]) == (0, 0)


async def test_an_empty_file_is_understood_and_not_indexed(world: World) -> None:
    world.write("nothing.txt", "")
    status, report, _ = await world.single()
    assert (status, report["files_processed"]) == (0, 1)
    document = await world.document("nothing.txt")
    assert (document["status"], document["error_code"]) == ("not_indexed", "empty")


async def test_a_file_above_the_limit_says_so(world: World) -> None:
    world.write("large.txt", "x" * 2000)
    status, _, _ = await world.single(RAG_FILE_MAX_BYTES="1000")
    assert status == 1
    document = await world.document("large.txt")
    assert (document["status"], document["error_code"]) == ("failed", "too_large")
    assert (await world.single(RAG_FILE_MAX_BYTES="1000"))[1]["files_failed"] == 0
    # Another limit is worth another try, and only one.
    assert (await world.single(RAG_FILE_MAX_BYTES="1500"))[1]["files_failed"] == 1
    assert (await world.single(RAG_FILE_MAX_BYTES="1500"))[1]["files_failed"] == 0
    assert (await world.single(RAG_FILE_MAX_BYTES="3000"))[0] == 0
    assert (await world.document("large.txt"))["status"] == "indexed"


async def test_a_missing_folder_is_a_configuration_error_and_deletes_nothing(world: World) -> None:
    world.write("fruit.md", TEXT)
    await world.single()
    world.folder.rename(world.folder.with_name("elsewhere"))
    status, report, _ = await world.single()
    assert (status, report["initialized"]) == (2, False)
    assert list(await world.documents()) == ["fruit.md"]
    assert await world.value("select error_code from public.rag_pipeline_state") == "configuration"


async def test_many_files_that_go_at_once_have_the_time_they_need(world: World) -> None:
    path = world.write("0.txt", "")
    assert (await world.single())[0] == 0
    # As if they had been there too: only that they are gone is looked at.
    await world.fetch(MANY_MORE)
    await world.fetch(SLOW_DELETE)
    path.unlink()
    status, report, log = await world.single(DATABASE_STATEMENT_TIMEOUT_SECONDS="8")
    assert (status, report["files_deleted"]) == (0, 800), log


async def test_a_file_that_is_still_being_written_is_named_and_all_is_not_well(world: World) -> None:
    # A time in the future stays young.
    world.write("growing.md", TEXT, written_at=time.time() + 3600)
    world.write("fruit.md", TEXT)
    status, report, log = await world.single(RAG_SETTLE_SECONDS_MAX="0")
    assert (status, report["files_processed"], report["errors"]) == (1, 1, 1)
    assert "growing.md" in log
    assert (await world.single())[0] == 0
    assert set(await world.documents()) == {"fruit.md", "growing.md"}


async def test_a_wrong_setting_ends_with_2_and_names_it_and_is_reported_in_one_json_line(world: World) -> None:
    status, report, log = await world.single(EMBEDDING_BATCH_SIZE="none")
    assert status == 2
    assert (report["errors"], report["initialized"], report["run_mode"]) == (1, False, "single")
    assert (report["files_processed"], report["pipeline_type"]) == (0, "local")
    assert "EMBEDDING_BATCH_SIZE" in log
    assert "Traceback" not in log


def test_a_wrong_setting_prints_nothing_where_it_was_to_run_on(world: World) -> None:
    command = [sys.executable, "docker_entrypoint.py", "--mode", "continuous"]
    environment = world.environment(EMBEDDING_BATCH_SIZE="none", RUN_MODE="single")
    ended = subprocess.run(command, cwd=SERVICE, env=environment, capture_output=True, timeout=150, check=False)
    assert (ended.returncode, ended.stdout) == (2, b"")


async def test_a_wrong_tokenizer_file_ends_with_2_and_says_which_setting(world: World) -> None:
    for file in (world.write("tokenizer.json", "{}"), world.folder / "missing.json"):
        status, report, log = await world.single(EMBEDDING_TOKENIZER_FILE=str(file))
        assert (status, report["errors"], report["initialized"]) == (2, 1, False)
        assert "EMBEDDING_TOKENIZER_FILE" in log
        assert "Traceback" not in log


def run_at_a_terminal(environment: dict[str, str]) -> tuple[int, bytes, str]:
    """Exit status, standard output, and what a terminal on standard error was shown."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "docker_entrypoint.py", "--mode", "single"],
        cwd=SERVICE,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        # Reading fails once the other side is closed.
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65536):
                shown += piece
        os.close(ours)
        output, _ = process.communicate(timeout=150)
    return process.returncode, output, shown.decode(errors="replace")


async def test_a_person_at_a_terminal_sees_a_bar_with_files_chunks_and_rate(world: World) -> None:
    world.write("fruit.md", TEXT)
    environment = world.environment(TERM="xterm", COLUMNS="120")
    status, output, shown = await asyncio.to_thread(run_at_a_terminal, environment)
    assert status == 0, shown
    assert json.loads(output)["files_processed"] == 1
    assert "1 of 1 files, " in shown
    assert "chunks/s" in shown


async def test_a_fault_that_no_document_shows_fails_the_run(world: World) -> None:
    world.write("fruit.md", TEXT)
    async with world.database.superuser() as connection:
        await connection.execute("drop function public.begin_document_indexing(text)")
    status, report, _ = await world.single()
    assert (status, report["files_processed"], report["errors"]) == (1, 0, 1)
