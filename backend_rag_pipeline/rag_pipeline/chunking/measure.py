"""How long a text is for the embedding model, and where it may be cut.

The splitter counts by itself: exactly for OpenAI's models, whose tables it carries, and by a tokenizer.json; nothing is
ever downloaded. Everything else is estimated.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from rag_pipeline.chunking.estimate import estimate_model_tokens
from rag_pipeline.chunking.model import ChunkSettings


class Splitter(Protocol):
    """A splitter of a fixed capacity."""

    def chunk_indices(self, text: str) -> list[tuple[int, str]]: ...
    def chunks(self, text: str) -> list[str]: ...


class TokenizerFileError(Exception):
    """EMBEDDING_TOKENIZER_FILE is no tokenizer.json."""


class Measure:
    """Lengths by one model. Splitters are cached, as each loads its tables anew."""

    def __init__(self, *, embedding_model: str, tokenizer_file: Path | None) -> None:
        self._model = embedding_model
        self._tokenizer = _read_tokenizer(tokenizer_file) if tokenizer_file is not None else None
        self._is_known = self._tokenizer is None and _is_known(embedding_model)

    @property
    def is_exact(self) -> bool:
        """Whether lengths are counted rather than estimated."""
        return self._tokenizer is not None or self._is_known

    def fits(self, text: str, capacity: int) -> bool:
        """Whether the text has at most `capacity` model tokens."""
        if not self.is_exact:
            return estimate_model_tokens(text) <= capacity
        return len(self.splitter(TextSplitter, capacity, 0).chunks(text)) <= 1

    @lru_cache(maxsize=64)  # noqa: B019 - there is one instance per settings, kept for the life of the process
    def splitter(self, kind: type[MarkdownSplitter] | type[TextSplitter], capacity: int, overlap: int) -> Splitter:
        """A splitter whose pieces have at most `capacity` model tokens."""
        if self._tokenizer is not None:
            return cast(Splitter, kind.from_huggingface_tokenizer_str(self._tokenizer, capacity, overlap))
        if self._is_known:
            return cast(Splitter, kind.from_tiktoken_model(self._model, capacity, overlap))
        return cast(Splitter, kind.from_callback(estimate_model_tokens, capacity, overlap))


@lru_cache(maxsize=8)
def measure_for(embedding_model: str, tokenizer_file: Path | None) -> Measure:
    """The measure of a model. Raises TokenizerFileError."""
    return Measure(embedding_model=embedding_model, tokenizer_file=tokenizer_file)


def check_tokenizer(settings: ChunkSettings) -> None:
    """Raise TokenizerFileError now rather than with the first document."""
    measure_for(settings.embedding_model, settings.tokenizer_file)


def _is_known(model: str) -> bool:
    try:
        TextSplitter.from_tiktoken_model(model, 100)
    except Exception:  # The binding raises a bare Exception for a model it has no table for.
        return False
    return True


def _read_tokenizer(path: Path) -> str:
    """The file without truncation and padding: cut at the model's limit, every text would seem to fit."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError
        text = json.dumps({**cast("dict[str, Any]", found), "truncation": None, "padding": None})
        TextSplitter.from_huggingface_tokenizer_str(text, 100)
    except OSError:
        raise TokenizerFileError("EMBEDDING_TOKENIZER_FILE cannot be read.") from None
    except Exception:  # The binding raises a bare Exception for a file it does not understand.
        raise TokenizerFileError("EMBEDDING_TOKENIZER_FILE is no tokenizer.json.") from None
    return text
