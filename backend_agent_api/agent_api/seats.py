"""How many replies may be open at once, of one person and of the process."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from agent_api.errors import RateLimited, ServerBusy

RETRY_AFTER_SECONDS = 30


class Seats:
    """Counts open readers of one kind; `message` tells one who has too many."""

    def __init__(self, *, per_user_max: int, per_process_max: int, message: str) -> None:
        self._per_user_max = per_user_max
        self._per_process_max = per_process_max
        self._message = message
        self._taken: Counter[UUID] = Counter()
        self.taken = 0

    @contextmanager
    def taken_by(self, user_id: UUID) -> Generator[None]:
        """Hold a seat while the block runs.

        Raises RateLimited over the limit of one user, ServerBusy over that of the process.
        """
        if self._taken[user_id] >= self._per_user_max:
            raise RateLimited(self._message, retry_after_seconds=RETRY_AFTER_SECONDS)
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
