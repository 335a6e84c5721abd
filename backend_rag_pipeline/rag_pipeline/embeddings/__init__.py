"""Texts to vectors, by an OpenAI-compatible embedding service."""

from rag_pipeline.embeddings.embedder import Embedder, open_embedder
from rag_pipeline.embeddings.errors import EmbeddingError, EmbeddingRefused, EmbeddingUnavailable

__all__ = ["Embedder", "EmbeddingError", "EmbeddingRefused", "EmbeddingUnavailable", "open_embedder"]
