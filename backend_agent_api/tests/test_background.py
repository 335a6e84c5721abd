"""A job of the process does not end with its first surprise."""

import asyncio

import pytest

from agent_api.background import keep_running, running_jobs


async def test_a_job_that_fails_begins_anew() -> None:
    attempts = 0
    steady = asyncio.Event()

    async def job() -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise KeyError("a surprise")
        steady.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(keep_running("fragile", job, restart_seconds=0))
    async with asyncio.timeout(60):
        await steady.wait()
    assert attempts == 3
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_jobs_end_with_their_block() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with running_jobs(steady=job):
        await begun.wait()
    assert ended.is_set()
