"""The chat as a part of the application: opened and closed with it."""

import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

from agent_api.agent.agent import build_agent
from agent_api.agent.model import open_model
from agent_api.agent.retrieval import open_retriever
from agent_api.chat.registry import RunRegistry, running_registry
from agent_api.chat.remote import RemoteFollower
from agent_api.chat.run import RunContext
from agent_api.chat.service import ChatService
from agent_api.chat.titles import TitleMaker
from agent_api.database import Database
from agent_api.seats import Seats
from agent_api.settings import Settings
from agent_api.shutdown import Shutdown
from agent_api.tokens.live import BalanceNotifier


@asynccontextmanager
async def open_chat(
    settings: Settings, database: Database, notifier: BalanceNotifier, shutdown: Shutdown
) -> AsyncGenerator[ChatService]:
    """Everything behind the routes of a turn. At the end, running answers are drained."""
    async with open_model(settings) as model, open_retriever(settings, database) as retriever:
        context = RunContext(uuid4(), settings, database, build_agent(model, settings), retriever, notifier.changed)
        titles = TitleMaker(model, database, settings)
        follower = RemoteFollower(
            database,
            shutdown,
            poll_seconds=settings.run_flush_interval_seconds,
            keep_alive_seconds=settings.stream_keep_alive_seconds,
        )
        async with running_registry(RunRegistry(context, shutdown, titles.answered)) as registry:
            _spare_the_collector()
            # Of this process and of those that run elsewhere.
            seats = Seats(
                per_user_max=settings.answer_streams_per_user_max,
                per_process_max=settings.answer_streams_per_process_max,
                message="Too many open answers.",
            )
            yield ChatService(registry, follower, seats)
        await titles.close()


def _spare_the_collector() -> None:
    """Keep the garbage collector from walking all modules and models again and again while answers stream.

    What is loaded by now lives as long as the process; a run makes thousands of short-lived objects.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
