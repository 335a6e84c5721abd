"""Which embedding spaces documents are embedded for, and how a new model takes over.

A worker embeds with the model of its settings. Where another space is the active one, that one goes on serving: what is
new or changed is embedded for both, everything else is embedded for the new space behind all other work, and once it
holds every document it becomes the active one and the old chunks go.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from rag_pipeline import queries
from rag_pipeline.database import Database
from rag_pipeline.embeddings import EmbeddingRefused, EmbeddingUnavailable, Vector

log = structlog.stdlib.get_logger(__name__)

ENQUEUE_LIMIT = 1000
DELETE_LIMIT = 5000


class Embeds(Protocol):
    """An embedding model."""

    async def dimensions(self) -> int: ...

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


class EmbeddingSpaces:
    """Found when first needed: a model that is away must not keep the worker from starting."""

    def __init__(self, database: Database, make_embedder: MakesEmbedder, *, model: str) -> None:
        self._database = database
        self._make_embedder = make_embedder
        self._model = model
        self._targets: tuple[Target, ...] = ()
        self._own: Embeds | None = None
        self._finding = asyncio.Lock()

    async def targets(self) -> tuple[Target, ...]:
        """The worker's own space first. Raises EmbeddingUnavailable or EmbeddingRefused."""
        async with self._finding:
            if not self._targets:
                self._targets = await self._find()
        return self._targets

    async def is_answering(self) -> bool:
        """Whether the own model works now: then a failure is the fault of the text."""
        try:
            targets = await self.targets()
            await targets[0].embedder.embed(["ok"])
        except (EmbeddingUnavailable, EmbeddingRefused):
            return False
        return True

    async def _find(self) -> tuple[Target, ...]:
        own = self._own = self._own or await self._make_embedder(self._model)
        dimensions = await own.dimensions()
        async with self._database.transaction() as connection:
            space_id = await queries.ensure_space(connection, model=self._model, dimensions=dimensions)
            active = await queries.read_active_space(connection)
        target = Target(space_id, own, is_required=True)
        if active is None or active.id == space_id:
            return (target,)
        log.info("new_embedding_model", model=self._model, serving_meanwhile=active.model)
        serving = await self._serving(active)
        return (target,) if serving is None else (target, serving)

    async def _serving(self, space: queries.Space) -> Target | None:
        if space.model == self._model:
            return None  # The same name with another dimension: the provider serves the new one only.
        embedder = await self._make_embedder(space.model)
        try:
            if await embedder.dimensions() == space.dimensions:
                return Target(space.id, embedder, is_required=False)
        except (EmbeddingUnavailable, EmbeddingRefused):
            pass
        log.warning("serving_model_away", model=space.model)
        return None

    async def keep_up(self, pipeline_id: str, index_version: str, sight: str) -> bool:
        """Queue what is indexed in another way; switch over once nothing is missing. True: there is more to do."""
        own = await self._own_space_id()
        async with self._database.transaction() as connection:
            queued = await queries.enqueue_outdated(
                connection, pipeline_id, space_id=own, index_version=index_version, sight=sight, limit=ENQUEUE_LIMIT
            )
        if queued:
            log.info("documents_queued_again", documents=queued)
            return True
        async with self._database.transaction() as connection:
            active = await queries.read_active_space(connection)
            if active is not None and active.id == own:
                return False
            missing = await queries.count_outside_space(connection, own)
            if missing:
                log.debug("new_embedding_space_incomplete", documents=missing)
                return False
            await queries.activate_space(connection, own)
        log.info("embedding_space_activated", model=self._model)
        self._targets = self._targets[:1]
        await self._drop_former()
        return False

    async def _own_space_id(self) -> int:
        """A run that finds nothing to do does not ask the model: the active space has its name."""
        if not self._targets:
            async with self._database.transaction() as connection:
                active = await queries.read_active_space(connection)
            if active is not None and active.model == self._model:
                return active.id
        return (await self.targets())[0].space_id

    async def _drop_former(self) -> None:
        while True:
            async with self._database.transaction() as connection:
                if not await queries.drop_inactive_chunks(connection, limit=DELETE_LIMIT):
                    return
