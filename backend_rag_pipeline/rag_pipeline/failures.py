"""Why a document could not be indexed, as a code and a text for people, whatever raised it."""

from rag_pipeline.database import is_out_of_room, is_out_of_time
from rag_pipeline.embeddings import EmbeddingRefused, EmbeddingUnavailable
from rag_pipeline.extractors.model import ExtractionError
from rag_pipeline.messages import message_for
from rag_pipeline.sources.source import FileError, SourceError

OUTAGE_CODES = frozenset(
    {"source_unavailable", "storage_unavailable", "vision_unavailable", "authentication", "not_permitted"}
)
"""A neighbour is away, and no document is to blame."""
EMBEDDING_CODES = frozenset({"embedding_unavailable", "embedding_refused"})
DATABASE_CODES = frozenset({"database_timed_out", "database_full"})
"""The database did not take what was already embedded, and paid for."""
TIMED_OUT_CODE = "timed_out"
INTERRUPTED_CODE = "interrupted"


class Failure(Exception):
    """The document could not be indexed. Final: not before it changes."""

    def __init__(self, code: str, message: str | None = None, *, is_final: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.message = message or message_for(code)
        self.is_final = is_final


def failure_of(error: Exception) -> Failure:
    """What an error means for its document."""
    match error:
        case Failure():
            return error
        case ExtractionError():
            return Failure(error.code, error.message, is_final=error.is_permanent)
        case EmbeddingUnavailable():
            return Failure("embedding_unavailable")
        case EmbeddingRefused():
            return Failure("embedding_refused")
        case FileError():
            return Failure(error.code, is_final=error.is_permanent)
        case SourceError():
            return Failure(error.code)
        case _ if is_out_of_time(error):
            return Failure("database_timed_out")
        case _ if is_out_of_room(error):
            return Failure("database_full")
        case _:
            return Failure("internal")
