"""The parts of one worker, opened together and closed in the reverse order."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from rag_pipeline import queries
from rag_pipeline.chunking.chunker import chunk_document, chunk_settings
from rag_pipeline.chunking.model import CHUNKER_VERSION, Chunk
from rag_pipeline.database import Database, is_passing_failure, open_database
from rag_pipeline.embeddings import open_embedder
from rag_pipeline.extractors.extractor import EXTRACTOR_VERSION, open_extractor, sight
from rag_pipeline.extractors.model import Extraction
from rag_pipeline.ingest import Ingestor
from rag_pipeline.model_turn import ModelTurn
from rag_pipeline.progress import Board
from rag_pipeline.queue import make_queue
from rag_pipeline.settings import Settings
from rag_pipeline.sources.opening import open_source
from rag_pipeline.sources.source import Source
from rag_pipeline.spaces import EmbeddingSpaces
from rag_pipeline.sync import Synchroniser
from rag_pipeline.targets import Embeds
from rag_pipeline.uploads import PostgresUploads, SupabaseUploads, UploadStore
from rag_pipeline.worker import QueueWorker


@dataclass(frozen=True)
class Parts:
    """What a run consists of."""

    settings: Settings
    database: Database
    source: Source
    synchroniser: Synchroniser
    spaces: EmbeddingSpaces
    worker: QueueWorker
    queues: list[str]
    index_version: str
    sight: str
    model_turn: ModelTurn
    board: Board


def index_version(settings: Settings) -> str:
    """How documents are indexed: another value indexes them again."""
    limits = f"{settings.chunk_model_tokens_max}/{settings.chunk_overlap_model_tokens}"
    return f"{EXTRACTOR_VERSION}:{CHUNKER_VERSION}:{limits}"


@asynccontextmanager
async def open_parts(settings: Settings, board: Board) -> AsyncGenerator[Parts]:
    """Raises SourceError where the source cannot be opened, and what keeps the database from being reached."""
    async with AsyncExitStack() as stack:
        source = open_source(settings)
        stack.push_async_callback(source.close)
        database = await stack.enter_async_context(open_database(settings))
        client = await stack.enter_async_context(
            httpx.AsyncClient(timeout=settings.upload_timeout_seconds, follow_redirects=False)
        )
        extractor = await stack.enter_async_context(open_extractor(settings))

        async def make_embedder(model: str) -> Embeds:
            return await stack.enter_async_context(open_embedder(settings, model=model))

        sizes = chunk_settings(settings)

        async def chunks_of(extraction: Extraction, title: str) -> list[Chunk]:
            return await asyncio.to_thread(chunk_document, extraction, title=title, settings=sizes)

        spaces = EmbeddingSpaces(
            database,
            make_embedder,
            model=settings.embedding_model_choice,
            accepts_new_dimensions=settings.embedding_accept_new_dimensions,
            attempts_max=settings.rag_attempts_max,
        )
        uploads: dict[str, UploadStore] = {
            "postgres": PostgresUploads(database),
            "supabase": SupabaseUploads(client, settings=settings),
        }
        version, seeing = index_version(settings), sight(settings)
        ingestor = Ingestor(
            database,
            source=source,
            uploads=uploads,
            extractor=extractor,
            chunks_of=chunks_of,
            spaces=spaces,
            settings=settings,
            index_version=version,
            sight=seeing,
        )

        async def index(document_id: str, crashes: int) -> None:
            try:
                outcome = await ingestor.index(document_id, crashes=crashes)
            except Exception as error:
                # A database that is away gives the job back; anything else is a fault that no document shows.
                board.tally.errors += not is_passing_failure(error)
                raise
            board.document(document_id, outcome)

        async with database.transaction() as connection:
            queues = [
                await queries.queue_of(connection, settings.rag_pipeline_id),
                await queries.queue_of(connection, None),
            ]
        yield Parts(
            settings=settings,
            database=database,
            source=source,
            synchroniser=Synchroniser(database, source, settings),
            spaces=spaces,
            worker=QueueWorker(make_queue(settings, index), database, queues=queues, settings=settings),
            queues=queues,
            index_version=version,
            sight=seeing,
            model_turn=ModelTurn(database, settings),
            board=board,
        )
