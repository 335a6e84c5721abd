"""The application: its routes, what surrounds them and what runs beside them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import httpx
import structlog
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from agent_api import health
from agent_api.auth import Authentication, open_verifier
from agent_api.billing import admin_routes as billing_admin_routes
from agent_api.billing import routes as billing_routes
from agent_api.billing import webhook_routes
from agent_api.billing.part import running_billing
from agent_api.chat import conversation_routes
from agent_api.chat import routes as chat_routes
from agent_api.chat.part import open_chat
from agent_api.database import open_database
from agent_api.documents import routes as documents_routes
from agent_api.documents.part import open_uploads, upload_body_limit
from agent_api.errors import install_error_handlers
from agent_api.logs import configure_logs, log_loop_failure
from agent_api.middleware import BodyLimit, ErrorBoundary, RequestContext
from agent_api.profile import routes as profile_routes
from agent_api.settings import Settings
from agent_api.shutdown import watch_stop_signals
from agent_api.tokens import routes as tokens_routes
from agent_api.tokens.live import open_live_balance

log = structlog.stdlib.get_logger(__name__)

CORS_MAX_AGE_SECONDS = 600
EXPOSED_HEADERS = ["X-Request-ID", "Retry-After", "X-Vercel-AI-UI-Message-Stream"]
DESCRIPTION = """Streaming agent API that charges one token per request.

Every refusal is `{"error": {"code", "message", "request_id"}}`; `code` is stable, `field` names what is invalid.
"""


@asynccontextmanager
async def _signals_part(app: FastAPI) -> AsyncGenerator[None]:
    async with watch_stop_signals() as app.state.shutdown:
        yield


@asynccontextmanager
async def _database_part(app: FastAPI) -> AsyncGenerator[None]:
    async with open_database(app.state.settings) as database:
        app.state.database = database
        app.state.pool = database.pool
        yield


@asynccontextmanager
async def _auth_part(app: FastAPI) -> AsyncGenerator[None]:
    async with open_verifier(app.state.settings) as app.state.verifier:
        yield


@asynccontextmanager
async def _health_part(app: FastAPI) -> AsyncGenerator[None]:
    async with httpx.AsyncClient() as client:
        app.state.model_check = health.ModelCheck(client, app.state.settings)
        await health.warn_of_another_embedding_model(app.state.database, app.state.settings)
        yield


@asynccontextmanager
async def _live_balance_part(app: FastAPI) -> AsyncGenerator[None]:
    async with open_live_balance(app.state.database, app.state.settings) as live:
        app.state.balance_notifier = live.notifier
        app.state.balance_feed = live.feed
        yield


@asynccontextmanager
async def _chat_part(app: FastAPI) -> AsyncGenerator[None]:
    state = app.state
    async with open_chat(state.settings, state.database, state.balance_notifier, state.shutdown) as state.chat:
        yield


@asynccontextmanager
async def _uploads_part(app: FastAPI) -> AsyncGenerator[None]:
    async with open_uploads(app.state.settings, app.state.database) as app.state.uploads:
        yield


@asynccontextmanager
async def _billing_part(app: FastAPI) -> AsyncGenerator[None]:
    state = app.state
    async with running_billing(state.settings, state.database, state.balance_notifier.changed) as state.billing:
        yield


# What runs beside the routes: started in this order, stopped in the opposite one. A part is a context manager that
# puts what it offers on `app.state`, where later parts and the routes find it.
Part = Callable[[FastAPI], AbstractAsyncContextManager[None]]
PARTS: tuple[Part, ...] = (
    _signals_part,
    _database_part,
    _auth_part,
    _health_part,
    _live_balance_part,
    _billing_part,
    _uploads_part,
    _chat_part,
)
ROUTERS = (
    health.router,
    profile_routes.router,
    tokens_routes.router,
    conversation_routes.router,
    chat_routes.router,
    documents_routes.router,
    billing_routes.router,
    webhook_routes.router,
    billing_admin_routes.router,
)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    asyncio.get_running_loop().set_exception_handler(log_loop_failure)
    async with AsyncExitStack() as stack:
        for part in PARTS:
            await stack.enter_async_context(part(app))
        log.info("started", environment=app.state.settings.environment)
        yield
        log.info("stopping")
    log.info("stopped")


def create_app(settings: Settings) -> FastAPI:
    """Build the application. Nothing is connected before its lifespan starts."""
    configure_logs(settings.log_level)
    app = FastAPI(
        title="Agent API",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=_lifespan,
        # A redirect to the address without its last slash would name the host that the proxy knows, not the public one.
        redirect_slashes=False,
        # From the outside in. ErrorBoundary stands inside CORS: the framework's own last handler stands outside of it,
        # so a browser could not read its replies.
        middleware=[
            Middleware(RequestContext),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST", "PATCH", "DELETE"],
                allow_headers=["Authorization", "Content-Type", "X-Request-ID", "Last-Event-ID"],
                expose_headers=EXPOSED_HEADERS,
                max_age=CORS_MAX_AGE_SECONDS,
            ),
            Middleware(ErrorBoundary),
            Middleware(Authentication),
            Middleware(
                BodyLimit,
                max_bytes=settings.request_body_max_bytes,
                timeout_seconds=settings.request_body_timeout_seconds,
                exceptions=[upload_body_limit(settings)],
            ),
        ],
    )
    app.state.settings = settings
    install_error_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    return app
