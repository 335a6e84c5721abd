"""The running turns of this process, and the loops that keep them, and everybody's lost ones, in order."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from agent_api.chat import queries
from agent_api.chat.run import Run, RunContext, Turn
from agent_api.errors import AppError, InvalidRequest, ServerBusy
from agent_api.shutdown import Shutdown

log = structlog.stdlib.get_logger(__name__)

SWEEP_BATCH = 100
PURGE_BATCH = 500
LATE_ARRIVALS_SECONDS = 1
"""After a stop signal, questions still arrive on connections that were accepted before uvicorn closed the listener,
within 0.1 s; nothing tells when the last of them has been read."""
SETTLING_PATIENCE_SECONDS = 10
"""How long a stopping process waits for cancelled runs to be settled; the lease covers the rest."""
REFUSED_DATA = (InvalidRequest, asyncpg.PostgresError, asyncpg.InterfaceError)
"""The database answers, but does not take what it was given."""


class RunRegistry:
    """Starts runs, finds them again, renews their leases and stores their events."""

    def __init__(self, context: RunContext, shutdown: Shutdown, on_answered: Callable[[Run], None]) -> None:
        self.context = context
        self.shutdown = shutdown
        self._on_answered = on_answered
        self._runs: dict[UUID, Run] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._is_busy = asyncio.Event()
        self._unsent_rows: list[str] = []
        self._is_closing = False
        self._admitting = 0
        self._none_admitting = asyncio.Event()
        self._flushing = asyncio.Lock()

    @contextmanager
    def admitting(self) -> Generator[None]:
        """Hold while a turn is charged and started; a process that is asked to stop waits for it.

        Raises ServerBusy when this process can take no more, or has stopped taking any.
        """
        if self._is_closing or len(self._runs) >= self.context.settings.runs_per_process_max:
            raise ServerBusy
        self._admitting += 1
        self._none_admitting.clear()
        try:
            yield
        finally:
            self._admitting -= 1
            if not self._admitting:
                self._none_admitting.set()

    def start(self, turn: Turn) -> Run:
        """Run a turn that begin_request has started."""
        run = Run(self.context, turn)
        self._runs[turn.request_id] = run
        task = run.start()
        self._tasks[turn.request_id] = task
        task.add_done_callback(lambda done: self._ended(run, done))
        self._is_busy.set()
        if self._is_closing:
            # It was being charged when the grace period ended.
            run.cancel("shutdown")
        return run

    def find(self, request_id: UUID) -> Run | None:
        """The run of this process with that id, if it has one."""
        return self._runs.get(request_id)

    def _ended(self, run: Run, task: asyncio.Task[None]) -> None:
        self._tasks.pop(run.request_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The lease runs out and a sweeper settles the turn.
            log.error("turn_lost", turn_id=str(run.request_id), exc_info=error)
        if not run.log.has_unstored:
            self._runs.pop(run.request_id, None)
        self._is_busy.set()
        self._on_answered(run)

    async def flush(self) -> None:
        """Store what the runs have sent since the last time, and learn what became of them elsewhere."""
        async with self._flushing:
            runs = list(self._runs.values())
            # Kept until they are stored: the database may be away.
            self._unsent_rows += [rows for run in runs if (rows := run.log.take_unstored())]
            held = await self._store([run.request_id for run in runs], self._unsent_rows)
            self._unsent_rows.clear()
        for run in runs:
            if run.request_id not in self._tasks:
                if not run.log.has_unstored:
                    self._runs.pop(run.request_id, None)
            elif run.request_id not in held:
                run.cancel("lease_lost")
            elif held[run.request_id]:
                run.cancel("stopped")

    async def _store(self, request_ids: list[UUID], rows: list[str]) -> dict[UUID, bool]:
        try:
            return await self._send(request_ids, rows)
        except REFUSED_DATA as error:
            # One answer must not keep those of all others from being stored.
            log.warning("run_events_refused", exc_info=error)
        for row in rows:
            try:
                await self._send([], [row])
            except REFUSED_DATA as error:
                log.error("run_events_dropped", exc_info=error)
        return await self._send(request_ids, [])

    async def _send(self, request_ids: list[UUID], rows: list[str]) -> dict[UUID, bool]:
        async with self.context.database.statement() as connection:
            return await queries.flush_run_events(
                connection,
                lease_holder=self.context.process_id,
                request_ids=request_ids,
                rows=f"[{','.join(rows)}]",
            )

    async def flush_forever(self) -> None:
        """Flush once per interval while anything runs."""
        while True:
            await self._is_busy.wait()
            await asyncio.sleep(self.context.settings.run_flush_interval_seconds)
            await _carry_on(self.flush, "run_events_not_stored")
            if not self._runs and not self._unsent_rows:
                self._is_busy.clear()

    async def renew(self) -> None:
        """Renew all leases of this process in one statement."""
        if not self._tasks:
            return
        ids = list(self._tasks)
        async with self.context.database.statement() as connection:
            held = await queries.renew_leases(
                connection,
                lease_holder=self.context.process_id,
                request_ids=ids,
                lease_seconds=int(self.context.settings.run_lease_seconds),
            )
        for request_id in ids:
            run = self._runs.get(request_id)
            if request_id not in held and request_id in self._tasks and run is not None:
                run.cancel("lease_lost")

    async def renew_forever(self) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(self.context.settings.run_lease_renew_seconds)
            await _carry_on(self.renew, "leases_not_renewed")

    async def sweep(self) -> None:
        """Settle turns whose process was lost, each in a transaction of its own, and drop old events."""
        database = self.context.database
        async with database.statement() as connection:
            lost = await queries.list_lost_requests(connection, limit=SWEEP_BATCH)
        for user_id, request_id in lost:
            try:
                async with database.statement() as connection:
                    status = await queries.settle_lost_request(connection, user_id=user_id, request_id=request_id)
            except (AppError, asyncpg.PostgresError) as error:
                # The others must not wait for this one.
                log.error("lost_turn_not_settled", turn_id=str(request_id), exc_info=error)
                continue
            if status is not None:
                log.warning("lost_turn_settled", turn_id=str(request_id), status=status)
                self.context.balance_changed(user_id)
        async with database.statement() as connection:
            await queries.purge_run_events(connection, limit=PURGE_BATCH)

    async def sweep_forever(self) -> None:
        """Sweep until cancelled."""
        while True:
            await _carry_on(self.sweep, "sweep_failed")
            await asyncio.sleep(self.context.settings.run_sweep_interval_seconds)

    async def drain_on_shutdown(self) -> None:
        """Once the process is asked to stop: let answers finish for the grace period, then stop the rest."""
        await self.shutdown.begun.wait()
        grace_seconds = self.context.settings.shutdown_grace_seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await asyncio.sleep(min(LATE_ARRIVALS_SECONDS, grace_seconds))
                while self._tasks or self._admitting:
                    if self._tasks:
                        await asyncio.wait(self._tasks.values())
                    else:
                        await self._none_admitting.wait()
        self._is_closing = True
        for run in self._runs.values():
            run.cancel("shutdown")

    async def settle_all(self) -> None:
        """Wait until what was stopped is settled, and what it sent is stored."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=SETTLING_PATIENCE_SECONDS)
        await _carry_on(self.flush, "run_events_not_stored")


async def _carry_on(act: Callable[[], Awaitable[None]], event: str) -> None:
    """Run one round of a loop; a failure is logged and the next round tries again."""
    try:
        await act()
    except (AppError, asyncpg.PostgresError) as error:
        log.warning(event, exc_info=error)
    except Exception as error:  # A loop that dies would lose every later turn; the fault is logged as one.
        log.error(event, exc_info=error)


@asynccontextmanager
async def running_registry(registry: RunRegistry) -> AsyncGenerator[RunRegistry]:
    """Run the loops beside the routes; at the end, drain."""
    loops: list[Coroutine[Any, Any, None]] = [
        registry.flush_forever(),
        registry.renew_forever(),
        registry.sweep_forever(),
    ]
    tasks = [asyncio.create_task(loop) for loop in loops]
    draining = asyncio.create_task(registry.drain_on_shutdown())
    try:
        yield registry
    finally:
        registry.shutdown.begin()
        await draining
        await registry.settle_all()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
