"""Sharing a document that takes longer than other statements may."""

from agent_api_support.api import make_settings, run_api
from agent_api_support.documents import Library

from agent_api.documents.queries import set_owner
from local_stack.postgres.testing import Database

SLOW_INDEX = """
create function public.index_slowly() returns trigger language plpgsql as $$
begin
    perform pg_sleep(0.1);
    return new;
end;
$$;
create trigger index_slowly before update on public.documents for each row execute function public.index_slowly();
"""


async def test_a_large_document_is_shared_and_taken_back_however_long_its_index_takes(
    database: Database,
) -> None:
    chunks = 60
    async with database.superuser() as connection:
        # As at Supabase, where it is two minutes.
        await connection.execute(f"alter database \"{database.name}\" set statement_timeout = '5s'")
    settings = make_settings(database.dsn(), database_command_timeout_seconds=5)
    async with run_api(settings) as api:
        library = Library(api, database)
        admin = await library.reader(is_admin=True)
        document = await admin.upload()
        await library.index(document["id"], [{"content": f"Passage {number}."} for number in range(chunks)])
        await library.execute(SLOW_INDEX)
        for is_shared in (True, False):
            reply = await admin.patch(document["id"], is_shared=is_shared)
            assert (reply.status_code, reply.json()["is_shared"]) == (200, is_shared)
            owners = await library.rows("select owner_id, count(*) as chunks from public.documents group by 1")
            assert [tuple(row) for row in owners] == [(None if is_shared else admin.user_id, chunks)]


async def test_no_document_has_more_time_than_a_proxy_waits_for_the_reply(database: Database) -> None:
    async with database.connect() as connection, connection.transaction():
        await set_owner(connection, document_id="x", owner_id=None, chunk_count=100_000)
        assert await connection.fetchval("show statement_timeout") == "5min"
