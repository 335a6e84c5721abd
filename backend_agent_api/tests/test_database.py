"""The pool on a real Postgres: alone, through a pooler in transaction mode, and while the database is away."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest
from agent_api_support.api import Api, make_settings, refusal, run_api
from agent_api_support.transaction_pooler import run_transaction_pooler

from agent_api.database import Database as ServiceDatabase
from agent_api.database import open_database
from agent_api.errors import AccountNotFound, ConversationNotFound, DatabaseUnavailable
from local_stack.postgres.cluster import Cluster, remove_cluster, start_cluster
from local_stack.postgres.pytest_plugin import SETTINGS, SQL_DIRECTORY
from local_stack.postgres.testing import Database

PROBE = "select pg_backend_pid() as pid, $1::int + 1 as sum, $2::jsonb as document"


async def ask(database: ServiceDatabase, number: int) -> int:
    async with database.statement() as connection:
        row = await connection.fetchrow(PROBE, number, {"n": [number, "ü"]})
    async with database.transaction() as connection:
        again = await connection.fetchrow(PROBE, number, {"n": [number, "ü"]})
    assert row is not None
    assert again is not None
    assert row["sum"] == again["sum"] == number + 1
    assert row["document"] == {"n": [number, "ü"]}
    return row["pid"]


async def test_queries_survive_a_pooler_in_transaction_mode(database: Database) -> None:
    async with run_transaction_pooler(database.dsn()) as (pooler, through):
        settings = make_settings(through, database_session_url=database.dsn(), database_pool_max_size=8)
        async with open_database(settings) as service:
            pids = await asyncio.gather(*(ask(service, number) for number in range(60)))
    assert len(set(pids)) == 3
    assert pooler.handovers >= 120


async def test_the_same_queries_break_there_without_transaction_mode(database: Database) -> None:
    """The pooler of these tests is a real one: what relies on a session fails behind it."""
    async with (
        run_transaction_pooler(database.dsn()) as (_pooler, through),
        open_database(make_settings(through, database_pool_max_size=8)) as service,
    ):
        results = await asyncio.gather(*(ask(service, number) for number in range(60)), return_exceptions=True)
    # "prepared statement ... does not exist", or exists already, depending on which server a name meets.
    kinds = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
    assert any(isinstance(result, kinds) for result in results)


async def test_the_api_works_through_such_a_pooler(database: Database) -> None:
    user_id = await database.add_user(tokens=7)
    async with run_transaction_pooler(database.dsn()) as (_pooler, through):
        settings = make_settings(through, database_session_url=database.dsn())
        async with run_api(settings) as api:
            headers = api.headers(user_id)
            replies = await asyncio.gather(*(api.client.get("/api/balance", headers=headers) for _ in range(40)))
            assert {reply.text for reply in replies} == {'{"tokens":7}'}
            renamed = await api.client.patch("/api/profile", headers=headers, json={"full_name": "Sample"})
            assert renamed.json()["full_name"] == "Sample"
            assert (await api.client.get("/health/ready")).status_code == 200


async def test_a_refused_transaction_leaves_nothing(database: Database) -> None:
    user_id = await database.add_user()
    async with open_database(make_settings(database.dsn(), database_pool_max_size=1)) as service:
        with pytest.raises(ZeroDivisionError):
            async with service.transaction() as connection:
                await connection.execute("select public.update_profile_name($1, 'Gone')", user_id)
                _ = 1 / 0
        async with service.statement() as connection:
            assert (
                await connection.fetchval("select full_name from public.user_profiles where id = $1", user_id) is None
            )


async def test_what_sql_refuses_arrives_as_a_type(database: Database) -> None:
    user_id = await database.add_user()
    async with open_database(make_settings(database.dsn())) as service:
        with pytest.raises(AccountNotFound):
            async with service.statement() as connection:
                await connection.fetchval("select public.current_balance($1)", uuid4())
        with pytest.raises(ConversationNotFound):
            async with service.transaction() as connection:
                await connection.execute("select public.delete_conversation($1, 'none')", user_id)


async def test_waiting_for_a_connection_ends(database: Database) -> None:
    settings = make_settings(database.dsn(), database_pool_max_size=1, database_acquire_timeout_seconds=0.2)
    async with open_database(settings) as service, service.pool.acquire():
        with pytest.raises(DatabaseUnavailable):
            async with service.statement() as connection:
                await connection.fetchval("select 1")


async def test_a_statement_that_takes_too_long_is_cut_off(database: Database) -> None:
    settings = make_settings(database.dsn(), database_pool_max_size=1, database_command_timeout_seconds=0.2)
    async with open_database(settings) as service:
        with pytest.raises(DatabaseUnavailable):
            async with service.transaction() as connection:
                await connection.fetchval("select pg_sleep(30)")
        async with service.statement() as connection:
            assert await connection.fetchval("select 1", timeout=60) == 1


async def test_a_killed_connection_is_unavailable_once_and_then_replaced(database: Database) -> None:
    async with open_database(make_settings(database.dsn(), database_pool_max_size=1)) as service:
        with pytest.raises(DatabaseUnavailable):
            async with service.transaction() as connection:
                pid = await connection.fetchval("select pg_backend_pid()")
                async with database.superuser() as administrator:
                    await administrator.execute("select pg_terminate_backend($1, 60000)", pid)
                await connection.fetchval("select 1")
        async with service.statement() as connection:
            assert await connection.fetchval("select 1") == 1


async def test_a_database_that_stays_away_ends_the_start() -> None:
    settings = make_settings("postgresql://nobody@127.0.0.1:9/none", database_start_deadline_seconds=0.5)
    with pytest.raises(OSError):
        async with open_database(settings):
            pass


async def _readiness(api: Api) -> tuple[int, str, str]:
    reply = await api.client.get("/health/ready")
    body = reply.json()
    return reply.status_code, body["status"], body["checks"]["database"]


async def test_the_service_outlives_its_database(tmp_path_factory: pytest.TempPathFactory, unused_port: int) -> None:
    directory = tmp_path_factory.mktemp("stopped-postgres")
    cluster: Cluster = await asyncio.to_thread(start_cluster, directory, unused_port, SETTINGS)
    try:
        await asyncio.to_thread(cluster.create_database, "product")
        await asyncio.to_thread(lambda: cluster.apply_sql_scripts(SQL_DIRECTORY, database="product"))
        product = Database(cluster, "product")
        user_id = await product.add_user(tokens=3)
        async with run_api(make_settings(product.dsn(), log_level="ERROR")) as api:
            headers = api.headers(user_id)
            assert await _readiness(api) == (200, "ready", "ok")

            await asyncio.to_thread(cluster.stop)
            assert await _readiness(api) == (503, "not_ready", "unavailable")
            assert (await api.client.get("/health")).json() == {"status": "ok"}
            refused = await api.client.get("/api/balance", headers=headers)
            assert refusal(refused) == (503, "database_unavailable")
            assert refused.headers["retry-after"] == "1"

            cluster = await asyncio.to_thread(start_cluster, directory, unused_port, SETTINGS)
            assert await _readiness(api) == (200, "ready", "ok")
            assert (await api.client.get("/api/balance", headers=headers)).json() == {"tokens": 3}
    finally:
        await asyncio.to_thread(cluster.stop)
        remove_cluster(directory)


async def test_a_schema_older_than_the_service_is_not_ready(empty_database: Database) -> None:
    async with run_api(make_settings(empty_database.dsn())) as api:
        reply = await api.client.get("/health/ready")
    assert reply.status_code == 503
    assert reply.json()["checks"]["database"] == "ok"
    assert reply.json()["checks"]["schema"] == "outdated"


async def test_a_model_and_keys_that_are_away_do_not_unload_the_process(api: Api) -> None:
    reply = await api.client.get("/health/ready")
    assert reply.status_code == 200
    assert reply.json()["checks"] == {
        "database": "ok",
        "schema": "ok",
        "auth_keys": "unavailable",
        "model": "unavailable",
        "embedding_space": "empty",
    }
