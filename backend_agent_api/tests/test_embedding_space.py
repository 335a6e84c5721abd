"""Vectors are only compared with those of the same model: readiness says which, and the search keeps to it."""

from agent_api_support.api import make_settings, run_api

from agent_api.agent.queries import Space, find_active_space
from local_stack.postgres.testing import Database


async def test_the_active_space_is_reported_and_the_only_one_searched(database: Database) -> None:
    settings = make_settings(database.dsn(), embedding_model_choice="model-a")
    async with run_api(settings) as api, database.connect() as connection:

        async def space() -> tuple[int, str, object]:
            reply = await api.client.get("/health/ready")
            body = reply.json()
            return reply.status_code, body["checks"]["embedding_space"], body["embedding_space"]

        assert await space() == (200, "empty", None)
        assert await find_active_space(connection) is None
        first = await connection.fetchval("select public.ensure_embedding_space('model-a', 3)")
        second = await connection.fetchval("select public.ensure_embedding_space('model-b', 3)")
        assert await space() == (200, "ok", {"id": first, "model": "model-a", "dimensions": 3})
        assert await find_active_space(connection) == Space(first, "model-a", 3)
        await connection.execute("update public.embedding_space set is_active = false where id = $1", first)
        await connection.execute("update public.embedding_space set is_active = true where id = $1", second)
        assert await space() == (200, "different_model", {"id": second, "model": "model-b", "dimensions": 3})
        assert await find_active_space(connection) == Space(second, "model-b", 3)
