"""The two ways to run: until it is stopped, or once."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from rag_pipeline import queries
from rag_pipeline.database import is_beyond_limits, is_passing_failure
from rag_pipeline.given_up import tried_with, try_given_up
from rag_pipeline.health import heartbeat_file, write_heartbeat
from rag_pipeline.model_turn import AnotherModelAtWork
from rag_pipeline.parts import Parts, open_parts
from rag_pipeline.progress import Board, Tally
from rag_pipeline.settings import Settings
from rag_pipeline.sources.source import AuthenticationError, ConfigurationError, SourceError
from rag_pipeline.worker import every, until_stopped

log = structlog.stdlib.get_logger(__name__)

OK, FAILED, MISCONFIGURED, UNAUTHENTICATED = 0, 1, 2, 3
BOARD_SECONDS = 1.0
KEEP_UP_SECONDS = 60.0
STATISTICS_SECONDS_MAX = 300.0
NAMED_FILES_MAX = 5


@dataclass
class Run:
    """How a run ended."""

    status: int
    tally: Tally
    initialized: bool = False


async def run(settings: Settings, board: Board) -> Run:
    """Open everything, do what RUN_MODE says, and close. Never raises; the log says why it failed."""
    result = Run(OK, board.tally)
    stop = _stop_at_signals()
    try:
        async with open_parts(settings, board) as parts:
            if settings.run_mode == "single":
                # A continuous run has uploads to index, and may see the cause pass.
                await parts.synchroniser.check()
            result.initialized = True
            await (_once if settings.run_mode == "single" else _continuously)(parts, stop)
    except SourceError as error:
        board.tally.errors += 1
        log.error("source_failed", code=error.code, reason=str(error))
        result.status = _status_of(error)
    except AnotherModelAtWork as error:
        board.tally.errors += 1
        log.error("another_embedding_model_at_work", reason=str(error))
        result.status = MISCONFIGURED
    except Exception as error:
        board.tally.errors += 1
        is_absence = is_passing_failure(error) and not is_beyond_limits(error)
        reason = "database_unavailable" if is_absence else "failed"
        log.error(reason, exc_info=error)
        result.status = FAILED
    is_incomplete = board.tally.files_failed or board.tally.errors or stop.is_set()
    if result.status == OK and settings.run_mode == "single" and is_incomplete:
        result.status = FAILED
    return result


def _status_of(error: SourceError) -> int:
    if isinstance(error, AuthenticationError):
        return UNAUTHENTICATED
    return MISCONFIGURED if isinstance(error, ConfigurationError) else FAILED


async def _continuously(parts: Parts, stop: asyncio.Event) -> None:
    settings = parts.settings
    pipeline_id = settings.rag_pipeline_id
    log.info("worker_started", pipeline_id=pipeline_id, pipeline_type=settings.rag_pipeline_type, queues=parts.queues)

    async def beat() -> None:
        write_heartbeat(heartbeat_file(settings.rag_heartbeat_file), pipeline_id=pipeline_id)

    async def look_after_jobs() -> None:
        await parts.worker.look_after_jobs(pipeline_id)

    async def keep_up() -> None:
        if parts.model_turn.is_ours:
            await _try_given_up(parts)
            await parts.spaces.keep_up(pipeline_id, parts.index_version, parts.sight)
            await _refresh_statistics(parts)

    async def index() -> None:
        await parts.model_turn.begin(stop)
        async with parts.model_turn.kept():
            await _all_or_none(
                stop, parts.worker.run(stop), every(KEEP_UP_SECONDS, keep_up, stop, name="embedding_spaces")
            )

    heartbeat_seconds = settings.rag_worker_heartbeat_seconds
    await _all_or_none(
        stop,
        index(),
        parts.synchroniser.run(stop),
        every(heartbeat_seconds, look_after_jobs, stop, name="jobs"),
        every(heartbeat_seconds, beat, stop, name="heartbeat"),
        every(BOARD_SECONDS, _refresh(parts), stop, name="progress"),
    )
    log.info("worker_stopped", pipeline_id=pipeline_id)


async def _once(parts: Parts, stop: asyncio.Event) -> None:
    await parts.model_turn.begin_within_patience()
    async with parts.model_turn.kept():
        look = await parts.synchroniser.once()
        parts.board.tally.files_deleted += look.applied.removed
        parts.board.tally.errors += look.is_partial + len(look.unsettled)
        if look.unsettled:
            named = sorted(look.unsettled)[:NAMED_FILES_MAX]
            log.warning("files_still_being_written", count=len(look.unsettled), files=named)
        await parts.worker.look_after_jobs(parts.settings.rag_pipeline_id)
        await _try_given_up(parts)
        await _work_off(parts, stop)
    await _refresh_statistics(parts)


async def _work_off(parts: Parts, stop: asyncio.Event) -> None:
    refreshing = asyncio.create_task(every(BOARD_SECONDS, _refresh(parts), stop, name="progress"))
    try:
        more = True
        while more and not stop.is_set():
            await parts.worker.drain(stop)
            more = bool(await until_stopped(_keep_up(parts), stop))
    finally:
        refreshing.cancel()
        await asyncio.gather(refreshing, return_exceptions=True)
    await _refresh(parts)()


async def _try_given_up(parts: Parts) -> None:
    tried = tried_with(parts.settings, parts.index_version, parts.sight)
    await try_given_up(parts.database, parts.settings, tried)


async def _keep_up(parts: Parts) -> bool:
    try:
        more = await parts.spaces.keep_up(parts.settings.rag_pipeline_id, parts.index_version, parts.sight)
        parts.board.tally.errors += parts.spaces.is_resting
        return more
    except Exception as error:
        parts.board.tally.errors += 1
        log.warning("embedding_spaces_failed", exc_info=error)
        return False


async def _refresh_statistics(parts: Parts) -> None:
    try:
        async with parts.database.transaction(more_seconds=STATISTICS_SECONDS_MAX) as connection:
            if await queries.refresh_statistics(connection):
                log.info("search_statistics_refreshed")
    except Exception as error:
        log.warning("search_statistics_failed", exc_info=error)


def _refresh(parts: Parts) -> Any:
    async def refresh() -> None:
        if parts.board.is_shown:
            async with parts.database.transaction() as connection:
                parts.board.tally.waiting = await queries.count_waiting_jobs(connection, parts.queues)
            parts.board.refresh()

    return refresh


async def _all_or_none(stop: asyncio.Event, *parts: Coroutine[Any, Any, None]) -> None:
    """Run all of them; when one ends or fails, the others are asked to stop. Raises the first failure."""
    tasks = [asyncio.create_task(part) for part in parts]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await asyncio.wait(tasks)
    for task in tasks:
        task.result()


def _stop_at_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second one ends the process as it is."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask_to_stop(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        log.info("stopping", signal=signal.Signals(number).name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, ask_to_stop, number)
    return stop
