"""Real processes: the API as it is deployed, on a real Postgres, with a model on a port."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from agent_api_support.chat import Books
from agent_api_support.model_server import run_model_server

from local_stack.postgres.cluster import Cluster
from local_stack.postgres.testing import Database
from tests.end_to_end.fleet import ApiProcess, Fleet


@pytest_asyncio.fixture(scope="session")
async def fleet(
    postgres_cluster: Cluster, product_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Fleet]:
    """One database and one model for processes that each test starts."""
    postgres_cluster.create_database("test_end_to_end", template=product_template)
    database = Database(postgres_cluster, "test_end_to_end")
    async with run_model_server() as model:
        yield Fleet(Books(database), model, tmp_path_factory.mktemp("end_to_end"))


@pytest_asyncio.fixture(scope="session")
async def pair(fleet: Fleet) -> AsyncGenerator[tuple[ApiProcess, ApiProcess]]:
    """Two processes for tests that leave them as they were."""
    async with fleet.api() as a, fleet.api() as b:
        yield a, b
