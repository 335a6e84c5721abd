"""Money end to end: processes of the API as they are deployed, Postgres, and a Stripe that behaves as documented."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from agent_api_support.billing import WEBHOOK_SECRET, run_sandbox
from agent_api_support.chat import Books
from agent_api_support.model_server import run_model_server

from local_stack.postgres.testing import Database
from local_stack.stripe_sandbox.tests.running import RunningSandbox
from tests.end_to_end.fleet import Fleet
from tests.end_to_end_money.market import Market


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncGenerator[RunningSandbox]:
    """A Stripe of this test's own; it delivers once it is told where."""
    async with run_sandbox(tmp_path) as running:
        yield running


@pytest.fixture
async def market(database: Database, sandbox: RunningSandbox, tmp_path: Path) -> AsyncGenerator[Market]:
    """A database, a Stripe, and processes that the test starts."""
    async with run_model_server() as model:
        yield Market(Fleet(Books(database), model, tmp_path), database, sandbox, WEBHOOK_SECRET)
