"""One job: one document from its source to searchable chunks, or to a clear reason why not.

fetch, hash, extract, chunk, embed, replace. Only the last step writes, in one transaction; a failure before it leaves
the old chunks as they are. Content that is indexed already costs no embedding call.
"""

import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from rag_pipeline import queries
from rag_pipeline.chunking.model import Chunk
from rag_pipeline.database import Database, is_beyond_limits, is_passing_failure
from rag_pipeline.embeddings import EmbeddingRefused, EmbeddingUnavailable, Vector
from rag_pipeline.extractors.model import Extraction, ExtractionError
from rag_pipeline.extractors.processes import BeforePictures
from rag_pipeline.failures import (
    DATABASE_CODES,
    EMBEDDING_CODES,
    INTERRUPTED_CODE,
    OUTAGE_CODES,
    TIMED_OUT_CODE,
    Failure,
    failure_of,
)
from rag_pipeline.given_up import tried_with
from rag_pipeline.messages import message_for
from rag_pipeline.queries import BegunDocument
from rag_pipeline.settings import Settings
from rag_pipeline.sources.source import FetchedFile, FileUnsupported, Source
from rag_pipeline.spaces import EmbeddingSpaces
from rag_pipeline.store import IndexedContent, replace_document
from rag_pipeline.stored_chunks import embed_stored_chunks
from rag_pipeline.superseded import Superseded, while_wanted
from rag_pipeline.titles import title_of
from rag_pipeline.uploads import UploadStore

log = structlog.stdlib.get_logger(__name__)

NOT_INDEXED_CODES = frozenset({"unsupported_type", "empty", "needs_vision"})
"""Nothing is wrong with us or the file; what was stored of an earlier content goes."""
CRASHES_MAX = 50
"""How many workers in a row may die, over a document or beside it, before it is suspected and tried less often."""
RETRY_SPREAD = 0.2

Status = Literal["indexed", "unchanged", "not_indexed", "failed", "waiting", "gone"]


@dataclass(frozen=True)
class Outcome:
    """How a job ended. `waiting`: failed, and tried again later."""

    status: Status
    code: str | None = None
    chunks: int = 0
    name: str | None = None


class Extracts(Protocol):
    """Bytes to text."""

    async def extract(
        self, content: bytes, *, file_name: str, mime_type: str | None, before_pictures: BeforePictures
    ) -> Extraction: ...


ChunksOf = Callable[[Extraction, str], Awaitable[list[Chunk]]]
"""Cuts an extraction, given the document's title."""


class Ingestor:
    """Indexes documents of one pipeline and uploads. Safe for concurrent use."""

    def __init__(
        self,
        database: Database,
        *,
        source: Source | None,
        uploads: Mapping[str, UploadStore],
        extractor: Extracts,
        chunks_of: ChunksOf,
        spaces: EmbeddingSpaces,
        settings: Settings,
        index_version: str,
        sight: str,
    ) -> None:
        self._database = database
        self._source = source
        self._uploads = uploads
        self._extractor = extractor
        self._chunks_of = chunks_of
        self._spaces = spaces
        self._settings = settings
        self._index_version = index_version
        self._sight = sight
        self._tried_with = tried_with(settings, index_version, sight)

    async def index(self, document_id: str, *, crashes: int = 0) -> Outcome:
        """Bring one document up to date; `crashes`: workers that died over it. Raises only what a database that is
        away raises."""
        async with self._database.transaction() as connection:
            document = await queries.begin_document(connection, document_id)
        if document is None:
            return Outcome("gone")
        try:
            if crashes and await self._is_suspect(document_id, crashes):
                raise Failure(INTERRUPTED_CODE)
            work = self._index(document_id, document)
            outcome = await while_wanted(self._database, document_id, document.run, work)
        except Superseded:
            outcome = Outcome("gone")
        except Exception as error:
            if _is_absence(error):
                raise
            outcome = await self._fail(document_id, document, failure_of(error), error)
        return Outcome(outcome.status, outcome.code, outcome.chunks, document.file_name or document.title)

    async def _index(self, document_id: str, document: BegunDocument) -> Outcome:
        if document.upload_storage is None and document.pipeline_id is None:
            own = (await self._spaces.targets())[0]
            if not await embed_stored_chunks(self._database, document_id, run=document.run, target=own):
                return Outcome("gone")
            async with self._database.transaction() as connection:
                await queries.finish_unchanged(connection, document_id, run=document.run, status="indexed")
            return Outcome("indexed")
        try:
            fetched = await self._fetch(document_id, document)
        except FileUnsupported as error:
            reason = ExtractionError("unsupported_type", message_for(error.code))
            nothing = FetchedFile(document.file_name or "", document.mime_type, b"", "")
            return await self._store_nothing(document_id, document, nothing, hashlib.sha256(b"").hexdigest(), reason)
        content_hash = hashlib.sha256(fetched.content).hexdigest()
        held = await self._held(document_id, document, content_hash)
        if held and held.issuperset(await self._spaces.space_ids()):
            async with self._database.transaction() as connection:
                await queries.finish_unchanged(connection, document_id, run=document.run, status="indexed")
            return Outcome("unchanged")
        try:
            extraction = await self._extractor.extract(
                fetched.content,
                file_name=fetched.name,
                mime_type=fetched.mime_type or document.mime_type,
                before_pictures=lambda: self._ask_model(document.attempts),
            )
            title = title_of(extraction)
            name = document.title or fetched.name
            chunks = await self._chunks_of(extraction, name if document.title_is_given else title or name)
            if not chunks and not extraction.tables:
                raise ExtractionError("empty", "The file holds no text.")
        except ExtractionError as error:
            if error.code not in NOT_INDEXED_CODES:
                raise
            return await self._store_nothing(document_id, document, fetched, content_hash, error)
        vectors = await self._embed(chunks, held)
        note = _unread(extraction)
        indexed = IndexedContent(
            content_hash=content_hash,
            index_version=self._index_version,
            document_version=self._index_version if note is None else f"{self._index_version}+{self._sight}",
            note=note,
            title=title,
            mime_type=extraction.mime_type,
            size_bytes=len(fetched.content),
            chunks=chunks,
            tables=extraction.tables,
            page_count=_page_count(extraction),
            vectors=vectors,
        )
        if not await replace_document(self._database, document_id, run=document.run, indexed=indexed):
            return Outcome("gone")
        return Outcome("indexed", chunks=len(chunks))

    async def _fetch(self, document_id: str, document: BegunDocument) -> FetchedFile:
        if document.upload_storage is not None:
            content = await self._uploads[document.upload_storage].fetch(document_id, document.upload_path)
            name = document.file_name or document.title or "upload"
            return FetchedFile(name, document.mime_type, content, "")
        if self._source is None or document.source_key is None:
            raise Failure("no_source", is_final=True)
        return await self._source.fetch(document.source_key)

    async def _held(self, document_id: str, document: BegunDocument, content_hash: str) -> set[int]:
        """The spaces whose chunks are those of this content."""
        # With a sight: some of its pages could not be read with the one there is.
        versions = (self._index_version, f"{self._index_version}+{self._sight}")
        if document.content_hash != content_hash or document.index_version not in versions:
            return set()
        async with self._database.transaction() as connection:
            return await queries.spaces_holding(connection, document_id, content_hash, self._index_version)

    async def _ask_model(self, attempts: int) -> None:
        """What sees pictures is paid for or slow: not for a text that cannot be embedded then."""
        own = (await self._spaces.targets())[0]
        if attempts:
            # Known since it answered once; it may be away now.
            await own.embedder.embed(["ok"])

    async def _embed(self, chunks: list[Chunk], held: set[int]) -> dict[int, list[Vector]]:
        """Vectors for the spaces that lack them. Text and tables need the model only here."""
        texts = [chunk.embedded_text for chunk in chunks]
        vectors: dict[int, list[Vector]] = {}
        for target in await self._spaces.targets() if texts else ():
            if target.space_id in held:
                continue
            try:
                vectors[target.space_id] = await target.embedder.embed(texts)
            except (EmbeddingUnavailable, EmbeddingRefused):
                if target.is_required:
                    raise
                log.warning("serving_model_failed", space_id=target.space_id)
        return vectors

    async def _store_nothing(
        self,
        document_id: str,
        document: BegunDocument,
        fetched: FetchedFile,
        content_hash: str,
        reason: ExtractionError,
    ) -> Outcome:
        """Take away what an earlier content left; the reason stays with the document."""
        async with self._database.transaction() as connection:
            # Of all spaces: one whose model is away serves nobody's withdrawn text.
            begun = await queries.begin_replacement(
                connection, document_id, run=document.run, space_ids=None, title=None
            )
            if begun is None:
                return Outcome("gone")
            await queries.finish_document(
                connection,
                document_id,
                run=document.run,
                status="not_indexed",
                code=reason.code,
                message=reason.message,
                content_hash=content_hash,
                index_version=self._version_of(reason),
                mime_type=fetched.mime_type,
                size_bytes=len(fetched.content),
                schema=None,
                chunk_count=0,
                page_count=None,
            )
        return Outcome("not_indexed", reason.code)

    def _version_of(self, reason: ExtractionError) -> str:
        """What could not be seen says with what it was tried, if with nothing: another sight looks at it again."""
        if reason.code == "needs_vision":
            return f"{self._index_version}+{self._sight}"
        return self._index_version

    async def _fail(self, document_id: str, document: BegunDocument, failure: Failure, error: Exception) -> Outcome:
        retry_seconds = await self._retry_seconds(document_id, failure, document.attempts)
        async with self._database.transaction() as connection:
            await queries.record_failure(
                connection,
                document_id,
                run=document.run,
                code=failure.code,
                message=failure.message,
                retry_seconds=retry_seconds,
                tried_with=self._tried_with,
            )
        log.warning(
            "document_failed",
            document_id=document_id,
            code=failure.code,
            attempts=document.attempts + 1,
            retry_seconds=None if retry_seconds is None else round(retry_seconds, 1),
            exc_info=error if failure.code == "internal" or failure.code in DATABASE_CODES else None,
        )
        return Outcome("failed" if retry_seconds is None else "waiting", failure.code)

    async def _retry_seconds(self, document_id: str, failure: Failure, attempts: int) -> float | None:
        """When to try again; None: not before the document changes."""
        settings = self._settings
        if failure.is_final or await self._is_slow_again(document_id, failure, attempts):
            return None
        if failure.code == INTERRUPTED_CODE:
            # Never given up: machines are switched off as well, and what died beside it is not its fault.
            return settings.rag_retry_wait_max_seconds
        if attempts + 1 >= settings.rag_attempts_max:
            # While a neighbour is away for everyone, no document is to blame: an outage must not quarantine them all.
            is_outage = failure.code in OUTAGE_CODES or (
                failure.code in EMBEDDING_CODES and not await self._spaces.is_answering()
            )
            return settings.rag_retry_wait_max_seconds if is_outage else None
        wait = min(settings.rag_retry_wait_seconds * 2**attempts, settings.rag_retry_wait_max_seconds)
        if failure.code in DATABASE_CODES:
            # Every attempt embeds all of it again.
            wait = settings.rag_retry_wait_max_seconds
        return wait * random.uniform(1 - RETRY_SPREAD, 1 + RETRY_SPREAD)  # noqa: S311 - spreads load, guards nothing

    async def _is_suspect(self, document_id: str, crashes: int) -> bool:
        """Once suspected, a single further crash is enough."""
        if crashes >= CRASHES_MAX:
            return True
        async with self._database.transaction() as connection:
            return await queries.last_failure(connection, document_id) == INTERRUPTED_CODE

    async def _is_slow_again(self, document_id: str, failure: Failure, attempts: int) -> bool:
        """The machine may have been busy once; a file that is slow twice must not take a process for hours."""
        if failure.code != TIMED_OUT_CODE or attempts == 0:
            return False
        async with self._database.transaction() as connection:
            return await queries.last_failure(connection, document_id) == TIMED_OUT_CODE


def _is_absence(error: Exception) -> bool:
    """Whether the database was away: the job then goes back, and nothing is counted.

    What was too much for it is counted. It would be so again, and be embedded and paid for each time.
    """
    if isinstance(error, TimeoutError | OSError) or is_beyond_limits(error):
        return False
    return is_passing_failure(error)


def _unread(extraction: Extraction) -> ExtractionError | None:
    """What is said beside a document of which some pages could not be read."""
    if not extraction.unread_pages:
        return None
    pages = f"{extraction.unread_pages:,} of {len(extraction.pages):,} pages"
    return ExtractionError(
        "needs_vision", f"Not all of it can be searched: {pages} are pictures, and {extraction.unread_reason}."
    )


def _page_count(extraction: Extraction) -> int | None:
    numbers = [page.number for page in extraction.pages if page.number is not None]
    return max(numbers) if numbers else None
