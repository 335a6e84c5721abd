"""The queue of documents: procrastinate on schema queue of the same database."""

import asyncio
import math
from collections.abc import Awaitable, Callable

import psycopg
from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision
from procrastinate.jobs import Job

from rag_pipeline.database import RECONNECT_SECONDS_MAX, connection_options, is_beyond_limits, is_passing_failure
from rag_pipeline.settings import Settings

TASK_NAME = "rag_pipeline.index_document"
"""Named so in sql/26-queue.sql too."""
SPARE_CONNECTIONS = 3
POOL_WAIT_SECONDS = 30.0
"""A restart of the database lasts less; statements of the queue then wait instead of failing."""
RETRY_WAIT_SECONDS_MAX = 60

IndexJob = Callable[[str, int], Awaitable[None]]
"""Takes a document's id, and how many workers died over it."""


class GiveBack(BaseRetryStrategy):
    """A job that was cut short goes back: by our own stop at once, by a database that is away a little later.

    Later still where even the failure was too much for it: the document was embedded, and will be again.
    """

    def __init__(self, *, overload_wait_seconds: float) -> None:
        self._overload_wait_seconds = math.ceil(overload_wait_seconds)

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision()
        if is_beyond_limits(exception):
            return RetryDecision(retry_in={"seconds": self._overload_wait_seconds})
        if is_passing_failure(exception):
            return RetryDecision(retry_in={"seconds": min(2**job.attempts, RETRY_WAIT_SECONDS_MAX)})
        return None


async def _use_queue_schema(connection: psycopg.AsyncConnection[object]) -> None:
    # Not as a start-up option: poolers drop those.
    await connection.set_autocommit(True)
    await connection.execute("set search_path = queue")


def make_queue(settings: Settings, index: IndexJob) -> App:
    """An application that knows the one task; its connections open with it."""
    connector = PsycopgConnector(
        conninfo=settings.queue_url,
        kwargs=connection_options(settings, "rag_pipeline_queue"),
        configure=_use_queue_schema,
        min_size=1,
        max_size=SPARE_CONNECTIONS + min(settings.rag_worker_concurrency, 10),
        timeout=POOL_WAIT_SECONDS,
        reconnect_timeout=RECONNECT_SECONDS_MAX,
        name="rag_pipeline_queue",
    )
    app = App(connector=connector)

    # `crashes` is counted by requeue_lost_jobs; the job's own attempts count stops and outages as well.
    async def index_document(document_id: str, crashes: int = 0) -> None:
        await index(document_id, crashes)

    app.task(name=TASK_NAME, retry=GiveBack(overload_wait_seconds=settings.rag_retry_wait_max_seconds))(index_document)
    return app
