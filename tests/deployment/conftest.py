"""The proxy with two real API processes and the built site behind it."""

import os
import shutil
import subprocess
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from agent_api_support.api import CLOSED_PORT_URL
from agent_api_support.billing import SECRET_KEY, WEBHOOK_SECRET
from agent_api_support.chat import Books
from agent_api_support.model_server import run_model_server

from local_stack.paths import REPOSITORY
from local_stack.postgres.cluster import Cluster
from local_stack.postgres.testing import Database
from tests.deployment.deploying import Operator
from tests.deployment.proxy import Proxy, run_proxy
from tests.deployment.public_names import PublicNames, run_public_names
from tests.end_to_end.fleet import Fleet

FRONTEND = REPOSITORY / "frontend"


@pytest_asyncio.fixture(scope="session")
async def deployed_fleet(
    postgres_cluster: Cluster, product_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Fleet]:
    """A database and a model for the processes behind the proxy."""
    postgres_cluster.create_database("test_deployment", template=product_template)
    async with run_model_server() as model:
        books = Books(Database(postgres_cluster, "test_deployment"))
        yield Fleet(books, model, tmp_path_factory.mktemp("deployment"))


@pytest.fixture(scope="session")
def built_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`vite build` as the image does it: without any setting."""
    target = tmp_path_factory.mktemp("site")
    node = shutil.which("node")
    assert node is not None, "Node is missing"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VITE_")}
    vite = FRONTEND / "node_modules" / "vite" / "bin" / "vite.js"
    built = subprocess.run(
        [node, vite, "build", "--outDir", target, "--emptyOutDir", "--logLevel", "warn"],
        cwd=FRONTEND,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return target


@pytest_asyncio.fixture(scope="session")
async def proxy(
    deployed_fleet: Fleet, built_site: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Proxy]:
    """Caddy in front of two replicas, for tests that leave both running.

    They sell: one that does not would refuse an event before it has read it, however large.
    """
    selling: dict[str, Any] = {
        "stripe_secret_key": SECRET_KEY,
        "stripe_webhook_secret": WEBHOOK_SECRET,
        "stripe_api_base": CLOSED_PORT_URL,
    }
    async with run_proxy(deployed_fleet, built_site, tmp_path_factory.mktemp("proxy"), **selling) as running:
        yield running


@pytest.fixture
def public_names(tmp_path: Path) -> Generator[PublicNames]:
    """The public names of a site that works."""
    with run_public_names(tmp_path) as names:
        yield names


@pytest.fixture
def operator(tmp_path: Path, public_names: PublicNames) -> Operator:
    """Somebody with a machine on which everything is well."""
    return Operator(tmp_path, environment=public_names.environment)
