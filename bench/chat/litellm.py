"""LiteLLM's proxy, the peer that the goals are stated against; installed when asked for, in an environment aside."""

import secrets
import subprocess
import sys
import venv
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bench.chat.ways import MODEL, Way
from bench.servers import BenchError, run_server
from local_stack.paths import EMBEDDED_HOME
from local_stack.processes import free_ports

ENVIRONMENT = EMBEDDED_HOME / "bench" / "litellm"


def ensure_litellm() -> Path:
    """Install it where it is not there yet; its program. Raises BenchError."""
    program = ENVIRONMENT / "bin" / "litellm"
    if not program.exists():
        print("installing LiteLLM's proxy ...", file=sys.stderr)
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        install = [ENVIRONMENT / "bin" / "python", "-m", "pip", "install", "--quiet", "litellm[proxy]"]
        if subprocess.run(install, check=False).returncode != 0:
            raise BenchError("LiteLLM's proxy could not be installed")
    return program


def litellm_version(program: Path) -> str:
    """The version that is compared."""
    code = "import importlib.metadata as m; print(m.version('litellm'))"
    return subprocess.run(
        [program.parent / "python", "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


@contextmanager
def run_litellm(directory: Path, program: Path, model: Way) -> Generator[Way]:
    """One worker in front of the demo model, without a database."""
    (port,) = free_ports(1)
    key = f"sk-{secrets.token_hex(32)}"
    config = directory / "litellm.yaml"
    config.write_text(
        f"model_list:\n  - model_name: {MODEL}\n    litellm_params:\n      model: openai/{MODEL}\n"
        f"      api_base: http://127.0.0.1:{model.port}/v1\n      api_key: unused\n"
    )
    with run_server(
        "LiteLLM",
        [program, "--config", config, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"],
        health_url=f"http://127.0.0.1:{port}/health/liveliness",
        log=directory / "litellm.log",
        # Otherwise it fetches its price list at start.
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": key},
        cwd=directory,
    ) as pid:
        yield Way("LiteLLM proxy, no database", port, "/v1/chat/completions", pid, key=key)
