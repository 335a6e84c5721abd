"""Connections to Postgres, through a pooler in session or in transaction mode, or through none.

`async with database.transaction() as connection` borrows one for one transaction; rows come as dictionaries. Nothing
here sets session state: in transaction mode the next statement may meet another server connection. What is set ends
with its transaction.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import psycopg
import stamina
import structlog
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from rag_pipeline.settings import Settings

log = structlog.stdlib.get_logger(__name__)

Connection: TypeAlias = psycopg.AsyncConnection[DictRow]
CLOSE_TIMEOUT_SECONDS = 5.0
RECONNECT_SECONDS_MAX = 2.0
"""A pool waits twice as long after each failure; given up this early, the next who asks begins anew at once."""
TRUSTED_SECONDS = 1.0
# Noticed within this time: a server that vanished without a word (its machine, or the network in between).
KEEP_ALIVES = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}

# Never shortened, and 0 stays no limit at all; Postgres holds no more milliseconds than that.
LENGTHEN = """
select set_config(s.name, least(%(milliseconds)s::bigint, 2147483647)::text, true)
from pg_catalog.pg_settings as s
where s.name = 'statement_timeout' and s.setting::bigint > 0 and s.setting::bigint < %(milliseconds)s
"""

_used_at: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()


class TransactionTimedOut(TimeoutError):
    """It took longer than it was given, and is rolled back."""


def is_passing_failure(error: BaseException) -> bool:
    """Whether the database was away or busy, and the same may work later."""
    if isinstance(error, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure):
        return True
    # Too long or too complex for Postgres: the driver counts that as operational, and it will be so again.
    if isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith("54"):
        return False
    # OperationalError: connections, shutdowns, too many clients. InterfaceError: used after it broke.
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | PoolTimeout | TimeoutError | OSError)


def is_out_of_time(error: BaseException) -> bool:
    """Whether a statement was cut off by our limit or by the server's own."""
    return isinstance(error, TransactionTimedOut | psycopg.errors.QueryCanceled)


def is_out_of_room(error: BaseException) -> bool:
    """Whether the server lacked disk or memory. Too many clients is another matter: that is over in a moment."""
    state = (error.sqlstate or "") if isinstance(error, psycopg.Error) else ""
    return state.startswith("53") and not isinstance(error, psycopg.errors.TooManyConnections)


def is_beyond_limits(error: BaseException) -> bool:
    """Whether the database is there, and this was too much for it: it may be so again each time, for ever."""
    return is_out_of_time(error) or is_out_of_room(error)


class Database:
    """The pool and how to borrow from it."""

    def __init__(self, pool: AsyncConnectionPool[Connection], settings: Settings) -> None:
        self._pool = pool
        self._statement_timeout_seconds = settings.database_statement_timeout_seconds

    @asynccontextmanager
    async def transaction(self, *, more_seconds: float = 0) -> AsyncGenerator[Connection]:
        """Borrow a connection for one transaction: committed when the block ends, rolled back when it raises.

        A block that takes longer than DATABASE_STATEMENT_TIMEOUT_SECONDS and `more_seconds` is given up, and raises
        TransactionTimedOut. A server whose own limit is shorter, such as Supabase's two minutes, gets the longer one.
        """
        seconds = self._statement_timeout_seconds + more_seconds
        limit = asyncio.timeout(seconds)
        async with self._pool.connection() as connection:
            try:
                async with limit, connection.transaction():
                    if more_seconds:
                        await connection.execute(LENGTHEN, {"milliseconds": round(seconds * 1000)})
                    yield connection
            except TimeoutError as error:
                if limit.expired():
                    raise TransactionTimedOut(f"not done after {seconds:g} seconds") from error
                raise


def connection_options(settings: Settings, name: str) -> dict[str, Any]:
    """What every connection of ours is opened with."""
    return {
        "connect_timeout": max(2, round(settings.database_connect_timeout_seconds)),
        "application_name": name,
        **KEEP_ALIVES,
    }


async def _note_use(connection: Connection) -> None:
    """Called when a connection comes back whole."""
    _used_at[connection] = time.monotonic()


async def _check_connection(connection: Connection) -> None:
    """Raise where the server is gone; one that answered a moment ago is not asked: that is a round trip each time."""
    if time.monotonic() - _used_at.get(connection, -math.inf) > TRUSTED_SECONDS:
        await AsyncConnectionPool.check_connection(connection)  # pyright: ignore[reportArgumentType] - reads no rows


def _make_pool(settings: Settings) -> AsyncConnectionPool[Connection]:
    options = connection_options(settings, "rag_pipeline")
    if settings.database_transaction_mode:
        # Such a pooler may send a prepared statement to a server connection that does not know it.
        options["prepare_threshold"] = None
    return AsyncConnectionPool(
        settings.database_url.get_secret_value(),
        connection_class=psycopg.AsyncConnection[DictRow],
        kwargs={"row_factory": dict_row, **options},
        min_size=1,
        max_size=settings.database_pool_max_size,
        timeout=settings.database_acquire_timeout_seconds,
        reconnect_timeout=RECONNECT_SECONDS_MAX,
        open=False,
        check=_check_connection,
        reset=_note_use,
        name="rag_pipeline",
    )


async def _connect(settings: Settings) -> None:
    options = connection_options(settings, "rag_pipeline_start")
    async with await psycopg.AsyncConnection.connect(settings.database_url.get_secret_value(), **options):
        pass


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncGenerator[Database]:
    """Connect, trying again while the database is starting, and close on leaving.

    Raises the last failure once DATABASE_START_DEADLINE_SECONDS have passed.
    """
    async for attempt in stamina.retry_context(
        on=is_passing_failure,
        attempts=None,
        timeout=settings.database_start_deadline_seconds,
        wait_initial=0.2,
        wait_max=2.0,
    ):
        with attempt:
            await _connect(settings)
    pool = _make_pool(settings)
    await pool.open()
    try:
        yield Database(pool, settings)
    finally:
        await pool.close(CLOSE_TIMEOUT_SECONDS)
