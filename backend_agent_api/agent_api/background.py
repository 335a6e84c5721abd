"""Jobs that run for as long as the process does."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

log = structlog.stdlib.get_logger(__name__)

RESTART_SECONDS = 1.0

Job = Callable[[], Awaitable[None]]


async def keep_running(name: str, job: Job, *, restart_seconds: float = RESTART_SECONDS) -> None:
    """Run a job that has no end until cancelled. What it did not expect is logged, and the job begins anew."""
    while True:
        try:
            await job()
        except Exception as error:
            # Nobody awaits such a task: its failure would end it without a word.
            log.error("background_job_failed", job=name, exc_info=error)
        await asyncio.sleep(restart_seconds)


@asynccontextmanager
async def running_jobs(**jobs: Job) -> AsyncGenerator[None]:
    """Keep jobs running while the block does."""
    tasks = [asyncio.create_task(keep_running(name, job), name=name) for name, job in jobs.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
