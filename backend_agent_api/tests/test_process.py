"""The service as a process of its own: what it logs and how it ends."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import httpx
from agent_api_support.auth_server import SECRET, SERVICE_KEY, AuthServer

from local_stack.postgres.testing import Database

SERVICE = Path(__file__).resolve().parents[1]


async def read_line_with(stream: asyncio.StreamReader, text: str) -> list[str]:
    lines: list[str] = []
    async with asyncio.timeout(180):
        while line := await stream.readline():
            lines.append(line.decode())
            if text in lines[-1]:
                return lines
    raise AssertionError(f"{text!r} not among {lines}")


async def test_logs_hold_no_secret_and_a_stop_signal_ends_streams_and_process(
    database: Database, unused_port: int
) -> None:
    user_id = await database.add_user(tokens=2)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LLM_")} | {
        "DATABASE_URL": database.dsn(),
        "SUPABASE_URL": "http://127.0.0.1:9",
        "SUPABASE_SERVICE_KEY": SERVICE_KEY,
        "SUPABASE_JWT_SECRET": SECRET,
        "LLM_API_KEY": "sk-of-the-model",
        "LLM_BASE_URL": "http://127.0.0.1:9",
        "LOG_LEVEL": "INFO",
        "AGENT_API_ENV_FILE": "",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "agent_api:app", "--port", str(unused_port)),
        cwd=SERVICE,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        started = await read_line_with(process.stdout, "Uvicorn running on")
        token = AuthServer().sign_with_secret(user_id)
        headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "request-of-this-test"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{unused_port}", timeout=60) as client:
            await client.get("/api/transactions?cursor=what-was-asked", headers=headers)
            await client.get("/api/conversations/what-was-asked", headers=headers)
            # A stream without an end of its own must not hold the process.
            async with client.stream("GET", "/api/balance/stream", headers=headers) as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == 'data: {"tokens": 2}'
                process.send_signal(signal.SIGTERM)
                async for _ in lines:
                    pass
        async with asyncio.timeout(60):
            rest, errors = await process.communicate()
        assert process.returncode in (0, -signal.SIGTERM)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    output = "".join(started) + rest.decode()
    records = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    requests = {record["route"]: record for record in records if record["event"] == "request"}
    line = requests["/api/transactions"]
    assert line["status"] == 422
    assert line["method"] == "GET"
    assert line["request_id"] == "request-of-this-test"
    assert line["user_id"] == str(user_id)
    assert line["duration_ms"] > 0
    assert requests["/api/conversations/{session_id}"]["status"] == 404
    assert requests["/api/balance/stream"]["status"] == 200
    assert "stopped" in [record["event"] for record in records]
    password = database.cluster.credentials.passwords["postgres"]
    for secret in (token, SECRET, SERVICE_KEY, "sk-of-the-model", password, "what-was-asked"):
        assert secret not in output + errors.decode()
