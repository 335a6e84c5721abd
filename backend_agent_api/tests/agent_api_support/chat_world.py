"""The API in the tests' own loop, with a model that a test directs and a database of its module's own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from agent_api_support.api import Api, make_settings, run_api
from agent_api_support.chat import Books, Person
from agent_api_support.model_server import ModelServer, run_model_server
from local_stack.postgres.cluster import Cluster
from local_stack.postgres.testing import Database

# High enough never to matter in a test that is about something else.
RATE_LIMIT = 1_000_000


@dataclass
class ChatWorld:
    """Everything that a test of a turn touches."""

    api: Api
    model: ModelServer
    books: Books

    async def person(self, *, tokens: int = 5) -> Person:
        return await self.books.person(self.api.client, tokens=tokens)

    @asynccontextmanager
    async def another_api(self, **changes: Any) -> AsyncGenerator[Api]:
        """One more API on the same database and model, with settings of its own."""
        async with run_api(chat_settings(self.books.database, self.model, **changes)) as api:
            yield api


def chat_settings(database: Database, model: ModelServer, **changes: Any) -> Any:
    """Settings for the model that a test directs."""
    values: dict[str, Any] = {
        "llm_base_url": model.base_url,
        "llm_choice": "scripted",
        "embedding_base_url": model.base_url,
        "rate_limit_requests": RATE_LIMIT,
        "model_retries_max": 0,
        **changes,
    }
    return make_settings(database.dsn(), **values)


@asynccontextmanager
async def run_chat_world(cluster: Cluster, template: str, name: str, **changes: Any) -> AsyncGenerator[ChatWorld]:
    """A world while the block runs."""
    cluster.create_database(name, template=template)
    database = Database(cluster, name)
    async with run_model_server() as model, run_api(chat_settings(database, model, **changes)) as api:
        yield ChatWorld(api, model, Books(database, api.auth))
