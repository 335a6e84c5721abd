"""Titles of new conversations, made by the model in the background. Not a turn: nobody is charged."""

import asyncio

import structlog
from pydantic_ai import Agent
from pydantic_ai.models import Model

from agent_api.agent.prompts import TITLE_INSTRUCTIONS
from agent_api.chat import queries
from agent_api.chat.run import Run
from agent_api.database import Database
from agent_api.errors import AppError
from agent_api.settings import Settings
from agent_api.text import clean_text

log = structlog.stdlib.get_logger(__name__)

TITLE_MAX_CHARACTERS = 80
QUESTION_MAX_CHARACTERS = 2_000
WAITING_MAX = 1_000
"""Titles waiting for the model; beyond it the question itself becomes the title at once."""


def tidy_title(text: str) -> str:
    """One line without quotes, cut at a word."""
    line = " ".join(clean_text(text).split()).strip("\"'“”„«»*#` ").rstrip(".")
    if len(line) <= TITLE_MAX_CHARACTERS:
        return line
    head = line[: TITLE_MAX_CHARACTERS - 1]
    return (head.rsplit(" ", 1)[0] if " " in head[20:] else head).rstrip(" ,;:-") + "…"


class TitleMaker:
    """Names conversations after their first answer; a few at a time."""

    def __init__(self, model: Model, database: Database, settings: Settings) -> None:
        self._agent = Agent(model, instructions=TITLE_INSTRUCTIONS)
        self._database = database
        self._timeout_seconds = settings.title_timeout_seconds
        self._at_once = asyncio.Semaphore(settings.titles_at_once_max)
        self._tasks: set[asyncio.Task[None]] = set()

    def answered(self, run: Run) -> None:
        """Call when a turn has ended; returns at once."""
        if not run.turn.begun.is_new_conversation:
            return
        task = asyncio.create_task(self._title(run.turn.begun.session_id, run.question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _title(self, session_id: str, question: str) -> None:
        try:
            title = await self._ask(question) if len(self._tasks) <= WAITING_MAX else ""
        except asyncio.CancelledError:
            title = ""  # The process stops; see close().
        try:
            async with self._database.statement() as connection:
                await queries.set_first_title(connection, session_id=session_id, title=title or tidy_title(question))
        except AppError as error:
            log.warning("title_not_stored", exc_info=error)

    async def _ask(self, question: str) -> str:
        try:
            async with self._at_once, asyncio.timeout(self._timeout_seconds):
                result = await self._agent.run(question[:QUESTION_MAX_CHARACTERS])
                return tidy_title(result.output)
        except Exception as error:  # Whatever it is, the question serves as a title.
            log.warning("title_not_made", exc_info=error)
            return ""

    async def close(self) -> None:
        """Stop what still runs; those conversations are named by their question."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
