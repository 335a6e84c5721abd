"""What may not stand in a log does not."""

import asyncio
import gc
import json

import pytest

from agent_api.logs import configure_logs, log_loop_failure

SECRET_TEXT = "the-text-of-an-exception"


async def test_a_failure_nobody_awaited_is_logged_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    async def fail(_argument: str) -> None:
        raise ValueError(SECRET_TEXT)

    configure_logs("ERROR")
    # What tests before this one left to be collected is told to the handler of before.
    gc.collect()
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(log_loop_failure)
    try:
        await asyncio.wait({asyncio.create_task(fail(SECRET_TEXT))})
        gc.collect()
    finally:
        loop.set_exception_handler(before)
    written = capsys.readouterr()
    assert SECRET_TEXT not in written.out + written.err
    # Services of other tests run in this loop too.
    records = [json.loads(line) for line in written.out.splitlines() if line.startswith("{")]
    (record,) = [record for record in records if record.get("coroutine") == fail.__qualname__]
    assert record["event"] == "failure_nobody_awaited"
    assert record["exception"][0]["type"] == "builtins.ValueError"
    assert " fail" in record["exception"][0]["at"][-1]
