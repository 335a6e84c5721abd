"""Fixtures of the agent API: one database and one running API for the session, people made per test."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from agent_api_support.api import Api, make_settings, run_api
from agent_api_support.auth_server import AuthServer, run_auth_server

from local_stack.postgres.cluster import Cluster
from local_stack.postgres.testing import Database


@pytest.fixture(scope="session")
def shared_database(postgres_cluster: Cluster, product_template: str) -> Database:
    """A database for tests that only look at their own people's rows."""
    postgres_cluster.create_database("test_agent_api", template=product_template)
    return Database(postgres_cluster, "test_agent_api")


@pytest_asyncio.fixture(scope="session")
async def api(shared_database: Database) -> AsyncGenerator[Api]:
    """An API with default limits."""
    async with run_api(make_settings(shared_database.dsn())) as running:
        yield running


@pytest_asyncio.fixture
async def auth_server() -> AsyncGenerator[AuthServer]:
    """Authentication on a port, for one test."""
    async with run_auth_server() as running:
        yield running
