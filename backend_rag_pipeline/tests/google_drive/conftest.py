"""Google Drive on a port, and the source as the worker makes it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import pytest

from local_stack.google_drive.tests.running import RunningDrive
from rag_pipeline.sources.google_drive.client import ClientOptions
from rag_pipeline.sources.google_drive.source import GoogleDriveOptions, GoogleDriveSource

MakeSource: TypeAlias = Callable[..., GoogleDriveSource]


@pytest.fixture(scope="session")
async def server() -> AsyncGenerator[RunningDrive]:
    async with RunningDrive() as running:
        yield running


@pytest.fixture
async def drive(server: RunningDrive) -> RunningDrive:
    """A Drive with nothing but the watched folder."""
    await server.begin()
    return server


@pytest.fixture
async def make_source(drive: RunningDrive) -> AsyncGenerator[MakeSource]:
    """Sources that wait milliseconds where they would wait seconds; ended with the test."""
    async with AsyncExitStack() as stack:

        def make(*, client: dict[str, Any] | None = None, **fields: Any) -> GoogleDriveSource:
            limits: dict[str, Any] = {"timeout_seconds": 60, "deadline_seconds": 120, "wait_initial_seconds": 0.01}
            limits["api_endpoint"] = drive.url
            options = ClientOptions(**(limits | (client or {})))
            values: dict[str, Any] = {
                "folder_id": "watched",
                "credentials_json": drive.service_account_json(),
                **fields,
            }
            source = GoogleDriveSource(GoogleDriveOptions(client=options, **(values | fields)))
            stack.push_async_callback(source.close)
            return source

        yield make


@pytest.fixture
def source(make_source: MakeSource) -> GoogleDriveSource:
    """Reads the watched folder as a service account."""
    return make_source()
