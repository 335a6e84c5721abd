"""The product's ingestion worker, as a process that reads a folder once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.machine import tree_bytes
from bench.servers import BenchError, clean_environment
from local_stack.paths import REPOSITORY

SERVICE = REPOSITORY / "backend_rag_pipeline"
LONG_AGO_SECONDS = 3600
SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class Ingested:
    """How a run ended. CPU and memory are of the worker with the processes that it waited for."""

    files: int
    seconds: float
    """From the first look to the last chunk, as the worker reports it."""
    total_seconds: float
    """Start and end of the process included."""
    cpu_seconds: float
    peak_bytes: int
    """Of all its processes together, shared pages counted once; 0 where the system does not tell (not Linux)."""


def write_file(folder: Path, name: str, content: bytes) -> None:
    """A file that nobody is writing any more."""
    path = folder / name
    path.write_bytes(content)
    moment = time.time() - LONG_AGO_SECONDS
    os.utime(path, (moment, moment))


def ingest(
    folder: Path, environment: Mapping[str, str], *, log: Path, seconds_max: float, files: int | None = None
) -> Ingested:
    """Run the worker in single mode over a folder. Raises BenchError unless every file was indexed."""
    command = [sys.executable, "docker_entrypoint.py", "--pipeline", "local", "--mode", "single"]
    settings = {
        "RAG_WATCH_DIRECTORY": str(folder),
        "RAG_PIPELINE_ENV_FILE": "",
        "RAG_HEARTBEAT_FILE": str(log.with_suffix(".heartbeat")),
        "LOG_LEVEL": "WARNING",
        **environment,
    }
    peak_bytes = 0
    began = time.monotonic()
    with log.open("wb") as errors, log.with_suffix(".out").open("wb+") as output:
        worker = subprocess.Popen(
            command, cwd=SERVICE, env=clean_environment() | settings, stdout=output, stderr=errors
        )
        try:
            while not (ended := os.wait4(worker.pid, os.WNOHANG))[0]:
                if time.monotonic() - began > seconds_max:
                    raise BenchError(f"the worker is not done after {seconds_max:.0f} s")
                peak_bytes = max(peak_bytes, tree_bytes(worker.pid))
                time.sleep(SAMPLE_SECONDS)
        except BaseException:
            worker.kill()
            worker.wait()
            raise
        total_seconds = time.monotonic() - began
        _, code, usage = ended
        worker.returncode = os.waitstatus_to_exitcode(code)
        output.seek(0)
        lines = output.read().splitlines()
    report: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    if worker.returncode != 0 or report.get("errors") != 0:
        tail = log.read_text(errors="replace")[-3000:]
        raise BenchError(f"the worker ended with {worker.returncode}: {report}\n{tail}")
    if files is not None and report["files_processed"] != files:
        raise BenchError(f"the worker processed {report['files_processed']} of {files} files")
    return Ingested(
        files=report["files_processed"],
        seconds=report["duration"],
        total_seconds=total_seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=peak_bytes,
    )
