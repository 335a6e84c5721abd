"""The agent API on a port, with settings of a test's own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from agent_api.main import create_app
from agent_api.settings import Settings, load_settings
from agent_api_support.auth_server import SECRET, SERVICE_KEY, AuthServer
from agent_api_support.serving import serve

CLOSED_PORT_URL = "http://127.0.0.1:9"
"""Nobody listens there."""
PATIENCE_SECONDS = 60
# A machine that runs many tests at once reaches limits that people never do. Tests of a limit set it for themselves.
PATIENT: dict[str, float] = dict.fromkeys(
    (
        "database_acquire_timeout_seconds",
        "database_connect_timeout_seconds",
        "database_command_timeout_seconds",
        "auth_timeout_seconds",
        "model_connect_timeout_seconds",
        "embedding_timeout_seconds",
        "query_embedding_deadline_seconds",
        "rerank_deadline_seconds",
        "storage_timeout_seconds",
        "title_timeout_seconds",
        "stripe_connect_timeout_seconds",
        "stripe_timeout_seconds",
        "stripe_deadline_seconds",
    ),
    PATIENCE_SECONDS,
)


def make_settings(database_url: str, **changes: Any) -> Settings:
    """Complete settings that read no `.env` of whoever runs the tests."""
    values: dict[str, Any] = {
        "database_url": database_url,
        "supabase_url": CLOSED_PORT_URL,
        "supabase_service_key": SERVICE_KEY,
        "supabase_jwt_secret": SECRET,
        "llm_base_url": CLOSED_PORT_URL,
        "llm_api_key": "unused",
        "frontend_url": "http://site.example.com",
        "log_level": "ERROR",
        **PATIENT,
        **changes,
    }
    return load_settings(_env_file=None, **values)


@dataclass(frozen=True)
class Api:
    """A running API and a client for it."""

    app: FastAPI
    base_url: str
    client: httpx.AsyncClient
    auth: AuthServer

    def headers(self, user_id: UUID | str, **claims: Any) -> dict[str, str]:
        """Signed in as this user."""
        return {"Authorization": f"Bearer {self.auth.sign_with_secret(user_id, **claims)}"}


@asynccontextmanager
async def run_api(settings: Settings, auth: AuthServer | None = None) -> AsyncGenerator[Api]:
    """Serve the API while the block runs."""
    app = create_app(settings)
    async with serve(app) as base_url, httpx.AsyncClient(base_url=base_url, timeout=PATIENCE_SECONDS) as client:
        yield Api(app=app, base_url=base_url, client=client, auth=auth or AuthServer())


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, having checked its shape."""
    body = response.json()
    assert set(body) == {"error"}, body
    error = body["error"]
    assert set(error) - {"field"} == {"code", "message", "request_id"}, error
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["message"]
    return response.status_code, error["code"]
