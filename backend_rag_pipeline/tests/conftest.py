"""Fixtures of the worker's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rag_support.embedding_server import EmbeddingServer, run_embedding_server
from rag_support.vision_service import VisionService, run_vision_service
from rag_support.world import World

from local_stack.postgres.testing import Database


@pytest.fixture
def embeddings() -> Iterator[EmbeddingServer]:
    """An embedding service of the test alone."""
    with run_embedding_server() as service:
        yield service


@pytest.fixture
def vision() -> Iterator[VisionService]:
    """A vision model of the test alone."""
    with run_vision_service() as service:
        yield service


@pytest.fixture
def world(database: Database, embeddings: EmbeddingServer, tmp_path: Path) -> Iterator[World]:
    """A folder to watch and a database; workers that are still running afterwards are killed."""
    folder, logs = tmp_path / "watched", tmp_path / "logs"
    folder.mkdir()
    logs.mkdir()
    world = World(database, embeddings, folder, logs)
    try:
        yield world
    finally:
        embeddings.released.set()
        world.end_workers()
