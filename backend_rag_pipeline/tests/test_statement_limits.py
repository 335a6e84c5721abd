"""A server with a limit of its own for statements, as Supabase has: what is large has its time all the same."""

import pytest
from rag_support.world import World

from local_stack.postgres.testing import Database
from rag_pipeline.database import TransactionTimedOut, open_database
from rag_pipeline.settings import Settings, load_settings

TEXT, EMBEDDED = "Oranges ripen in winter.", "Fruit\n\nOranges ripen in winter."
SERVERS_SECONDS = 10
"""Nothing but what is slowed here takes that long, however busy the machine is."""
SLOW_COPY = """
do $$
begin
    create function public.slowly() returns trigger language plpgsql as $body$
    begin
        perform pg_sleep(13);
        return null;
    end;
    $body$;
    create trigger slowly after insert on public.documents for each statement execute function public.slowly();
end;
$$
"""
# As if it took longer than the server's own limit, wherever that still holds.
CUT_OFF = """
do $$
begin
    create function public.cut_off() returns trigger language plpgsql as $body$
    begin
        if current_setting('statement_timeout') = '10s' then
            raise exception 'canceling statement due to statement timeout' using errcode = '57014';
        end if;
        return null;
    end;
    $body$;
    create trigger cut_off after insert on public.{table} for each statement execute function public.cut_off();
end;
$$
"""


async def limit_statements(database: Database) -> None:
    async with database.superuser() as connection:
        await connection.execute(f"alter database \"{database.name}\" set statement_timeout = '{SERVERS_SECONDS}s'")


def settings_of(database: Database, seconds: float) -> Settings:
    return load_settings(
        _env_file=None,
        database_url=database.dsn(),
        embedding_base_url="http://127.0.0.1:1/v1",
        embedding_model_choice="test-model",
        database_statement_timeout_seconds=seconds,
    )


async def test_a_document_that_takes_longer_than_the_servers_limit_is_embedded_and_stored_once(world: World) -> None:
    await limit_statements(world.database)
    await world.fetch(SLOW_COPY)
    world.write("fruit.md", TEXT)
    status, report, log = await world.single()
    assert (status, report["files_processed"]) == (0, 1), log
    assert await world.texts("fruit.md") == [TEXT]
    assert world.embeddings.documents() == [EMBEDDED]


async def test_a_listing_that_takes_longer_than_the_servers_limit_is_stored(world: World) -> None:
    await limit_statements(world.database)
    await world.fetch(CUT_OFF.format(table="document_metadata"))
    world.write("fruit.md", TEXT)
    status, _, log = await world.single()
    assert status == 0, log
    assert (await world.document("fruit.md"))["status"] == "indexed"


async def test_stored_texts_that_take_longer_than_the_servers_limit_reach_a_new_model(world: World) -> None:
    world.write("fruit.md", TEXT)
    assert (await world.single())[0] == 0
    world.write("fruit.md", b"%PDF-1.7 and no more", written_at=1_700_000_000)
    assert (await world.single())[0] == 1
    await limit_statements(world.database)
    await world.fetch(CUT_OFF.format(table="documents"))
    world.embeddings.forget()
    await world.single(EMBEDDING_MODEL_CHOICE="better-model")
    assert await world.value("select model from public.embedding_space where is_active") == "better-model"
    assert world.embeddings.documents() == [EMBEDDED]


@pytest.mark.parametrize(
    ("servers", "more_seconds", "applied"),
    [
        ("10s", 25, "85s"),
        ("10s", 0, "10s"),
        ("85s", 25, "85s"),
        ("2min", 25, "2min"),
        ("0", 25, "0"),
        ("10s", 1e9, "2147483647ms"),
    ],
)
async def test_the_servers_limit_is_lengthened_for_one_transaction_and_never_shortened(
    database: Database, servers: str, more_seconds: float, applied: str
) -> None:
    async with database.superuser() as connection:
        await connection.execute(f"alter database \"{database.name}\" set statement_timeout = '{servers}'")
    async with open_database(settings_of(database, 60)) as ours:
        for seconds, expected in ((more_seconds, applied), (0, servers)):
            async with ours.transaction(more_seconds=seconds) as connection:
                row = await (await connection.execute("show statement_timeout")).fetchone()
            assert row == {"statement_timeout": expected}


async def test_a_transaction_that_takes_longer_than_it_was_given_says_so(database: Database) -> None:
    async with open_database(settings_of(database, 1)) as ours:
        with pytest.raises(TransactionTimedOut):
            async with ours.transaction() as connection:
                await connection.execute("select pg_sleep(60)")
        with pytest.raises(TimeoutError) as raised:
            async with ours.transaction():
                raise TimeoutError
        assert raised.type is TimeoutError
