"""Connections to Postgres, through a pooler in session or in transaction mode, or through none.

What the rest of the service uses:

- `app.state.database: Database` (its asyncpg pool is `app.state.pool`), opened by the lifespan.
- `async with database.transaction() as connection`: one transaction. Works in every mode.
- `async with database.statement() as connection`: for exactly one statement. Saves BEGIN and COMMIT where no
  transaction pooler stands in between, and is a transaction where one does.
- `Transaction`: the route dependency; committed before the reply is sent.
- `DatabaseOf`: the route dependency for code that outlives its request and opens its own short transactions.
- `database.connect_session()`: a connection of one's own for LISTEN, never through a transaction pooler.

Both context managers turn what Postgres refuses (SQLSTATE AP...) and its absence into the types of `errors.py`; other
database errors pass as they are. jsonb goes in and comes out as Python values.

Never set session state on a pooled connection outside a transaction (`set_config(..., true)` is fine): nothing resets
it, because resetting costs a round trip per use.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import asyncpg
import stamina
import structlog
from fastapi import Depends, Request

from agent_api.errors import DatabaseUnavailable, app_error_from_database
from agent_api.settings import Settings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    SessionConnection: TypeAlias = asyncpg.Connection[asyncpg.Record]
    _Base = asyncpg.Connection[asyncpg.Record]
else:  # asyncpg's classes take no parameters at run time.
    Connection = SessionConnection = _Base = asyncpg.Connection
    Pool = asyncpg.Pool

log = structlog.stdlib.get_logger(__name__)

CLOSE_TIMEOUT_SECONDS = 5.0


class _PooledConnection(_Base):
    """A connection that is not reset on release; an open transaction is still rolled back."""

    def get_reset_query(self) -> str:
        return ""


def _encode_json(value: object) -> str:
    return json.dumps(value, allow_nan=False)


async def _prepare_connection(connection: Connection) -> None:
    # Types of pg_catalog are known to asyncpg by number, so this sends nothing.
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=_encode_json, decoder=json.loads)


@asynccontextmanager
async def _failures_as_app_errors() -> AsyncGenerator[None]:
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        known = app_error_from_database(error)
        if known is None:
            raise
        if isinstance(known, DatabaseUnavailable):
            log.warning("database_unavailable", exc_info=error)
        raise known from error


class Database:
    """The pool and how to borrow from it."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self.pool = pool
        self._settings = settings
        self._transaction_mode = settings.database_transaction_mode
        self._acquire_timeout_seconds = settings.database_acquire_timeout_seconds

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """Borrow a connection for one transaction: committed when the block ends, rolled back when it raises."""
        async with (
            _failures_as_app_errors(),
            self.pool.acquire(timeout=self._acquire_timeout_seconds) as connection,
            connection.transaction(),
        ):
            yield connection

    @asynccontextmanager
    async def statement(self) -> AsyncGenerator[Connection]:
        """Borrow a connection for exactly one statement."""
        if self._transaction_mode:
            # asyncpg prepares and executes in two exchanges, which such a pooler may send to two servers.
            async with self.transaction() as connection:
                yield connection
            return
        async with _failures_as_app_errors(), self.pool.acquire(timeout=self._acquire_timeout_seconds) as connection:
            yield connection

    async def connect_session(self) -> SessionConnection:
        """Open a connection that keeps its session, for LISTEN. The caller closes it."""
        return await asyncpg.connect(
            self._settings.listen_url,
            timeout=self._settings.database_connect_timeout_seconds,
            command_timeout=self._settings.database_command_timeout_seconds,
            server_settings={"application_name": "agent_api_listen"},
        )


def _is_unavailable(error: Exception) -> bool:
    return isinstance(app_error_from_database(error), DatabaseUnavailable)


async def _connect_pool(settings: Settings) -> Pool:
    # Behind a transaction pooler a prepared statement may meet a server connection that does not know it.
    cache: dict[str, Any] = {"statement_cache_size": 0} if settings.database_transaction_mode else {}
    pool = await asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=min(settings.database_pool_min_size, settings.database_pool_max_size),
        max_size=settings.database_pool_max_size,
        timeout=settings.database_connect_timeout_seconds,
        command_timeout=settings.database_command_timeout_seconds,
        server_settings={"application_name": "agent_api"},
        connection_class=_PooledConnection,
        init=_prepare_connection,
        **cache,
    )
    return pool


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncGenerator[Database]:
    """Connect, trying again while the database is starting, and close on leaving.

    Raises the last failure once DATABASE_START_DEADLINE_SECONDS have passed.
    """
    pool: Pool | None = None
    async for attempt in stamina.retry_context(
        on=_is_unavailable,
        attempts=None,
        timeout=settings.database_start_deadline_seconds,
        wait_initial=0.2,
        wait_max=2.0,
    ):
        with attempt:
            pool = await _connect_pool(settings)
    assert pool is not None, "retry_context either connects or raises"
    try:
        yield Database(pool, settings)
    finally:
        try:
            await asyncio.wait_for(pool.close(), CLOSE_TIMEOUT_SECONDS)
        except TimeoutError:
            pool.terminate()


def get_database(request: Request) -> Database:
    """The process's database."""
    database: Database = request.app.state.database
    return database


DatabaseOf = Annotated[Database, Depends(get_database)]


async def get_transaction(database: DatabaseOf) -> AsyncIterator[Connection]:
    """One transaction around the route function, ended before the reply is sent."""
    async with database.transaction() as connection:
        yield connection


Transaction = Annotated[Connection, Depends(get_transaction, scope="function")]
