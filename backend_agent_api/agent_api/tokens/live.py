"""The live balance: who changed travels by NOTIFY, what they have is read.

No NOTIFY inside a transaction that moves tokens: it serialises commits. Each process collects whose balance changed
(`BalanceNotifier.changed`, after commit) and sends one notification per interval. Each process holds one LISTEN
connection and reads the balances of those of its readers that are named, all in one query. What a lost notification or
connection leaves behind, the regular re-read of every reader repairs.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import structlog

from agent_api.background import running_jobs
from agent_api.database import Database, SessionConnection
from agent_api.errors import AccountNotFound, AppError, RateLimited, ServerBusy
from agent_api.settings import Settings
from agent_api.tokens import queries

log = structlog.stdlib.get_logger(__name__)

CHANNEL = "balance_changed"
IDS_PER_NOTIFICATION = 150
"""Postgres takes payloads under 8,000 bytes; an id in a JSON array has 39."""
CHANGED_MAX = 20_000
"""Changes kept while the database is away. Beyond it they are left to the readers' own re-read."""
READ_BATCH = 1_000
RECONNECT_SECONDS_MIN = 0.2
RECONNECT_SECONDS_MAX = 5.0
CONNECTION_CHECK_SECONDS = 10.0


class BalanceNotifier:
    """Collects whose balance this process has changed and tells every process, its own too."""

    def __init__(self, database: Database, *, interval_seconds: float) -> None:
        self._database = database
        self._interval_seconds = interval_seconds
        self._changed: dict[UUID, None] = {}
        self._wake = asyncio.Event()

    def changed(self, user_id: UUID) -> None:
        """Call after the commit that changed the balance. Never blocks, never fails."""
        if len(self._changed) < CHANGED_MAX:
            self._changed[user_id] = None
        self._wake.set()

    async def run(self) -> None:
        """Send what is collected once per interval, until cancelled."""
        while True:
            await self._wake.wait()
            # The pause comes first: what changes together is sent together.
            await asyncio.sleep(self._interval_seconds)
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Send what is collected. What cannot be sent is kept for the next time."""
        while self._changed:
            batch = list(self._changed)[:IDS_PER_NOTIFICATION]
            for user_id in batch:
                del self._changed[user_id]
            payload = json.dumps([str(user_id) for user_id in batch], separators=(",", ":"))
            try:
                async with self._database.statement() as connection:
                    await queries.notify_balance_changed(connection, payload=payload)
            except (AppError, asyncpg.PostgresError) as error:
                log.warning("balance_notification_failed", exc_info=error)
                for user_id in batch:
                    self.changed(user_id)
                return


class BalanceReader:
    """One open stream: it is owed the newest balance, not every one in between."""

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens
        self._fresh = asyncio.Event()
        self._fresh.set()

    def offer(self, tokens: int) -> None:
        """Replace what has not been taken yet; nothing happens where it is known."""
        if tokens != self._tokens:
            self._tokens = tokens
            self._fresh.set()

    async def next(self) -> int:
        """Wait for a balance that has not been taken."""
        await self._fresh.wait()
        self._fresh.clear()
        return self._tokens


class BalanceFeed:
    """The readers of this process, kept up to date over one LISTEN connection."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._reread_seconds = settings.balance_reread_seconds
        self._per_user_max = settings.balance_streams_per_user_max
        self._per_process_max = settings.balance_streams_per_process_max
        self._readers: dict[UUID, set[BalanceReader]] = {}
        self.reader_count = 0
        self._due: set[UUID] = set()
        self._wake = asyncio.Event()
        self.listening = asyncio.Event()
        """Set while notifications arrive."""

    @contextmanager
    def subscribe(self, user_id: UUID, *, tokens: int) -> Generator[BalanceReader]:
        """Keep a reader up to date while the block runs; `tokens` is what it takes first.

        Raises RateLimited over the limit of one user, ServerBusy over that of the process.
        """
        mine = self._readers.get(user_id, set[BalanceReader]())
        if len(mine) >= self._per_user_max:
            raise RateLimited("Too many open balance streams.", retry_after_seconds=30)
        if self.reader_count >= self._per_process_max:
            raise ServerBusy
        reader = BalanceReader(tokens)
        self._readers.setdefault(user_id, set()).add(reader)
        self.reader_count += 1
        # A change between the caller's reading and now would otherwise wait for the next re-read.
        self._request([user_id])
        try:
            yield reader
        finally:
            self.reader_count -= 1
            readers = self._readers[user_id]
            readers.discard(reader)
            if not readers:
                del self._readers[user_id]

    def _request(self, user_ids: Sequence[UUID]) -> None:
        self._due.update(user_id for user_id in user_ids if user_id in self._readers)
        if self._due:
            self._wake.set()

    def _on_notification(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            named = [UUID(text) for text in json.loads(str(payload))]
        except (ValueError, TypeError, AttributeError):
            log.warning("balance_notification_unreadable")
            return
        self._request(named)

    async def listen(self) -> None:
        """Hold the LISTEN connection, reconnecting with growing pauses, until cancelled."""
        pause_seconds = RECONNECT_SECONDS_MIN
        while True:
            try:
                connection = await self._database.connect_session()
                try:
                    await self._serve(connection)
                finally:
                    if self.listening.is_set():
                        # It worked: what ends such a connection, mostly an error, is a new cause.
                        pause_seconds = RECONNECT_SECONDS_MIN
                    self.listening.clear()
                    connection.terminate()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                log.warning("balance_listen_lost", exc_info=error)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, RECONNECT_SECONDS_MAX)

    async def _serve(self, connection: SessionConnection) -> None:
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _connection: closed.set())
        await connection.add_listener(CHANNEL, self._on_notification)
        self.listening.set()
        # What was sent while nobody listened is made up for.
        self._request(list(self._readers))
        while not closed.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closed.wait(), CONNECTION_CHECK_SECONDS)
            if not closed.is_set():
                # A connection cut without a word looks open until something is sent.
                await connection.execute("select 1")

    async def serve_readers(self) -> None:
        """Read the balances that are due and hand them to their readers, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            due = [user_id for user_id in self._due if user_id in self._readers]
            self._due.clear()
            for start in range(0, len(due), READ_BATCH):
                await self._read(due[start : start + READ_BATCH])

    async def _read(self, user_ids: Sequence[UUID]) -> None:
        try:
            async with self._database.statement() as connection:
                balances = await queries.read_balances(connection, user_ids=user_ids)
        except (AppError, asyncpg.PostgresError) as error:
            log.warning("balance_read_failed", exc_info=error)
            return  # The regular re-read tries again.
        for user_id, tokens in balances.items():
            for reader in self._readers.get(user_id, ()):
                reader.offer(tokens)

    async def reread(self) -> None:
        """Make every reader due at a steady pace, until cancelled."""
        while True:
            await asyncio.sleep(self._reread_seconds)
            self._request(list(self._readers))

    async def balance_now(self, user_id: UUID) -> int:
        """What a new reader starts with. Raises AccountNotFound or DatabaseUnavailable."""
        async with self._database.statement() as connection:
            balances = await queries.read_balances(connection, user_ids=[user_id])
        if user_id not in balances:
            raise AccountNotFound
        return balances[user_id]


@dataclass(frozen=True, slots=True)
class LiveBalance:
    """What the lifespan puts on `app.state`."""

    notifier: BalanceNotifier
    feed: BalanceFeed


@asynccontextmanager
async def open_live_balance(database: Database, settings: Settings) -> AsyncGenerator[LiveBalance]:
    """Run the notifier and the feed; what is collected at the end is still sent."""
    notifier = BalanceNotifier(database, interval_seconds=settings.balance_notify_interval_seconds)
    feed = BalanceFeed(database, settings)
    try:
        async with running_jobs(
            balance_notify=notifier.run,
            balance_listen=feed.listen,
            balance_serve=feed.serve_readers,
            balance_reread=feed.reread,
        ):
            yield LiveBalance(notifier=notifier, feed=feed)
    finally:
        await notifier.flush()
