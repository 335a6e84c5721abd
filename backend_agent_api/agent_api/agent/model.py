"""The model behind the agent: one OpenAI-compatible client for every provider."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers import Provider
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openrouter import OpenRouterProvider

from agent_api.agent.joining import JoiningTransport
from agent_api.agent.pacing import PacedTransport
from agent_api.settings import Settings

KEY_NOT_NEEDED = "not-needed"
"""Local servers take any key, but the SDK insists on one."""
KEEP_ALIVE_MAX = 100
"""Idle connections that are kept. Each is looked at whenever one is taken, so more of them cost more."""
KEEP_ALIVE_SECONDS = 3
"""Shorter than any server's (uvicorn: 5): a question sent over a connection that is being closed is lost."""


def _http_client(settings: Settings) -> httpx2.AsyncClient:
    transport: httpx2.AsyncBaseTransport = PacedTransport(
        connections_max=settings.runs_per_process_max,
        keep_alive_max=KEEP_ALIVE_MAX,
        keep_alive_seconds=KEEP_ALIVE_SECONDS,
    )
    if settings.model_join_window_seconds > 0:
        transport = JoiningTransport(transport, window_seconds=settings.model_join_window_seconds)
    # The turn watches idleness itself and names it; this is the floor under it.
    timeout = httpx2.Timeout(settings.model_idle_timeout_seconds + 5, connect=settings.model_connect_timeout_seconds)
    return httpx2.AsyncClient(transport=transport, timeout=timeout)


def _provider(settings: Settings, client: AsyncOpenAI) -> Provider[AsyncOpenAI]:
    match settings.llm_provider:
        case "openai":
            return OpenAIProvider(openai_client=client)
        case "openrouter":
            return OpenRouterProvider(openai_client=client)
        case "ollama":
            return OllamaProvider(openai_client=client)


@asynccontextmanager
async def open_model(settings: Settings) -> AsyncGenerator[Model]:
    """The configured model with its connections; no request is made before the first turn."""
    async with AsyncOpenAI(
        base_url=settings.llm_base_url,
        api_key=settings.llm_api_key.get_secret_value() or KEY_NOT_NEEDED,
        max_retries=settings.model_retries_max,
        # Compressed event streams would hide the events from the transport, and buffer them.
        default_headers={"Accept-Encoding": "identity"},
        http_client=_http_client(settings),
    ) as client:
        yield OpenAIChatModel(settings.llm_choice, provider=_provider(settings, client))
