"""A sandbox on a free port, a webhook receiver beside it, and the real client library."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import stripe

from local_stack.stripe_sandbox.tests.receiver import Receiver
from local_stack.stripe_sandbox.tests.running import RunningSandbox, connected

# stripe 16.1 hands httpx its form in a way that httpx announces to drop.
_STRIPE_AND_HTTPX = "ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning:httpx"


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.path.parent == Path(__file__).parent:
        item.add_marker(pytest.mark.filterwarnings(_STRIPE_AND_HTTPX))


@pytest.fixture(scope="session")
async def receiver() -> AsyncGenerator[Receiver]:
    """The webhook endpoint of a shop."""
    async with Receiver() as running:
        yield running


@pytest.fixture(scope="session")
async def server(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[RunningSandbox]:
    """One sandbox for all tests; `sandbox` empties it."""
    state: Path = tmp_path_factory.mktemp("stripe") / "state.sqlite"
    async with RunningSandbox(state, webhook_url=receiver.url) as running:
        yield running


@pytest.fixture
async def sandbox(server: RunningSandbox, receiver: Receiver) -> AsyncGenerator[RunningSandbox]:
    """The sandbox with nothing in it, and a receiver that has seen nothing."""
    await server.control("POST", "/sandbox/reset")
    await server.settle()
    receiver.clear()
    yield server


@pytest.fixture
async def client(sandbox: RunningSandbox) -> AsyncGenerator[stripe.StripeClient]:
    async with connected(sandbox) as connection:
        yield connection
