"""The documents indexed by the product's own worker, and the ways to search them."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

import asyncpg
import httpx

from bench.ingest import Ingested, ingest, write_file
from bench.retrieval.corpus import Document
from bench.servers import run_server
from local_stack.demo_model.embeddings import model_folder
from local_stack.demo_model.settings import EMBEDDING_MODEL
from local_stack.postgres.cluster import Cluster
from local_stack.processes import free_ports
from local_stack.stack import DEMO_CHUNK_SIZE

INDEXED = "postgres"
WITHOUT_CONTEXT = "without_context"
HITS = 20
INGEST_SECONDS_MAX = 1800
EMBEDDING_BATCH = 64
Mode = Literal["vector", "text", "hybrid"]

SEARCH = """
select chunk_id, document_id, content, page
from public.search_documents($1, $2, $3::text::vector, null, p_limit => $4, p_mode => $5)
"""
NEAREST = "select similarity from public.match_documents($1::text::vector, 1)"
FORGET_CONTEXT = """
update public.documents as d set context = null, embedding = n.embedding::vector
from unnest($1::bigint[], $2::text[]) as n (id, embedding)
where d.id = n.id
"""


@dataclass(frozen=True)
class Hit:
    """One chunk that was found."""

    document: str
    content: str
    page: int | None


class Model:
    """The embedding model of the local stack."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._http = httpx.AsyncClient(timeout=120)

    async def embed(self, texts: Sequence[str]) -> list[str]:
        """Vectors in the notation of pgvector."""
        vectors: list[str] = []
        for first in range(0, len(texts), EMBEDDING_BATCH):
            body = {"model": EMBEDDING_MODEL, "input": list(texts[first : first + EMBEDDING_BATCH])}
            reply = await self._http.post(f"{self.base_url}/embeddings", json=body)
            reply.raise_for_status()
            vectors += [str(one["embedding"]) for one in reply.json()["data"]]
        return vectors

    async def close(self) -> None:
        await self._http.aclose()


@contextmanager
def run_model(directory: Path) -> Generator[str]:
    """The stack's model server; gives its base URL."""
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "local_stack.demo_model", "--host", "127.0.0.1", "--port", str(port)]
    with run_server("the model", command, health_url=f"{address}/health", log=directory / "model.log"):
        yield f"{address}/v1"


def index_documents(
    cluster: Cluster,
    base_url: str,
    documents: Sequence[Document],
    directory: Path,
    *,
    chunk_size: int | None = None,
    overlap: int | None = None,
) -> Ingested:
    """One run of the worker over all of them, as the embedded stack sets it up."""
    folder = directory / "documents"
    folder.mkdir()
    for document in documents:
        write_file(folder, document.entry.file_name, document.content)
    environment = {
        "DATABASE_URL": cluster.dsn(),
        "EMBEDDING_BASE_URL": base_url,
        "EMBEDDING_MODEL_CHOICE": EMBEDDING_MODEL,
        "EMBEDDING_TOKENIZER_FILE": str(model_folder() / "tokenizer.json"),
        "CHUNK_MODEL_TOKENS_MAX": str(chunk_size or DEMO_CHUNK_SIZE),
        **({} if overlap is None else {"CHUNK_OVERLAP_MODEL_TOKENS": str(overlap)}),
    }
    return ingest(
        folder, environment, log=directory / "worker.log", seconds_max=INGEST_SECONDS_MAX, files=len(documents)
    )


async def forget_context(cluster: Cluster, model: Model) -> None:
    """A second database with the same chunks, embedded and searched without title and headings."""
    cluster.create_database(WITHOUT_CONTEXT, template=INDEXED)
    connection = await asyncpg.connect(cluster.dsn(database=WITHOUT_CONTEXT))
    try:
        rows = await connection.fetch("select id, content from public.documents order by id")
        vectors = await model.embed([row["content"] for row in rows])
        await connection.execute(FORGET_CONTEXT, [row["id"] for row in rows], vectors)
    finally:
        await connection.close()


class Library:
    """One database, searched as the API does."""

    def __init__(self, connection: asyncpg.Connection, names: dict[str, str]) -> None:
        self._connection = connection
        self._names = names
        self._user_id = uuid4()
        self.seconds: dict[Mode, list[float]] = {"vector": [], "text": [], "hybrid": []}

    async def search(self, question: str, vector: str, mode: Mode) -> list[Hit]:
        began = time.perf_counter()
        rows = await self._connection.fetch(SEARCH, self._user_id, question, vector, HITS, mode)
        self.seconds[mode].append(time.perf_counter() - began)
        return [Hit(self._names[row["document_id"]], row["content"], row["page"]) for row in rows]

    async def similarity(self, vector: str) -> float:
        """Of the nearest chunk."""
        return await self._connection.fetchval(NEAREST, vector)

    async def chunks(self) -> dict[str, list[str]]:
        """The chunks of every document, in order."""
        rows = await self._connection.fetch("select document_id, content from public.documents order by id")
        found: dict[str, list[str]] = {name: [] for name in self._names.values()}
        for row in rows:
            found[self._names[row["document_id"]]].append(row["content"])
        return found


@asynccontextmanager
async def open_library(cluster: Cluster, database: str) -> AsyncGenerator[Library]:
    connection = await asyncpg.connect(cluster.dsn(database=database))
    try:
        # As the server does by itself after a while: how rare words are is known from it.
        await connection.execute("analyze public.documents")
        rows = await connection.fetch("select id, source_key from public.document_metadata")
        yield Library(connection, {row["id"]: Path(row["source_key"]).stem for row in rows})
    finally:
        await connection.close()
