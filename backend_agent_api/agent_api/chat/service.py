"""What a person can do with a turn: begin it, come back to it, stop it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

from agent_api.chat import queries
from agent_api.chat.registry import RunRegistry
from agent_api.chat.remote import RemoteFollower
from agent_api.chat.run import Run, Turn
from agent_api.chat.wire import TurnRequest
from agent_api.errors import AccountNotFound, ConversationNotFound
from agent_api.seats import Seats


@dataclass(frozen=True)
class OpenTurn:
    """A turn with a stream of its events."""

    request_id: UUID
    begun: queries.BegunTurn
    events: AsyncIterator[bytes]


class ChatService:
    """One per process."""

    def __init__(self, registry: RunRegistry, follower: RemoteFollower, seats: Seats) -> None:
        self.seats = seats
        self._registry = registry
        self._follower = follower
        self._context = registry.context

    async def begin_turn(self, body: TurnRequest, *, user_id: UUID) -> OpenTurn:
        """Start the turn, or attach to it when its request id is known."""
        settings = self._context.settings
        question = body.question(characters_max=settings.message_max_characters)
        request_id = body.request_id or uuid4()
        with self._registry.admitting():
            async with self._context.database.statement() as connection:
                begun = await queries.begin_request(
                    connection,
                    user_id=user_id,
                    request_id=request_id,
                    session_id=body.id,
                    text=question.text,
                    trigger=body.trigger,
                    message_reference=body.message_id or None,
                    previous_reference=body.previous_reference(),
                    client_message_id=question.id or None,
                    lease_holder=self._context.process_id,
                    lease_seconds=int(settings.run_lease_seconds),
                    rate_limit=settings.rate_limit_requests,
                    rate_window_seconds=settings.rate_limit_window_seconds,
                )
            # Nothing that can fail stands between the commit and the start: what is charged runs. Giving the connection
            # back may wait, and a process that ends meanwhile leaves the turn to its lease.
            if begun.is_started:
                self._registry.start(Turn(request_id, user_id, begun, question.text))
        if begun.is_started:
            self._context.balance_changed(user_id)
            return OpenTurn(request_id, begun, self._attach(user_id, request_id, after=0))
        return OpenTurn(request_id, begun, self._attach(user_id, request_id, after=0, begun=begun))

    async def attach(
        self, *, user_id: UUID, session_id: str, after: int, request_id: UUID | None
    ) -> AsyncIterator[bytes] | None:
        """The events of the turn that runs in a conversation, from `after` + 1 on.

        None when nothing runs, or another turn than `request_id`.
        """
        async with self._context.database.statement() as connection:
            is_own, running = await queries.find_running_request(connection, user_id=user_id, session_id=session_id)
        if not is_own:
            raise ConversationNotFound
        if running is None or request_id not in (None, running):
            return None
        return self._attach(user_id, running, after=after)

    def _attach(
        self, user_id: UUID, request_id: UUID, *, after: int, begun: queries.BegunTurn | None = None
    ) -> AsyncIterator[bytes]:
        run = self._registry.find(request_id)
        if run is not None and run.turn.user_id == user_id:
            return self._read(run, after=after)
        if begun is not None and begun.status != "running":
            return self._follower.repeat(request_id=request_id, begun=begun)
        return self._follower.follow(user_id=user_id, request_id=request_id, after=after)

    async def _read(self, run: Run, *, after: int) -> AsyncIterator[bytes]:
        async for body in run.log.read(after, keep_alive_seconds=self._context.settings.stream_keep_alive_seconds):
            yield body
        if not run.log.is_complete:
            # This process lost the turn: its end is told by what another one settles.
            after = max(after, len(run.log))
            async for body in self._follower.follow(user_id=run.turn.user_id, request_id=run.request_id, after=after):
                yield body

    async def stop(self, *, user_id: UUID, session_id: str) -> bool:
        """Stop the turn that runs in a conversation, wherever it runs; whether there was one."""
        async with self._context.database.statement() as connection:
            request_id = await queries.request_stop(connection, user_id=user_id, session_id=session_id)
        if request_id is None:
            return False
        if run := self._registry.find(request_id):
            run.cancel("stopped")
        return True

    async def wait_for_end(self, turn: OpenTurn) -> queries.EndedTurn:
        """Wait until a turn is settled; how it ended. Raises AccountNotFound where that took the turn along."""
        async for _ in turn.events:
            pass
        async with self._context.database.statement() as connection:
            ended = await queries.read_ended_turn(connection, request_id=turn.request_id)
        if ended is None:
            raise AccountNotFound
        return ended
