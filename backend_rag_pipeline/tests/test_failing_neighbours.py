"""What stands around the worker fails: each document says so, keeps what it had, and nothing half is stored."""

import pytest
from made_files import make_image, make_pdf
from rag_support.embedding_server import Fault, FaultKind
from rag_support.vision_service import VisionService
from rag_support.world import PATIENT, World

from rag_pipeline.messages import MESSAGES

TEXT = "Oranges ripen in winter."
REFUSE_LONG_TEXTS = """
do $$
begin
    create function public.refuse() returns trigger language plpgsql as $body$
    begin
        if new.content ~ 'poisoned' then
            raise exception 'string is too long for tsvector' using errcode = '54000';
        end if;
        return new;
    end;
    $body$;
    create trigger refuse before insert on public.documents for each row execute function public.refuse();
end;
$$
"""


def test_no_reason_promises_another_attempt() -> None:
    """Every one of them also stands beside a document that is left alone."""
    assert [code for code, message in MESSAGES.items() if "tried again" in message] == []


async def test_while_the_model_is_away_documents_wait_and_none_is_given_up(world: World) -> None:
    world.write("fruit.md", TEXT)
    world.embeddings.every_answer = Fault("500")
    world.start_worker(RAG_ATTEMPTS_MAX="2")

    async def tried_often() -> bool:
        found = (await world.documents()).get("fruit.md")
        return found is not None and found["attempts"] >= 4

    await world.until(tried_often, "it is tried beyond the limit for one document")
    document = await world.document("fruit.md")
    assert (document["error_code"], document["quarantined_at"]) == ("embedding_unavailable", None)
    assert await world.texts("fruit.md") == []
    world.embeddings.every_answer = None
    document = await world.until_status("fruit.md", "indexed")
    assert (document["error_code"], document["error_message"], document["attempts"]) == (None, None, 0)


async def test_what_needs_no_vectors_does_not_need_the_model(world: World) -> None:
    touched = world.write("touched.md", TEXT)
    for name in ("emptied.md", "broken.pdf"):
        world.write(name, "A text that is taken back.")
    assert (await world.single())[0] == 0
    touched.chmod(0o640)
    world.write("emptied.md", "", written_at=1_700_000_000)
    world.write("broken.pdf", b"%PDF-1.7 and no more", written_at=1_700_000_000)
    world.embeddings.forget()
    world.embeddings.every_answer = Fault("500")
    await world.single()
    states = {key: (row["status"], row["error_code"]) for key, row in (await world.documents()).items()}
    assert states == {
        "touched.md": ("indexed", None),
        "emptied.md": ("not_indexed", "empty"),
        "broken.pdf": ("failed", "unreadable"),
    }
    assert (await world.texts("touched.md"), await world.texts("emptied.md")) == ([TEXT], [])
    assert world.embeddings.calls == 0


@pytest.mark.parametrize("kind", ["401", "500"])
async def test_no_picture_is_paid_for_while_its_text_cannot_be_embedded(
    world: World, vision: VisionService, kind: FaultKind
) -> None:
    seeing = {"LLM_BASE_URL": vision.url, "LLM_API_KEY": "key", "VISION_LLM_CHOICE": "sees"}
    world.write("picture.png", make_image("words"))
    world.embeddings.every_answer = Fault(kind)
    assert (await world.single(**seeing))[0] == 1
    assert (await world.document("picture.png"))["error_code"] in ("embedding_refused", "embedding_unavailable")
    assert vision.requests == []
    world.embeddings.every_answer = None
    assert await world.value("update queue.procrastinate_jobs set scheduled_at = null returning 1") == 1
    assert (await world.single(**seeing))[0] == 0
    assert (len(vision.requests), len(await world.texts("picture.png"))) == (1, 1)


async def test_a_picture_is_not_paid_for_at_each_attempt_of_a_worker_whose_model_goes_away(
    world: World, vision: VisionService
) -> None:
    world.write("fruit.md", TEXT)
    world.start_worker(**PATIENT, LLM_BASE_URL=vision.url, LLM_API_KEY="key", VISION_LLM_CHOICE="sees")
    await world.until_status("fruit.md", "indexed")
    world.embeddings.every_answer = Fault("500")
    world.write("picture.png", make_image("words"))

    async def tried_often() -> bool:
        found = (await world.documents()).get("picture.png")
        return found is not None and found["attempts"] >= 3

    await world.until(tried_often, "it is tried again and again")
    assert len(vision.requests) == 1


@pytest.mark.parametrize("status", [503, 401, 402, 404])
async def test_while_the_vision_model_is_away_or_refuses_our_key_pictures_wait(
    world: World, vision: VisionService, status: int
) -> None:
    world.write("picture.png", make_image("words"))
    seeing = {"LLM_BASE_URL": vision.url, "LLM_API_KEY": "key", "VISION_LLM_CHOICE": "sees"}
    vision.status = status
    for attempts in (1, 2, 3):
        assert (await world.single(RAG_ATTEMPTS_MAX="2", **seeing))[0] == 1
        document = await world.document("picture.png")
        assert (document["error_code"], document["attempts"]) == ("vision_unavailable", attempts)
        assert document["quarantined_at"] is None
        await world.fetch("update queue.procrastinate_jobs set scheduled_at = null")
    vision.status = 200
    assert (await world.single(**seeing))[0] == 0
    assert await world.texts("picture.png") == ["A picture of 900 by 200 pixels."]


async def test_a_document_that_the_model_never_takes_is_left_alone_after_the_limit_until_it_changes(
    world: World,
) -> None:
    world.write("good.md", TEXT)
    world.write("bad.md", "The poisoned text.")
    world.embeddings.failing_text = "poisoned"
    world.start_worker(RAG_ATTEMPTS_MAX="3", EMBEDDING_BATCH_SIZE="1")

    async def quarantined() -> bool:
        found = (await world.documents()).get("bad.md")
        return found is not None and found["quarantined_at"] is not None

    await world.until(quarantined, "it is given up")
    document = await world.document("bad.md")
    assert (document["status"], document["attempts"]) == ("failed", 3)
    await world.until_idle()
    assert (await world.document("good.md"))["status"] == "indexed"
    world.write("bad.md", "A better text.", written_at=1_700_000_000)
    await world.until_status("bad.md", "indexed")


async def test_a_file_that_is_slow_to_read_is_tried_twice_and_no_more_until_it_changes(world: World) -> None:
    # What went wrong before says nothing about how fast it is read.
    world.write("slow.pdf", make_pdf([[f"line {line}" for line in range(50)] for _ in range(250)]))
    world.embeddings.every_answer = Fault("500")
    worker = world.start_worker()
    await world.until_status("slow.pdf", "failed")
    world.kill(worker)
    world.embeddings.every_answer = None
    worker = world.start_worker(RAG_EXTRACT_TIMEOUT_SECONDS="0.05", RAG_ATTEMPTS_MAX="9")

    async def given_up() -> bool:
        return (await world.document("slow.pdf"))["quarantined_at"] is not None

    await world.until(given_up, "it is given up")
    assert (await world.document("slow.pdf"))["error_code"] == "timed_out"
    assert world.log_text().count("timed_out") == 2
    world.write("slow.pdf", b"It is", written_at=1_700_000_000)
    world.kill(worker)
    world.start_worker()
    assert (await world.until_status("slow.pdf", "indexed", "not_indexed"))["quarantined_at"] is None


async def test_a_failed_change_keeps_the_old_chunks(world: World) -> None:
    world.write("fruit.md", TEXT)
    assert (await world.single())[0] == 0
    world.write("fruit.md", "Pears ripen in summer.", written_at=1_700_000_000)
    faults: tuple[FaultKind, ...] = ("401", "429", "500")
    for fault in faults:
        world.embeddings.every_answer = Fault(fault)
        exit_status, report, _ = await world.single(EMBEDDING_DEADLINE_SECONDS="1")
        assert (exit_status, report["files_failed"]) == (1, 1)
        assert await world.texts("fruit.md") == [TEXT]
        assert (await world.document("fruit.md"))["status"] == "failed"
        assert await world.value("update queue.procrastinate_jobs set scheduled_at = null returning 1") == 1
    world.embeddings.every_answer = None
    assert (await world.single())[0] == 0
    assert await world.texts("fruit.md") == ["Pears ripen in summer."]


async def test_a_model_that_never_answers_is_given_up_after_the_deadline(world: World) -> None:
    world.write("fruit.md", TEXT)
    world.embeddings.hold()
    exit_status, report, _ = await world.single(EMBEDDING_TIMEOUT_SECONDS="1", EMBEDDING_DEADLINE_SECONDS="2")
    assert (exit_status, report["files_failed"]) == (1, 1)
    assert (await world.document("fruit.md"))["error_code"] == "embedding_unavailable"


async def test_vectors_of_another_length_are_never_stored(world: World) -> None:
    world.write("fruit.md", TEXT)
    worker = world.start_worker()
    await world.until_status("fruit.md", "indexed")
    world.embeddings.dimensions = 8
    world.write("pears.md", "Pears ripen in summer.")
    document = await world.until_status("pears.md", "failed")
    assert document["error_code"] in ("embedding_refused", "embedding_unavailable")
    assert await world.texts("pears.md") == []
    world.embeddings.dimensions = 16
    await world.until_status("pears.md", "indexed")
    assert worker.poll() is None


async def test_a_document_deleted_while_it_is_indexed_stores_nothing(world: World) -> None:
    path = world.write("fruit.md", TEXT)
    world.embeddings.hold()
    world.start_worker()
    await world.until_status("fruit.md", "indexing")
    path.unlink()

    async def gone() -> bool:
        return await world.documents() == {}

    await world.until(gone, "the document is deleted")
    world.embeddings.released.set()
    await world.until_idle()
    assert await world.value("select count(*) from public.documents") == 0


async def test_a_database_that_is_not_there_ends_a_single_run_with_1(world: World) -> None:
    status, report, log = await world.single(
        DATABASE_URL="postgresql://nobody:s3cret@127.0.0.1:1/none", DATABASE_START_DEADLINE_SECONDS="1"
    )
    assert (status, report["initialized"], report["errors"]) == (1, False, 1)
    assert "database_unavailable" in log
    assert "s3cret" not in log


async def test_what_postgres_will_never_take_fails_and_is_no_outage(world: World) -> None:
    await world.fetch(REFUSE_LONG_TEXTS)
    world.write("good.md", TEXT)
    world.write("bad.md", "The poisoned text.")
    assert (await world.single(RAG_ATTEMPTS_MAX="1"))[0] == 1
    assert (await world.document("good.md"))["status"] == "indexed"
    document = await world.document("bad.md")
    assert (document["status"], document["error_code"], document["quarantined_at"] is None) == (
        "failed",
        "internal",
        False,
    )
    await world.until_idle()
