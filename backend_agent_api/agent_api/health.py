"""Alive, and ready to serve."""

import asyncio
import time
from typing import Literal

import asyncpg
import httpx
import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from agent_api.auth import JwtVerifier
from agent_api.database import Database
from agent_api.documentation import documented
from agent_api.errors import DatabaseUnavailable
from agent_api.settings import Settings

log = structlog.stdlib.get_logger(__name__)
router = APIRouter(tags=["health"])

REQUIRED_SCHEMA_VERSION = 5
"""Newer ones are fine: scripts only add, and during an upgrade both versions of the service run."""
DATABASE_CHECK_TIMEOUT_SECONDS = 2.0
MODEL_CHECK_TIMEOUT_SECONDS = 2.0
MODEL_CHECK_INTERVAL_SECONDS = 15.0

Outcome = Literal["ok", "unavailable", "outdated", "stopping", "empty", "different_model"]


class HealthRead(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class EmbeddingSpaceRead(BaseModel):
    """What documents are found by. Questions are embedded with `model`, whatever EMBEDDING_MODEL_CHOICE says."""

    id: int
    model: str
    dimensions: int


class ReadinessRead(BaseModel):
    """`status` follows from `database` and `schema` alone; the rest is for people."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, Outcome]
    embedding_space: EmbeddingSpaceRead | None
    """The active one; none before anything was indexed."""


class ModelCheck:
    """Whether the model's server answers, asked at most every few seconds however often readiness is."""

    def __init__(self, client: httpx.AsyncClient, settings: Settings) -> None:
        self._client = client
        self._url = f"{settings.llm_base_url}/models"
        self._key = settings.llm_api_key.get_secret_value()
        self._asked_at = -float("inf")
        self._outcome: Outcome = "unavailable"
        self._lock = asyncio.Lock()

    async def outcome(self) -> Outcome:
        """Whether it answered lately."""
        async with self._lock:
            if time.monotonic() - self._asked_at >= MODEL_CHECK_INTERVAL_SECONDS:
                self._outcome = await self._ask()
                self._asked_at = time.monotonic()
        return self._outcome

    async def _ask(self) -> Outcome:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            response = await self._client.get(self._url, headers=headers, timeout=MODEL_CHECK_TIMEOUT_SECONDS)
        except httpx.HTTPError as error:
            log.warning("model_unreachable", exc_info=error)
            return "unavailable"
        return "ok" if response.is_success else "unavailable"


async def _check_database(database: Database) -> tuple[Outcome, Outcome]:
    try:
        async with asyncio.timeout(DATABASE_CHECK_TIMEOUT_SECONDS), database.statement() as connection:
            version: int = await connection.fetchval("select public.schema_version()")
    except (DatabaseUnavailable, TimeoutError):
        return "unavailable", "unavailable"
    except asyncpg.PostgresError as error:
        log.warning("schema_unreadable", exc_info=error)
        return "ok", "outdated"
    return "ok", "ok" if version >= REQUIRED_SCHEMA_VERSION else "outdated"


async def _active_embedding_space(database: Database) -> EmbeddingSpaceRead | None:
    try:
        async with asyncio.timeout(DATABASE_CHECK_TIMEOUT_SECONDS), database.statement() as connection:
            row = await connection.fetchrow("select id, model, dimensions from public.embedding_space where is_active")
    except (DatabaseUnavailable, TimeoutError, asyncpg.PostgresError):
        return None  # The checks of the database and its schema say why.
    return None if row is None else EmbeddingSpaceRead(id=row["id"], model=row["model"], dimensions=row["dimensions"])


def _judge_space(space: EmbeddingSpaceRead | None, settings: Settings) -> Outcome:
    if space is None:
        return "empty"
    return "ok" if space.model == settings.embedding_model_choice else "different_model"


async def warn_of_another_embedding_model(database: Database, settings: Settings) -> None:
    """Say at start that documents are in another model's space: a new one is being brought in, or a name is wrong."""
    space = await _active_embedding_space(database)
    if space is not None and _judge_space(space, settings) == "different_model":
        log.warning(
            "embedding_model_differs", active_space_model=space.model, configured_model=settings.embedding_model_choice
        )


@router.get("/health", summary="Is the process alive", responses=documented(example={"status": "ok"}, public=True))
async def get_health() -> HealthRead:
    """Answer while the process runs, whatever its neighbours do."""
    return HealthRead(status="ok")


READY_CHECKS = {"database": "ok", "schema": "ok", "auth_keys": "ok", "model": "ok", "embedding_space": "ok"}
SPACE_EXAMPLE = {"id": 1, "model": "text-embedding-3-small", "dimensions": 1536}


@router.get(
    "/health/ready",
    summary="Can the process serve",
    responses={
        **documented(
            example={"status": "ready", "checks": READY_CHECKS, "embedding_space": SPACE_EXAMPLE}, public=True
        ),
        503: {
            "model": ReadinessRead,
            "description": "The database is away, its schema is older than this service, or the process is stopping.",
            "content": {
                "application/json": {
                    "example": {
                        "status": "not_ready",
                        "checks": {**READY_CHECKS, "database": "unavailable", "schema": "unavailable"},
                        "embedding_space": None,
                    }
                }
            },
        },
    },
)
async def get_readiness(request: Request, response: Response) -> ReadinessRead:
    """503 only for the database, its schema and a stop under way: a model outage must not unload every replica."""
    state = request.app.state
    verifier: JwtVerifier = state.verifier
    model_check: ModelCheck = state.model_check
    (database, schema), model, space = await asyncio.gather(
        _check_database(state.database), model_check.outcome(), _active_embedding_space(state.database)
    )
    checks: dict[str, Outcome] = {
        "database": database,
        "schema": schema,
        "auth_keys": "ok" if verifier.keys.reachable else "unavailable",
        "model": model,
    }
    if database == "ok":
        checks["embedding_space"] = _judge_space(space, state.settings)
    if state.shutdown.begun.is_set():
        checks["process"] = "stopping"
    ready = database == "ok" and schema == "ok" and "process" not in checks
    response.status_code = 200 if ready else 503
    return ReadinessRead(status="ready" if ready else "not_ready", checks=checks, embedding_space=space)
