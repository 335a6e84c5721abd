"""Whether the worker is alive: a file that it writes again and again.

`python -m rag_pipeline.health` ends with 0 while the file is fresh, else with 1: a container's health check.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from rag_pipeline.settings import Settings

FILE_NAME = "rag-pipeline.heartbeat"


class _HeartbeatSettings(BaseSettings):
    """The two settings that the check needs; it must not fail for another one."""

    model_config = Settings.model_config

    rag_heartbeat_file: Path | None = None
    rag_worker_stalled_seconds: float = 30


def heartbeat_file(configured: Path | None) -> Path:
    """Where the heartbeat is written."""
    return configured or Path(tempfile.gettempdir()) / FILE_NAME


def write_heartbeat(path: Path, **facts: object) -> None:
    """Say that the worker is alive now."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps({"at": time.time(), "pid": os.getpid(), **facts}))
    partial.replace(path)


def age_seconds(path: Path) -> float | None:
    """How old the last heartbeat is; None where there is none."""
    try:
        return time.time() - float(json.loads(path.read_text())["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def main() -> int:
    try:
        settings = _HeartbeatSettings()
    except ValidationError:
        print("RAG_HEARTBEAT_FILE or RAG_WORKER_STALLED_SECONDS is wrong", file=sys.stderr)
        return 1
    age = age_seconds(heartbeat_file(settings.rag_heartbeat_file))
    if age is None or age > settings.rag_worker_stalled_seconds:
        print("no heartbeat" if age is None else f"the last heartbeat is {age:.0f} s old", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
