"""Texts to vectors, by an OpenAI-compatible embedding service."""

from rag_pipeline.embeddings.embedder import Embedder, open_embedder
from rag_pipeline.embeddings.errors import EmbeddingError, EmbeddingRefused, EmbeddingUnavailable
from rag_pipeline.embeddings.wire import Vector

__all__ = ["Embedder", "EmbeddingError", "EmbeddingRefused", "EmbeddingUnavailable", "Vector", "open_embedder"]
