"""Which embedding spaces documents are embedded for, and how a new model takes over.

A worker embeds with the model of its settings. Where another space is the active one, that one goes on serving: what is
new or changed is embedded for both, everything else is embedded for the new space behind all other work. Last come the
stored texts of documents that no worker will read again; then it becomes the active one and the old chunks go.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping

import structlog

from rag_pipeline import queries
from rag_pipeline.database import Database, is_beyond_limits, is_out_of_time
from rag_pipeline.embeddings import EmbeddingRefused, EmbeddingUnavailable
from rag_pipeline.failures import failure_of
from rag_pipeline.leases import Lease
from rag_pipeline.refusals import other_dimension, read_refusal, waits_for_database, waits_for_others, write_refusal
from rag_pipeline.stored_chunks import embed_stored_chunks
from rag_pipeline.targets import Embeds, MakesEmbedder, Target

log = structlog.stdlib.get_logger(__name__)

ENQUEUE_LIMIT = 1000
DELETE_LIMIT = 5000
LEFT_LIMIT = 100
LEFT_LEASE_SECONDS = 30
LEFT_REST_SECONDS = 3600
"""What the database did not take has to be embedded again, and is paid for again."""


class EmbeddingSpaces:
    """Found when first needed: a model that is away must not keep the worker from starting."""

    def __init__(
        self,
        database: Database,
        make_embedder: MakesEmbedder,
        *,
        model: str,
        accepts_new_dimensions: bool,
        attempts_max: int,
    ) -> None:
        self._database = database
        self._make_embedder = make_embedder
        self._model = model
        self._accepts_new_dimensions = accepts_new_dimensions
        self._attempts_max = attempts_max
        self._vain: Counter[str] = Counter()
        self._left_lease = Lease(database, name="rag-embed-left", seconds=LEFT_LEASE_SECONDS)
        self._missing = 0
        self._refusal: str | None = None
        self._waits: str | None = None
        self.is_resting = False
        """Whether the last look found that the database did not take stored texts, and that they are not due again."""
        self._targets: tuple[Target, ...] = ()
        self._own: Embeds | None = None
        self._finding = asyncio.Lock()

    async def targets(self) -> tuple[Target, ...]:
        """The worker's own space first. Raises EmbeddingUnavailable or EmbeddingRefused."""
        async with self._finding:
            if not self._targets:
                self._targets = await self._find()
        return self._targets

    async def space_ids(self) -> tuple[int, ...]:
        """Of the targets. What finds nothing to embed does not ask the model: the active space has its name."""
        if not self._targets:
            async with self._database.transaction() as connection:
                active = await queries.read_active_space(connection)
            if active is not None and active.model == self._model and not self._accepts_new_dimensions:
                return (active.id,)
        return tuple(target.space_id for target in await self.targets())

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
            self._refuse_other_dimension(own, dimensions, await queries.read_active_space(connection))
            space_id = await queries.ensure_space(connection, model=self._model, dimensions=dimensions)
            active = await queries.read_active_space(connection)
        target = Target(space_id, own, is_required=True)
        if active is None or active.id == space_id:
            return (target,)
        log.info("new_embedding_model", model=self._model, serving_meanwhile=active.model)
        serving = await self._serving(active)
        return (target,) if serving is None else (target, serving)

    def _refuse_other_dimension(self, own: Embeds, found: int, active: queries.Space | None) -> None:
        """The same name with another dimension is another service by mistake, or else said to be meant."""
        is_other = active is not None and active.model == self._model and active.dimensions != found
        if active is None or not is_other or self._accepts_new_dimensions:
            self._refusal = None
            return
        own.forget_dimensions()  # The right service may answer next time.
        refusal = other_dimension(self._model, found=found, indexed=active.dimensions)
        if self._refusal is None:
            log.error("embedding_refused", reason=refusal)
        self._refusal = refusal
        raise EmbeddingRefused(refusal)

    async def _serving(self, space: queries.Space) -> Target | None:
        if space.model == self._model:
            return None  # The same name with another dimension, as is meant: the provider serves the new one only.
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
        await self._tell(pipeline_id)
        own = (await self.space_ids())[0]
        async with self._database.transaction() as connection:
            queued = await queries.enqueue_outdated(
                connection, pipeline_id, space_id=own, index_version=index_version, sight=sight, limit=ENQUEUE_LIMIT
            )
        if queued:
            log.info("documents_queued_again", documents=queued)
            return True
        async with self._database.transaction() as connection:
            active = await queries.read_active_space(connection)
        if (active is None or active.id != own) and not await self._take_over(pipeline_id):
            return False
        # Also where another replica switched over: it may have died before the old chunks went, or this one added some.
        self._missing, self.is_resting = 0, False
        await self._tell_waits(pipeline_id, None)
        self._targets = self._targets[:1]
        await self._drop_former()
        return False

    async def _take_over(self, pipeline_id: str) -> bool:
        """Switch to the own space, unless it still lacks what a worker will bring."""
        own = (await self.targets())[0]
        async with self._database.transaction() as connection:
            missing = await queries.count_missing(connection, own.space_id)
        await self._tell_missing(pipeline_id, missing)
        if missing:
            return False
        try:
            if not await self._embed_left_alone(own):
                return False
        except Exception:
            # A scheduled run ends here: no later look of it would say so.
            with contextlib.suppress(Exception):
                await self._tell_missing(pipeline_id, missing)
            raise
        async with self._database.transaction() as connection:
            # That may have taken hours.
            if await queries.count_missing(connection, own.space_id):
                return False
            await queries.activate_space(connection, own.space_id)
        log.info("embedding_space_activated", model=self._model)
        return True

    async def _embed_left_alone(self, own: Target) -> bool:
        """As `_embed_left`, one replica at a time: texts cost once. False: another one is at it."""
        if not await self._left_lease.try_to_take():
            return False
        keeper = asyncio.create_task(self._left_lease.keep())
        is_too_much = False
        try:
            await self._embed_left(own)
        except Exception as error:
            is_too_much = is_beyond_limits(error)
            raise
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await (self._left_lease.rest(LEFT_REST_SECONDS) if is_too_much else self._left_lease.release())
        return True

    async def _embed_left(self, own: Target) -> None:
        """Bring the stored texts of documents that no worker will read again; their state stays as it is.

        Raises what kept one of them back, once all were tried, where that may pass later.
        """
        after = ""
        passing: Exception | None = None
        while True:
            async with self._database.transaction() as connection:
                left = await queries.list_left(connection, own.space_id, after=after, limit=LEFT_LIMIT)
            for document_id, run in left:
                try:
                    await embed_stored_chunks(self._database, document_id, run=run, target=own)
                except Exception as error:
                    if not await self._concerns_one_text(error):
                        raise
                    self._vain[document_id] += 1
                    may_pass = not isinstance(error, EmbeddingRefused)
                    if may_pass and self._vain[document_id] < self._attempts_max:
                        # What a database says may hold the text itself.
                        reason = str(error) if isinstance(error, EmbeddingUnavailable) else failure_of(error).message
                        log.warning("stored_text_not_embedded_yet", document_id=document_id, reason=reason)
                        passing = passing if passing is not None and is_beyond_limits(passing) else error
                    else:
                        log.warning("document_left_in_former_space", document_id=document_id)
            if len(left) < LEFT_LIMIT:
                break
            after = left[-1][0]
        if passing is not None:
            raise passing

    async def _concerns_one_text(self, error: Exception) -> bool:
        """Whether others may be brought all the same. A database without room takes none of them."""
        if isinstance(error, EmbeddingUnavailable | EmbeddingRefused):
            return await self.is_answering()
        return is_out_of_time(error)

    async def _tell_missing(self, pipeline_id: str, missing: Mapping[str | None, int]) -> None:
        """Documents of other pipelines cannot be hastened from here: an operator has to know. The log counts all."""
        count = sum(missing.values())
        if count and count != self._missing:
            log.info("new_embedding_model_lacks_documents", model=self._model, documents=count)
        self._missing = count
        others = {other: count for other, count in missing.items() if other is not None and other != pipeline_id}
        self.is_resting = await self._left_lease.is_resting()
        not_stored = waits_for_database(self._model) if self.is_resting else None
        await self._tell_waits(pipeline_id, waits_for_others(self._model, others) if others else not_stored)

    async def _tell_waits(self, pipeline_id: str, waits: str | None) -> None:
        if waits is not None and waits != self._waits:
            log.warning("new_embedding_model_waits", reason=waits)
        self._waits = waits
        await self._tell(pipeline_id)

    async def _tell(self, pipeline_id: str) -> None:
        """Say on the pipeline why its model is not in use, or that nothing is against it any more."""
        async with self._database.transaction() as connection:
            told = await read_refusal(connection, pipeline_id)
        if told is not None:
            with contextlib.suppress(EmbeddingUnavailable, EmbeddingRefused):
                await self.targets()
        is_known = bool(self._targets) or self._refusal is not None
        text = self._refusal or self._waits
        if is_known and told != text:
            async with self._database.transaction() as connection:
                await write_refusal(connection, pipeline_id, text)

    async def _drop_former(self) -> None:
        while True:
            async with self._database.transaction() as connection:
                if not await queries.drop_inactive_chunks(connection, limit=DELETE_LIMIT):
                    return
