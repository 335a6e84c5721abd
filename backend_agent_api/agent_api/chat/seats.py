"""How many may read answers at once, those of this process and those that run elsewhere."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from agent_api.errors import RateLimited, ServerBusy
from agent_api.settings import Settings

RETRY_AFTER_SECONDS = 30


class Seats:
    """Counts open readers."""

    def __init__(self, settings: Settings) -> None:
        self._per_user_max = settings.answer_streams_per_user_max
        self._per_process_max = settings.answer_streams_per_process_max
        self._taken: Counter[UUID] = Counter()
        self.taken = 0

    @contextmanager
    def taken_by(self, user_id: UUID) -> Generator[None]:
        """Hold a seat while the block runs.

        Raises RateLimited over the limit of one user, ServerBusy over that of the process.
        """
        if self._taken[user_id] >= self._per_user_max:
            raise RateLimited("Too many open answers.", retry_after_seconds=RETRY_AFTER_SECONDS)
        if self.taken >= self._per_process_max:
            raise ServerBusy
        self._taken[user_id] += 1
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
            self._taken[user_id] -= 1
            if not self._taken[user_id]:
                del self._taken[user_id]
