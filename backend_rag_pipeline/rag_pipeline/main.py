"""The command line. Exit status: 0 all is well, 1 it failed or a file did, 2 configuration, 3 authentication."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings

from rag_pipeline.chunking.chunker import chunk_settings
from rag_pipeline.chunking.measure import TokenizerFileError, check_tokenizer
from rag_pipeline.concealing import conceal_process
from rag_pipeline.logs import configure_logs, log_loop_failure
from rag_pipeline.progress import Tally, open_board
from rag_pipeline.running import MISCONFIGURED, Run, run
from rag_pipeline.settings import Settings, SettingsError, load_settings, read_config_file


class _RunSettings(BaseSettings):
    """The settings that a report names; it is printed also where another one is wrong."""

    model_config = Settings.model_config

    run_mode: str = "continuous"
    rag_pipeline_type: str = "local"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the worker; in single mode one JSON line on standard output reports what was done."""
    began_at = time.monotonic()
    conceal_process()
    arguments = _parse(argv)
    overrides, config = _overrides(arguments), dict[str, str]()
    try:
        config = read_config_file(arguments.config) if arguments.config is not None else {}
        settings = load_settings(config, **overrides)
        check_tokenizer(chunk_settings(settings))
    except (SettingsError, TokenizerFileError) as error:
        print(error, file=sys.stderr)
        _print_report(_run_settings(config | overrides), Run(MISCONFIGURED, Tally(errors=1)), began_at)
        return MISCONFIGURED
    with open_board() as board:
        # Now, so that lines of the log pass above the bar.
        configure_logs(settings.log_level)
        result = asyncio.run(_run(settings, board))
    _print_report(settings, result, began_at)
    return result.status


def _print_report(settings: Settings | _RunSettings, result: Run, began_at: float) -> None:
    if settings.run_mode == "single":
        print(json.dumps(report(settings, result, total_seconds=time.monotonic() - began_at)), flush=True)


def report(settings: Settings | _RunSettings, result: Run, *, total_seconds: float) -> dict[str, Any]:
    """What a single run prints."""
    tally = result.tally
    return {
        "files_processed": tally.files_processed,
        "files_deleted": tally.files_deleted,
        "files_failed": tally.files_failed,
        "errors": tally.errors + tally.files_failed,
        "duration": round(tally.seconds, 3),
        "initialized": result.initialized,
        "pipeline_type": settings.rag_pipeline_type,
        "run_mode": settings.run_mode,
        "total_duration": round(total_seconds, 3),
    }


async def _run(settings: Settings, board: Any) -> Run:
    asyncio.get_running_loop().set_exception_handler(log_loop_failure)
    return await run(settings, board)


def _run_settings(given: Mapping[str, Any]) -> _RunSettings:
    return _RunSettings(**{name: value for name, value in given.items() if name in _RunSettings.model_fields})


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="docker_entrypoint.py", description="Keeps documents of a folder or a Google Drive searchable."
    )
    parser.add_argument("--pipeline", choices=["local", "google_drive"], help="RAG_PIPELINE_TYPE")
    parser.add_argument("--mode", choices=["continuous", "single"], help="RUN_MODE; single: once, for a schedule")
    parser.add_argument("--directory", help="RAG_WATCH_DIRECTORY: the folder to read")
    parser.add_argument("--interval", type=float, help="RAG_INTERVAL_SECONDS between two looks at the source")
    parser.add_argument("--config", type=Path, help="a file of settings: NAME=value lines, or JSON; wins over both")
    return parser.parse_args(argv)


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {
        "rag_pipeline_type": arguments.pipeline,
        "run_mode": arguments.mode,
        "rag_watch_directory": arguments.directory,
        "rag_interval_seconds": arguments.interval,
    }
    return {name: value for name, value in given.items() if value is not None}
