"""Fixtures of the agent API: one database and one running API for the session, people made per test."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from agent_api_support.api import PATIENCE_SECONDS, Api, make_settings, run_api
from agent_api_support.auth_server import AuthServer, run_auth_server
from agent_api_support.billing import Shop, run_sandbox, run_shop
from agent_api_support.chat_world import ChatWorld, run_chat_world

from agent_api import health
from local_stack.postgres.cluster import Cluster
from local_stack.postgres.testing import Database
from local_stack.processes import free_ports
from local_stack.stripe_sandbox.tests.running import RunningSandbox


@pytest.fixture(scope="module", autouse=True)
def patient_readiness() -> Generator[None]:
    """A database is there also when a busy machine takes seconds to ask it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(health, "DATABASE_CHECK_TIMEOUT_SECONDS", PATIENCE_SECONDS)
        yield


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


@pytest_asyncio.fixture(scope="session")
async def shared_auth_server() -> AsyncGenerator[AuthServer]:
    """One port for authentication."""
    async with run_auth_server() as running:
        yield running


@pytest.fixture
def auth_server(shared_auth_server: AuthServer) -> AuthServer:
    """Authentication as if it had just started."""
    shared_auth_server.reset()
    return shared_auth_server


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on."""
    return free_ports(1)[0]


@pytest_asyncio.fixture(scope="module")
async def world(
    postgres_cluster: Cluster, product_template: str, request: pytest.FixtureRequest
) -> AsyncGenerator[ChatWorld]:
    """An API, a model to direct and a database, for one module; time limits are short there."""
    name = f"test_{request.path.stem}"
    limits: dict[str, Any] = getattr(request.node.obj, "SETTINGS", {})  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - pytest leaves these untyped
    async with run_chat_world(postgres_cluster, product_template, name, **limits) as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def stripe_sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[RunningSandbox]:
    """A stand-in for Stripe that delivers nothing by itself."""
    async with run_sandbox(tmp_path_factory.mktemp("stripe")) as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def shop(shared_database: Database, stripe_sandbox: RunningSandbox) -> AsyncGenerator[Shop]:
    """An API that sells tokens, with default limits."""
    async with run_shop(shared_database, stripe_sandbox) as running:
        yield running


@pytest.fixture
async def mine(database: Database, tmp_path: Path) -> AsyncGenerator[Shop]:
    """A shop whose database and Stripe are this test's alone."""
    async with run_sandbox(tmp_path) as sandbox, run_shop(database, sandbox) as shop:
        yield shop
