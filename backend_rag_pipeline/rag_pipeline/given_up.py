"""Documents that were given up, once what they were tried with changes: a repaired reader, or a raised limit."""

import structlog

from rag_pipeline import queries
from rag_pipeline.database import Database
from rag_pipeline.settings import Settings

log = structlog.stdlib.get_logger(__name__)

ENQUEUE_LIMIT = 1000


def tried_with(settings: Settings, index_version: str, sight: str) -> str:
    """All that decides whether the same bytes fail again."""
    limits = (
        settings.rag_file_max_bytes,
        settings.rag_pages_max,
        settings.rag_archive_max_bytes,
        settings.rag_text_max_characters,
        settings.rag_rows_max,
        settings.rag_extract_memory_max_bytes,
        settings.rag_extract_timeout_seconds,
        settings.database_statement_timeout_seconds,
    )
    return " ".join((index_version, sight or "-", settings.embedding_model_choice, *map(str, limits)))


async def try_given_up(database: Database, settings: Settings, tried: str) -> None:
    """Queue them once, behind all other work: a document that fails again was then tried with this."""
    while True:
        async with database.transaction() as connection:
            queued = await queries.enqueue_given_up(
                connection, settings.rag_pipeline_id, tried_with=tried, limit=ENQUEUE_LIMIT
            )
        if queued:
            log.info("given_up_documents_queued_again", documents=queued)
        if queued < ENQUEUE_LIMIT:
            return
