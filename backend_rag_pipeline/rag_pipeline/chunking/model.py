"""What chunking takes and gives."""

from dataclasses import dataclass
from pathlib import Path

CHUNKER_VERSION = "2"
"""Part of a document's index_version: raise it when the same text gives other chunks."""
MODEL_TOKENS_MIN = 40


@dataclass(frozen=True)
class ChunkSettings:
    """Sizes in model tokens of the embedding model."""

    model_tokens_max: int = 400
    """Of context and content together."""
    overlap_model_tokens: int = 40
    embedding_model: str = "text-embedding-3-small"
    """Models of OpenAI are counted exactly; others by their tokenizer file."""
    tokenizer_file: Path | None = None
    """The model's tokenizer.json. Without it lengths are estimated, on the safe side."""

    def __post_init__(self) -> None:
        if self.model_tokens_max < MODEL_TOKENS_MIN:
            raise ValueError(f"must be at least {MODEL_TOKENS_MIN}")


@dataclass(frozen=True)
class Chunk:
    """One passage. `content` is the document's whole text from `char_start` to `char_end`."""

    index: int
    content: str
    context: str
    """Title and headings, and the header row where the passage continues a table: embedded before the content."""
    embedded_text: str
    page: int | None
    """On which it stands; a passage never runs over a page's end."""
    char_start: int
    char_end: int
    heading_path: str
