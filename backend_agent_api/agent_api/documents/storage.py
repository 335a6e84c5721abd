"""Where the bytes of uploads are kept: in the database, or in Supabase Storage.

`save` is called before the row is written and `remove` after it is gone, so that a row never lacks its bytes. What a
crash leaves behind in the bucket, the sweep removes (sweep.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

StorageKind = Literal["postgres", "supabase"]


@dataclass(frozen=True)
class Place:
    """What an upload's row says of its bytes: the bytes themselves, or the path of an object."""

    kind: StorageKind
    content: bytes | None = None
    path: str | None = None


class UploadStorage(Protocol):
    """Every method raises StorageUnavailable where it cannot do its work now."""

    async def save(self, upload_id: UUID, content: bytes) -> Place:
        """Keep the bytes; repeatable."""
        ...

    async def load(self, place: Place) -> bytes | None:
        """The bytes; None where they are gone."""
        ...

    async def remove(self, places: Sequence[Place]) -> None:
        """Forget them; repeatable."""
        ...


class PostgresStorage:
    """The bytes are a column of the row, and come and go with it."""

    async def save(self, upload_id: UUID, content: bytes) -> Place:
        return Place("postgres", content=content)

    async def load(self, place: Place) -> bytes | None:
        return place.content

    async def remove(self, places: Sequence[Place]) -> None:
        return
