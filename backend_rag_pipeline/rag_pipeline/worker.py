"""Works off the queue, several documents at a time, and looks after jobs whose worker was lost.

A worker that loses the database ends its run and begins a new one when the database is back; jobs that it could not
finish are given back by whichever worker looks next.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog
from procrastinate import App
from procrastinate.jobs import DeleteJobCondition
from procrastinate.worker import Worker

from rag_pipeline import queries
from rag_pipeline.database import Database
from rag_pipeline.settings import Settings

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")
RESTART_WAIT_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
FORGOTTEN_LIMIT = 1000


class QueueWorker:
    """One process's share of the work."""

    def __init__(self, app: App, database: Database, *, queues: list[str], settings: Settings) -> None:
        self._app = app
        self._database = database
        self._queues = queues
        self._settings = settings
        self._worker: Worker | None = None
        self._suspicious: set[int] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish or give back what is under way."""
        failures = 0
        while not stop.is_set():
            began = asyncio.get_running_loop().time()
            try:
                await self._run_once(stop, wait=True)
            except Exception as error:
                log.warning("queue_worker_failed", exc_info=error)
            if stop.is_set():
                return
            failures = 0 if asyncio.get_running_loop().time() - began > 60 else failures + 1
            wait = RESTART_WAIT_SECONDS[min(failures, len(RESTART_WAIT_SECONDS)) - 1]
            log.warning("queue_worker_restarts", wait_seconds=wait)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait)

    async def drain(self, stop: asyncio.Event) -> None:
        """Work until no job is ready. Raises what keeps the queue from being read."""
        await self._run_once(stop, wait=False)

    async def _run_once(self, stop: asyncio.Event, *, wait: bool) -> None:
        settings = self._settings
        async with self._app.open_async():
            worker = Worker(
                self._app,
                queues=self._queues,
                name="rag_pipeline",
                concurrency=settings.rag_worker_concurrency,
                wait=wait,
                fetch_job_polling_interval=settings.rag_worker_poll_seconds,
                # A drained queue ends the worker too: then the last documents take as long as they take.
                shutdown_graceful_timeout=settings.rag_worker_stop_seconds if wait else None,
                # Documents carry their own history; a finished job is of no use.
                delete_jobs=DeleteJobCondition.ALWAYS,
                install_signal_handlers=False,
                update_heartbeat_interval=settings.rag_worker_heartbeat_seconds,
                stalled_worker_timeout=settings.rag_worker_stalled_seconds,
            )
            self._worker = worker
            stopper = asyncio.create_task(_stop_with(worker, stop))
            try:
                await worker.run()
            finally:
                self._worker = None
                stopper.cancel()

    async def look_after_jobs(self, pipeline_id: str) -> None:
        """Give back what was lost, here or in a worker that died, and queue what has no job."""
        worker = self._worker
        worker_id = worker.worker_id if worker is not None else None
        lost = set[int]()
        async with self._database.transaction() as connection:
            if worker is not None and worker_id is not None:
                ours = await queries.list_jobs_of_worker(connection, worker_id)
                suspicious = ours - _running_job_ids(worker)
                # Twice in a row: one that was just fetched, or is just being finished, is not lost.
                lost, self._suspicious = suspicious & self._suspicious, suspicious
            given_back = await queries.requeue_lost_jobs(
                connection,
                stalled_seconds=self._settings.rag_worker_stalled_seconds,
                worker_id=worker_id,
                lost_job_ids=sorted(lost),
            )
            forgotten = await queries.enqueue_forgotten(connection, pipeline_id, limit=FORGOTTEN_LIMIT)
        if given_back or forgotten:
            log.warning("jobs_given_back", stalled=given_back, forgotten=forgotten)


async def _stop_with(worker: Worker, stop: asyncio.Event) -> None:
    await stop.wait()
    worker.stop()


def _running_job_ids(worker: Worker) -> set[int]:
    running = worker._running_jobs  # pyright: ignore[reportPrivateUsage] - the only place that knows; version pinned
    return {context.job.id for context in running.values() if context.job.id is not None}


async def until_stopped(work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """The result of some work that may be left undone: None, and the work cancelled, where `stop` comes first."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, stopped):
            each.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)


async def every(
    seconds: float, act: Callable[[], Coroutine[Any, Any, object]], stop: asyncio.Event, *, name: str
) -> None:
    """Do something again and again until `stop`; a failure is logged and the next turn comes."""
    while not stop.is_set():
        try:
            await until_stopped(act(), stop)
        except Exception as error:
            log.warning("periodic_work_failed", work=name, exc_info=error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
