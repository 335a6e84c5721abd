"""Structured logs: one JSON object a line on standard error; readable lines where that is a terminal.

What may stand in them: names of events, ids, numbers, names of types and places in the code. Never a secret or a
document's text. Texts of exceptions carry such things (a refused row, an answer that did not parse), so an exception is
logged as its type and where it was raised.
"""

import asyncio
import logging
import sys
import traceback
from types import TracebackType
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

FRAMES_MAX = 30
CAUSES_MAX = 5
# procrastinate tells the arguments of each job at level INFO; what matters of it, the worker logs itself.
CHATTY_LOGGERS = ("httpx", "httpcore", "openai", "asyncio", "stamina", "procrastinate", "psycopg", "watchdog", "google")

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def describe_exception(error: BaseException) -> list[dict[str, Any]]:
    """An exception and its causes as types, SQLSTATEs and places, without their texts."""
    described: list[dict[str, Any]] = []
    current: BaseException | None = error
    while current is not None and len(described) < CAUSES_MAX:
        frames = traceback.extract_tb(current.__traceback__)[-FRAMES_MAX:]
        entry: dict[str, Any] = {
            "type": f"{type(current).__module__}.{type(current).__qualname__}",
            "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        }
        for attribute in ("sqlstate", "errno", "code"):
            if isinstance(value := getattr(current, attribute, None), str | int):
                entry[attribute] = value
        described.append(entry)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return described


def _exception_without_text(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    info: object = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = cast("ExceptionInfo", info)[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = describe_exception(error)
    return event


def log_loop_failure(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's last handler: what nobody awaited, as its type and place."""
    task: asyncio.Task[Any] | None = context.get("task") or context.get("future")
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    structlog.stdlib.get_logger(__name__).error(
        "failure_nobody_awaited", coroutine=getattr(coroutine, "__qualname__", None), exc_info=context.get("exception")
    )


def configure_logs(level: str, stream: TextIO | None = None) -> None:
    """Send everything, the libraries' records too, through one formatter to `stream` (standard error)."""
    output = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _exception_without_text,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=False) if output.isatty() else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Each attempt of each connection, with its address; whoever then got none says so.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
