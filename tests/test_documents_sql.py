"""The SQL of the pages runs, and finds what they say it finds."""

from pathlib import Path

from local_stack.postgres.testing import Database
from tests.test_documents import FENCE, FOLLOWED, OPERATIONS


def statements(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [block for language, block in FENCE.findall(text) if language == "sql"]


async def test_the_sql_of_the_pages_runs(database: Database) -> None:
    # That page's are about payments of a former release: tests/sql/test_billing.py and tests/end_to_end_money run them.
    blocks = [block for each in FOLLOWED if each.name != "stripe-setup.md" for block in statements(each)]
    assert len(blocks) >= 8
    user_id = await database.add_user(tokens=1, email="you@yourdomain.com")
    async with database.connect() as connection:
        await connection.execute(
            "insert into public.conversations (session_id, user_id) values ('the-session-id', $1)", user_id
        )
        for block in blocks:
            await connection.execute(block.replace("00000000-0000-0000-0000-000000000000", str(user_id)))
        assert await connection.fetchval("select is_admin from public.user_profiles where id = $1", user_id)
        assert await connection.fetchval("select public.current_balance($1)", user_id) == 6
        assert await connection.fetchval("select count(*) from public.conversations") == 0
        assert await connection.fetch("select * from public.audit_ledger()") == []


async def test_the_hourly_line_is_quiet_in_a_sound_installation_and_shows_what_is_late(database: Database) -> None:
    hourly = statements(OPERATIONS)[0]
    async with database.connect() as connection:
        row = await connection.fetchrow(hourly)
        assert row is not None
        *counts, failed, connections = row.values()
        assert (set(counts), failed) == ({0}, 0)
        assert connections >= 1
        await connection.execute(
            "insert into public.document_metadata (id, status, updated_at)"
            " values ('a', 'pending', now() - interval '1 day');"
            "insert into public.stripe_events (id, type, livemode, created_at, payload, received_at)"
            " values ('evt_1', 'x', false, now(), '{}', now() - interval '2 hours');"
            "insert into public.payment_flags (payment_intent_id, reason) values ('pi_1', 'second_payment');"
            "insert into public.reconciliation_runs (is_full, report) values (false, '{\"drift\": 2}');"
            "insert into public.reconciliation_runs (is_full, started_at, finished_at, report)"
            " values (true, now() - interval '62 minutes', now() - interval '61 minutes', '{\"drift\": 0}')"
        )
        row = await connection.fetchrow(hourly)
        assert row is not None
        wrong = ("stuck_events", "open_flags", "bad_reconciliations", "stopped_reconciliations", "late_documents")
        assert {name for name in wrong if row[name] == 1} == set(wrong)
        await connection.execute(
            "insert into public.reconciliation_runs (is_full, finished_at, report)"
            ' values (true, now(), \'{"drift": 0, "audit_faults": 1}\')'
        )
        row = await connection.fetchrow(hourly)
        assert row is not None
        assert (row["bad_reconciliations"], row["stopped_reconciliations"]) == (2, 0)


async def test_whoever_was_told_from_a_document_is_found(database: Database) -> None:
    (find,) = [block for block in statements(OPERATIONS) if "strpos" in block]
    asker, other = await database.add_user(), await database.add_user()
    cited = '{"type": "ai", "parts": [{"providerMetadata": {"passage": {"document_id": "the-document-id"}}}]}'
    async with database.connect() as connection:
        for session_id, user_id in (("told", asker), ("not told", other)):
            await connection.execute(
                "insert into public.conversations (session_id, user_id) values ($1, $2)", session_id, user_id
            )
        await connection.execute(
            "insert into public.messages (session_id, message, message_data) values"
            " ('told', $1, null), ('told', '{}', 'a tool returned the-document-id'), ('not told', '{}', null)",
            cited,
        )
        rows = await connection.fetch(find)
    assert [(row["user_id"], row["session_id"], row["messages"]) for row in rows] == [(asker, "told", 2)]


async def test_a_half_filled_space_goes_and_the_one_that_serves_stays(database: Database) -> None:
    (drop,) = [block for block in statements(OPERATIONS) if "drop_inactive_chunks" in block]
    async with database.connect() as connection:
        await connection.execute(
            "insert into public.document_metadata (id, title) values ('one', 'One'), ('two', 'Two')"
        )
        for model, dimensions, documents in (("old", 3, ("one", "two")), ("nomic-embed-text", 2, ("one",))):
            space = await connection.fetchval("select public.ensure_embedding_space($1, $2)", model, dimensions)
            for document in documents:
                await connection.execute(
                    "insert into public.documents (document_id, content, embedding, embedding_space_id)"
                    " values ($1, 'text', array_fill(1, array[$2::integer])::real[]::extensions.vector, $3)",
                    *(document, dimensions, space),
                )
        await connection.execute(drop)
        left = await connection.fetch(
            "select s.model, count(*) from public.embedding_space as s"
            " join public.documents as d on d.embedding_space_id = s.id group by 1"
        )
        assert [tuple(row) for row in left] == [("old", 2)]
        assert await connection.fetchval("select count(*) from public.embedding_space") == 1
