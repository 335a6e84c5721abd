"""What documents are embedded for: spaces, and the models that fill them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rag_pipeline.embeddings import Vector


class Embeds(Protocol):
    """An embedding model."""

    async def dimensions(self) -> int: ...

    def forget_dimensions(self) -> None: ...

    async def embed(self, texts: Sequence[str]) -> list[Vector]: ...


class MakesEmbedder(Protocol):
    """Opens the configured provider's model of this name."""

    async def __call__(self, model: str) -> Embeds: ...


@dataclass(frozen=True)
class Target:
    """A space and the model that fills it. What is not required may be left out while its model is away."""

    space_id: int
    embedder: Embeds
    is_required: bool
