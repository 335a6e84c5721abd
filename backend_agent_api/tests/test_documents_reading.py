"""What people see of documents, and what they may do to them: their own, those of everyone, and nobody else's."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from agent_api_support.api import make_settings, refusal, run_api
from agent_api_support.documents import TEXT, Library, Reader

from agent_api.agent.citations import excerpt_of
from local_stack.postgres.cluster import Cluster
from local_stack.postgres.testing import Database


@pytest_asyncio.fixture(scope="module")
async def library(postgres_cluster: Cluster, product_template: str) -> AsyncGenerator[Library]:
    """An API on a database of its own."""
    postgres_cluster.create_database("test_documents_reading", template=product_template)
    database = Database(postgres_cluster, "test_documents_reading")
    async with run_api(make_settings(database.dsn())) as api:
        yield Library(api, database)


async def _every_route(reader: Reader, document_id: str, chunk_id: int) -> dict[str, tuple[int, str]]:
    """What a person is answered everywhere."""
    replies = {
        "read": await reader.get(f"/{document_id}"),
        "content": await reader.get(f"/{document_id}/content"),
        "passage": await reader.get(f"/{document_id}/passages/{chunk_id}"),
        "passage again": await reader.find_passage(document_id, excerpt="The notice"),
        "file": await reader.get(f"/{document_id}/file"),
        "rename": await reader.patch(document_id, title="Mine"),
        "share": await reader.patch(document_id, is_shared=True),
        "retry": await reader.retry(document_id),
        "delete": await reader.delete(document_id),
    }
    return {name: refusal(reply) for name, reply in replies.items()}


async def test_a_private_document_is_not_found_by_anybody_else(library: Library) -> None:
    owner = await library.reader()
    document = await owner.upload(TEXT, "secret plans.txt")
    (chunk_id,) = await library.index(document["id"], [{"content": "The notice period is three months.", "start": 0}])
    for other in (await library.reader(), await library.reader(is_admin=True)):
        answers = await _every_route(other, document["id"], chunk_id)
        assert answers.pop("passage") == answers.pop("passage again") == (404, "passage_not_found")
        assert set(answers.values()) == {(404, "document_not_found")}
        assert document["id"] not in await other.ids()
        assert await other.ids(q="secret") == []
        summary = (await other.get("/summary")).json()
        assert summary["usage"] == {"documents": 0, "bytes": 0}
    # All of it is there for its owner.
    assert await owner.ids(q="SECRET") == [document["id"]]
    assert (await owner.get(f"/{document['id']}/passages/{chunk_id}")).json()["content"] == TEXT.decode()
    assert (await owner.get("/summary")).json()["usage"] == {"documents": 1, "bytes": len(TEXT)}


async def test_a_chunk_of_another_document_is_no_passage_of_this_one(library: Library) -> None:
    owner, other = await library.reader(), await library.reader()
    theirs = await other.upload(b"theirs", "theirs.txt")
    (chunk_id,) = await library.index(theirs["id"], [{"content": "theirs", "start": 0}])
    mine = await owner.upload(b"mine", "mine.txt")
    assert refusal(await owner.get(f"/{mine['id']}/passages/{chunk_id}")) == (404, "passage_not_found")


async def test_sharing_moves_the_document_and_its_chunks_together(library: Library) -> None:
    admin, reader = await library.reader(is_admin=True), await library.reader()
    document = await admin.upload(b"handbook", "handbook.txt")
    (chunk_id,) = await library.index(document["id"], [{"content": "handbook", "start": 0}])

    async def owners() -> set[Any]:
        rows = await library.rows(
            "select owner_id from public.document_metadata where id = $1"
            " union all select owner_id from public.documents where document_id = $1",
            document["id"],
        )
        return {row["owner_id"] for row in rows}

    assert await owners() == {admin.user_id}
    shared = (await admin.patch(document["id"], is_shared=True)).json()
    assert (shared["is_shared"], shared["is_own"], shared["can_share"], shared["can_delete"]) == (True,) * 4
    assert await owners() == {None}
    seen = (await reader.get(f"/{document['id']}")).json()
    assert (seen["is_shared"], seen["is_own"], seen["can_share"], seen["can_delete"]) == (True, False, False, False)
    assert (await reader.get(f"/{document['id']}/passages/{chunk_id}")).status_code == 200
    assert (await reader.get(f"/{document['id']}/file")).content == b"handbook"
    assert document["id"] in await reader.ids(scope="shared") and document["id"] not in await reader.ids(scope="own")
    assert document["id"] in await admin.ids(scope="own")
    for reply in (
        await reader.patch(document["id"], title="Mine"),
        await reader.patch(document["id"], is_shared=False),
        await reader.delete(document["id"]),
        await reader.retry(document["id"]),
    ):
        assert refusal(reply) == (403, "forbidden")
    # Another administrator may take it away, but not make it the private document of somebody.
    second = await library.reader(is_admin=True)
    assert refusal(await second.patch(document["id"], is_shared=False)) == (403, "forbidden")
    private = (await admin.patch(document["id"], is_shared=False)).json()
    assert private["is_shared"] is False
    assert await owners() == {admin.user_id}
    assert refusal(await reader.get(f"/{document['id']}")) == (404, "document_not_found")


async def test_nobody_but_an_administrator_shares_their_own(library: Library) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, "a.txt")
    assert refusal(await reader.patch(document["id"], is_shared=True)) == (403, "forbidden")
    assert (await reader.patch(document["id"], is_shared=False)).json()["is_shared"] is False


async def test_a_document_is_renamed(library: Library) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, "a.txt")
    renamed = await reader.patch(document["id"], title="  Rental contract 🏠 ")
    assert renamed.json()["title"] == "Rental contract 🏠"
    assert renamed.json()["file_name"] == "a.txt"
    for title in ("", "   ", "a\x00b", "x" * 301, "\u202e", "\u200b \n"):
        assert refusal(await reader.patch(document["id"], title=title)) == (422, "invalid_request")
    assert (await reader.patch(document["id"])).json()["title"] == "Rental contract 🏠"
    misleading = await reader.patch(document["id"], title="Rental\ncontract \u202e🏠")
    assert misleading.json()["title"] == "Rental contract 🏠"
    # Ingestion keeps it, and the list finds it by the name of its file all the same.
    async with library.database.connect() as connection:
        given = "select title_is_given from public.document_metadata where id = $1"
        assert await connection.fetchval(given, document["id"]) is True
    assert await reader.ids(q="A.TXT") == [document["id"]]


async def test_what_a_source_keeps_is_not_changed_here(library: Library) -> None:
    document_id = await library.add_synced("handbook.pdf", url="file:///rag-documents/handbook.pdf")
    await _note_look(library, "local", "1 hour")
    for reader in (await library.reader(), await library.reader(is_admin=True)):
        seen = (await reader.get(f"/{document_id}")).json()
        assert (seen["source"], seen["is_shared"], seen["can_delete"], seen["can_share"]) == (
            "local",
            True,
            False,
            False,
        )
        assert seen["url"] is None, "a browser is sent to the web only"
        for reply in (
            await reader.delete(document_id),
            await reader.patch(document_id, title="Mine"),
            await reader.patch(document_id, is_shared=False),
        ):
            assert refusal(reply) == (409, "managed_by_source")
        assert refusal(await reader.get(f"/{document_id}/file")) == (404, "file_not_found")


async def _note_look(library: Library, pipeline_id: str, ago: str) -> None:
    """A worker looked at its source."""
    await library.execute(
        "insert into public.rag_pipeline_state (pipeline_id, pipeline_type, last_check_time)"
        " values ($1, 'local', now() - $2::text::interval)"
        " on conflict (pipeline_id) do update set last_check_time = excluded.last_check_time",
        pipeline_id,
        ago,
    )


@pytest.mark.parametrize("pipeline", ["renamed", "silent", None])
async def test_what_no_worker_keeps_is_deleted_by_an_administrator(library: Library, pipeline: str | None) -> None:
    """Nothing else would ever take it away, and it is answered from."""
    document_id = await library.add_synced(f"{pipeline}.pdf", title=f"Of pipeline {pipeline}")
    await library.execute("update public.document_metadata set pipeline_id = $2 where id = $1", document_id, pipeline)
    (chunk_id,) = await library.index(document_id, [{"content": "old", "start": 0}])
    if pipeline == "silent":
        await _note_look(library, pipeline, "8 days")
    reader, admin = await library.reader(), await library.reader(is_admin=True)
    assert (await reader.get(f"/{document_id}")).json()["can_delete"] is False
    assert refusal(await reader.delete(document_id)) == (409, "managed_by_source")
    seen = (await admin.get(f"/{document_id}")).json()
    assert (seen["can_delete"], seen["can_share"]) == (True, False)
    assert refusal(await admin.patch(document_id, title="Mine")) == (409, "managed_by_source")
    (listed,) = (await admin.get(q=f"of pipeline {pipeline}")).json()["items"]
    assert listed["can_delete"] is True
    assert (await admin.delete(document_id)).status_code == 204
    assert await library.value("select count(*) from public.documents where id = $1", chunk_id) == 0
    assert refusal(await admin.get(f"/{document_id}")) == (404, "document_not_found")


async def test_deleting_takes_everything_along(library: Library) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, "a.txt")
    await library.index(document["id"], [{"content": "one", "start": 0}, {"content": "two", "start": 5}])
    reply = await reader.delete(document["id"])
    assert (reply.status_code, reply.content) == (204, b"")
    assert await library.count(reader.user_id) == (0, 0, 0)
    assert await library.value("select count(*) from public.documents where document_id = $1", document["id"]) == 0
    assert refusal(await reader.delete(document["id"])) == (404, "document_not_found")
    # The same content is a new document then.
    assert (await reader.upload(TEXT, "a.txt"))["id"] != document["id"]


async def test_deleting_waits_for_whoever_is_storing_chunks_and_removes_them(library: Library) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, "a.txt")
    async with library.database.connect() as worker:
        transaction = worker.transaction()
        await transaction.start()
        await worker.execute("select 1 from public.document_metadata where id = $1 for update", document["id"])
        deleting = asyncio.create_task(reader.delete(document["id"]))
        await _until_somebody_waits(library)
        await worker.execute("insert into public.documents (document_id, content) values ($1, 'late')", document["id"])
        await transaction.commit()
        assert (await deleting).status_code == 204
    assert await library.value("select count(*) from public.documents where document_id = $1", document["id"]) == 0


async def _until_somebody_waits(library: Library) -> None:
    async with asyncio.timeout(60):
        while not await library.value(  # noqa: ASYNC110 - Postgres tells of waiting locks only when asked
            "select exists (select from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock')"
        ):
            await asyncio.sleep(0.01)


async def test_an_account_takes_its_private_documents_along_and_leaves_the_shared_ones(library: Library) -> None:
    admin, reader = await library.reader(is_admin=True), await library.reader()
    private = await admin.upload(b"private", "private.txt")
    shared = await admin.upload(b"shared", "shared.txt", is_shared="true")
    await library.database.delete_user(admin.user_id)
    assert await library.value("select count(*) from public.document_metadata where id = $1", private["id"]) == 0
    seen = (await reader.get(f"/{shared['id']}")).json()
    assert (seen["is_shared"], seen["is_own"]) == (True, False)
    assert (await reader.get(f"/{shared['id']}/file")).content == b"shared"
    second = await library.reader(is_admin=True)
    assert (await second.delete(shared["id"])).status_code == 204


async def test_a_failed_document_is_tried_again_on_demand(library: Library) -> None:
    reader, admin = await library.reader(), await library.reader(is_admin=True)
    document = await reader.upload(b"broken", "a.pdf")
    await library.execute("delete from queue.procrastinate_jobs where args ->> 'document_id' = $1", document["id"])
    await library.execute(
        "update public.document_metadata set status = 'failed', error_code = 'unreadable', attempts = 5,"
        " error_message = 'The file is damaged.', quarantined_at = now() where id = $1",
        document["id"],
    )
    seen = (await reader.get(f"/{document['id']}")).json()
    assert seen["error"] == {"code": "unreadable", "message": "The file is damaged."}
    assert (seen["status"], seen["is_quarantined"], seen["can_retry"]) == ("failed", True, True)
    assert await reader.ids(status="failed") == [document["id"]]
    reply = await reader.retry(document["id"])
    assert reply.status_code == 202
    seen = reply.json()
    assert (seen["status"], seen["error"], seen["is_quarantined"], seen["can_retry"]) == ("pending", None, False, False)
    assert await library.count(reader.user_id) == (1, 1, 1)
    # Once more changes nothing: it waits already.
    assert (await reader.retry(document["id"])).status_code == 202
    assert await library.count(reader.user_id) == (1, 1, 1)
    # What a source brought is an administrator's to retry.
    synced = await library.add_synced("broken.pdf", status="failed")
    assert refusal(await reader.retry(synced)) == (403, "forbidden")
    assert (await admin.retry(synced)).json()["status"] == "pending"
    queue = "select queue_name from queue.procrastinate_jobs where args ->> 'document_id' = $1"
    assert await library.value(queue, synced) == "pipeline:local"


async def test_pages_of_the_list_miss_and_repeat_nothing(library: Library) -> None:
    reader = await library.reader()
    # All of the same moment: their ids decide.
    await library.execute(
        "insert into public.document_metadata (id, title, owner_id, created_at)"
        " select 'page-' || n, 'Page ' || n, $1, '2030-01-01' from generate_series(1, 25) as n",
        reader.user_id,
    )
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await reader.get(limit=4, cursor=cursor, scope="own")).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(f"page-{number}" for number in range(1, 26))
    assert seen == sorted(seen, reverse=True)
    for wrong in ("x", "WzFd", "WyIyMDMwLTAxLTAxIiwieCJd"):
        assert refusal(await reader.get(cursor=wrong)) == (422, "invalid_request")
    wrong_params: list[dict[str, Any]] = [{"scope": "theirs"}, {"status": "lost"}, {"limit": 101}, {"q": "a\x00"}]
    for params in wrong_params:
        assert refusal(await reader.get(**params)) == (422, "invalid_request")


async def test_a_search_takes_every_character_as_it_is(library: Library) -> None:
    reader = await library.reader()
    percent = await reader.upload(b"percent", "100% sure_thing.txt")
    other = await reader.upload(b"other", "100 sure things.txt")
    assert await reader.ids(q="100%", scope="own") == [percent["id"]]
    assert await reader.ids(q="e_t", scope="own") == [percent["id"]]
    assert set(await reader.ids(q="SURE", scope="own")) == {percent["id"], other["id"]}
    assert await reader.ids(q="\\", scope="own") == []


async def test_the_summary_counts_what_the_caller_may_read(library: Library) -> None:
    reader, admin = await library.reader(), await library.reader(is_admin=True)
    await library.execute(
        "insert into public.rag_pipeline_state (pipeline_id, pipeline_type, last_run, last_check_time)"
        " values ('docs', 'local', '2026-01-02T03:04:05Z', '2026-01-02T03:04:06Z')"
    )
    before = (await reader.get("/summary")).json()
    document = await reader.upload(TEXT, "a.txt")
    await library.index(document["id"], [{"content": "one", "start": 0}, {"content": "two", "start": 5}])
    await reader.upload(b"waits", "b.txt")
    after = (await reader.get("/summary")).json()
    assert after["counts"]["indexed"] == before["counts"]["indexed"] + 1
    assert after["counts"]["pending"] == before["counts"]["pending"] + 1
    assert after["chunk_count"] == before["chunk_count"] + 2
    assert after["searchable_count"] == before["searchable_count"] + 1
    # While it is indexed anew it stays searchable as it was.
    await library.execute("update public.document_metadata set status = 'pending' where id = $1", document["id"])
    assert (await reader.get("/summary")).json()["searchable_count"] == after["searchable_count"]
    assert after["last_sync_at"] == "2026-01-02T03:04:05Z"
    assert after["pipelines"] == []
    assert after["limits"]["file_max_bytes"] == 20 * 1024 * 1024
    assert {".pdf", ".docx", ".epub", ".tif"} <= set(after["limits"]["file_extensions"])
    pipelines = (await admin.get("/summary")).json()["pipelines"]
    (pipeline,) = [each for each in pipelines if each["pipeline_id"] == "docs"]
    assert pipeline == {
        "pipeline_id": "docs",
        "pipeline_type": "local",
        "last_run": "2026-01-02T03:04:05Z",
        "last_check_time": "2026-01-02T03:04:06Z",
        "error": None,
    }
    told = "update public.rag_pipeline_state set embedding_error = 'Another model.' where pipeline_id = 'docs'"
    await library.execute(told)
    assert (await admin.get("/summary")).json()["pipelines"][0]["error"] == "Another model."
    # Neither hides the other.
    await library.execute(
        "update public.rag_pipeline_state set error_message = 'No source.' where pipeline_id = 'docs'"
    )
    assert (await admin.get("/summary")).json()["pipelines"][0]["error"] == "Another model. No source."


def _overlapping(text: str, *, size: int, overlap: int) -> list[dict[str, Any]]:
    return [
        {"content": text[start : start + size], "start": start}
        for start in range(0, len(text) - overlap, size - overlap)
    ]


async def test_the_text_comes_back_as_it_was_page_by_page(library: Library) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, "long.txt")
    text = " ".join(f"word{number}" for number in range(8_000))
    await library.index(document["id"], _overlapping(text, size=900, overlap=150))
    first = (await reader.get(f"/{document['id']}/content")).json()
    assert first["document"] == {"id": document["id"], "title": "long"}
    pages = [(await reader.get(f"/{document['id']}/content", page=n + 1)).json() for n in range(first["pages"])]
    assert first["pages"] > 4
    assert "".join(page["text"] for page in pages) == text
    assert all(page["text"].endswith(" ") for page in pages[:-1]), "no word is cut"
    assert (await reader.get(f"/{document['id']}/content", page=1_000)).json() == pages[-1]
    assert refusal(await reader.get(f"/{document['id']}/content", page=0)) == (422, "invalid_request")


async def test_text_of_an_earlier_version_is_read_too(library: Library) -> None:
    """Its chunks know no place; what neighbours share is found by comparing them."""
    reader = await library.reader()
    shared = "this sentence stands at the end of one chunk and at the beginning of the next. "
    document_id = await library.add_synced("old")
    await library.index(
        document_id, [{"content": "First, " + shared}, {"content": shared + "Then more."}, {"content": "The end."}]
    )
    content = (await reader.get(f"/{document_id}/content")).json()
    assert content["text"] == "First, " + shared + "Then more.\n\nThe end."


async def test_a_document_without_text_is_one_empty_page(library: Library) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, "a.txt")
    content = (await reader.get(f"/{document['id']}/content")).json()
    assert (content["page"], content["pages"], content["text"]) == (1, 1, "")


@pytest.mark.parametrize("placed", [True, False])
async def test_a_passage_stands_between_its_neighbours(library: Library, placed: bool) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, "a.txt")
    text = "".join(f"Sentence number {number} of this long document says nothing at all. " for number in range(12))
    chunks = _overlapping(text, size=300, overlap=80)
    if not placed:
        chunks = [{"content": chunk["content"]} for chunk in chunks]
    ids = await library.index(document["id"], [{**chunk, "page": 4, "heading_path": "Part One"} for chunk in chunks])
    passage = (await reader.get(f"/{document['id']}/passages/{ids[1]}")).json()
    assert passage["document"] == {"id": document["id"], "title": "a", "url": None, "source": "upload"}
    assert (passage["chunk_id"], passage["page"], passage["heading_path"]) == (ids[1], 4, "Part One")
    assert passage["content"] == chunks[1]["content"]
    assert passage["before"] + passage["content"] + passage["after"] == text[:740]
    first = (await reader.get(f"/{document['id']}/passages/{ids[0]}")).json()
    assert first["before"] == ""
    # Indexed anew, the passage is another one.
    await library.execute("delete from public.documents where document_id = $1", document["id"])
    await library.index(document["id"], chunks)
    assert refusal(await reader.get(f"/{document['id']}/passages/{ids[1]}")) == (404, "passage_not_found")


@pytest.mark.parametrize("size", [180, 300, 700, 5_000])
async def test_a_passage_is_found_again_where_the_document_is_indexed_anew(library: Library, size: int) -> None:
    """Other chunks with other ids, and text before it that moves it: what was cited still stands there."""
    reader, other = await library.reader(), await library.reader()
    document = await reader.upload(TEXT, "a.txt")
    text = "".join(f"Sentence\u00a0number {n} of this\n\nlong document says nothing at all. " for n in range(30))
    chunks = _overlapping(text, size=300, overlap=80)
    await library.index(document["id"], chunks)
    await library.execute("delete from public.documents where document_id = $1", document["id"])
    anew = _overlapping("A new first page. " + text, size=size, overlap=40)
    new_ids = await library.index(document["id"], anew)
    for chunk in chunks:
        cited = {"excerpt": excerpt_of(chunk["content"][:150]), "char_start": chunk["start"]}
        passage = (await reader.find_passage(document["id"], **cited)).json()
        assert passage["chunk_id"] in new_ids
        assert cited["excerpt"] in " ".join((passage["content"] + passage["after"]).split())
        assert refusal(await other.find_passage(document["id"], **cited)) == (404, "passage_not_found")
    changed = {"excerpt": "Sentence number 5 of an"}
    assert refusal(await reader.find_passage(document["id"], **changed)) == (404, "passage_not_found")
    assert refusal(await reader.find_passage("nothing", **changed)) == (404, "passage_not_found")
    assert refusal(await reader.find_passage(document["id"], excerpt="…")) == (404, "passage_not_found")
    for wrong in ({}, {"excerpt": ""}, {"excerpt": "x" * 1_001}, {"excerpt": "x", "char_start": -1}):
        assert refusal(await reader.find_passage(document["id"], **wrong)) == (422, "invalid_request")


async def test_a_passage_that_stands_repeatedly_is_found_where_it_was(library: Library) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, "a.txt")
    chunks = [{"content": "The same words…", "start": start} for start in (0, 400, 900)]
    ids = await library.index(document["id"], chunks)
    for start, expected in ((None, ids[0]), (10, ids[0]), (380, ids[1]), (5_000, ids[2])):
        cited = {"excerpt": "The same words…"} | ({} if start is None else {"char_start": start})
        passage = (await reader.find_passage(document["id"], **cited)).json()
        assert passage["chunk_id"] == expected


async def test_a_short_passage_is_not_found_where_it_is_only_mentioned(library: Library) -> None:
    reader = await library.reader()
    document = await reader.upload(TEXT, "a.txt")
    text = "What is left out here, see Appendix B, is told at the end of this text."
    mention = {"content": text, "start": 0}
    await library.index(document["id"], [mention])
    for excerpt, status in (("Appendix B", 404), ("see Appendix B…", 200), (excerpt_of(text[5:]), 200)):
        assert (await reader.find_passage(document["id"], excerpt=excerpt)).status_code == status
    heading = {"content": "\nAppendix\n B", "start": 100}
    ids = await library.index(document["id"], [mention, heading])
    passage = (await reader.find_passage(document["id"], excerpt="Appendix B", char_start=0)).json()
    assert passage["chunk_id"] == ids[1]


async def test_a_document_in_two_embedding_spaces_is_read_once(library: Library) -> None:
    reader = await library.reader()
    document = await reader.upload(b"two spaces", "a.txt")
    old = await library.value("select public.ensure_embedding_space('old', 3)")
    new = await library.value("select public.ensure_embedding_space('new', 3)")
    for space in (old, new):
        await library.execute(
            "insert into public.documents (document_id, content, chunk_index, char_start, char_end, embedding_space_id)"
            " values ($1, 'Once.', 0, 0, 5, $2), ($1, 'Twice.', 1, 7, 13, $2)",
            document["id"], space,
        )  # fmt: skip
    assert (await reader.get(f"/{document['id']}/content")).json()["text"] == "Once.\n\nTwice."
    chunk_id = await library.value(
        "select id from public.documents where document_id = $1 and chunk_index = 0 and embedding_space_id = $2",
        document["id"], new,
    )  # fmt: skip
    passage = (await reader.get(f"/{document['id']}/passages/{chunk_id}")).json()
    assert (passage["before"], passage["content"], passage["after"]) == ("", "Once.", "Twice.")


@pytest.mark.parametrize(
    "document_id", ["/app/rag-documents/handbook.md", "rag-documents/handbook.md", "./notes/a.md", "/100% sure/#1?.md"]
)
async def test_a_document_of_an_earlier_version_is_reached_by_its_path(library: Library, document_id: str) -> None:
    """Its id is one, and an address with %2F is decoded before anybody looks for a route."""
    admin = await library.reader(is_admin=True)
    await library.execute("insert into public.document_metadata (id, title) values ($1, 'Handbook')", document_id)
    (chunk_id,) = await library.index(document_id, [{"content": "Oranges."}])
    assert document_id in await admin.ids()
    sent = quote(document_id, safe="")
    assert (await admin.get(f"/{sent}")).json()["id"] == document_id
    assert (await admin.get(f"/{sent}/content")).json()["text"] == "Oranges."
    assert (await admin.get(f"/{sent}/passages/{chunk_id}")).json()["content"] == "Oranges."
    assert (await admin.find_passage(sent, excerpt="Oranges")).json()["chunk_id"] == chunk_id
    assert refusal(await admin.get(f"/{sent}/file")) == (404, "file_not_found")
    assert refusal(await admin.patch(sent, title="Mine")) == (409, "managed_by_source")
    assert (await admin.retry(sent)).json()["id"] == document_id
    assert (await admin.delete(sent)).status_code == 204
    assert refusal(await admin.get(f"/{sent}")) == (404, "document_not_found")


@pytest.mark.parametrize("document_id", ["nothing", "a%00b", "x" * 2_001, "..%2F..%2Fetc", "%F0%9F%98%80"])
async def test_an_unknown_document_is_not_found(library: Library, document_id: str) -> None:
    reader = await library.reader()
    is_malformed = len(document_id) > 2_000 or "%00" in document_id
    for path in (f"/{document_id}", f"/{document_id}/content", f"/{document_id}/file", f"/{document_id}/passages/1"):
        reply = await reader.get(path)
        assert refusal(reply)[0] == (422 if is_malformed else 404), path
    assert refusal(await reader.get("/x/passages/99999999999999999999")) == (422, "invalid_request")
