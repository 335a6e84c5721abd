"""A folder, a database, an embedding service, and workers as the processes that people start."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from local_stack.postgres.testing import Database
from rag_support.embedding_server import EmbeddingServer

SERVICE = Path(__file__).resolve().parents[2]
WAIT_SECONDS_MAX = 150
PATIENT = {
    "RAG_WORKER_HEARTBEAT_SECONDS": "20",
    "RAG_WORKER_STALLED_SECONDS": "60",
    "RAG_SYNC_LEASE_SECONDS": "60",
}
"""For workers of whom none is lost and all that they do is counted: a busy machine may let them wait for seconds."""
LONG_AGO = time.time() - 3600


@dataclass
class World:
    """Everything a worker has to do with, and how to look at it."""

    database: Database
    embeddings: EmbeddingServer
    folder: Path
    logs: Path
    overrides: dict[str, str] = field(default_factory=dict[str, str])
    _workers: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    def environment(self, **overrides: str) -> dict[str, str]:
        machine = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return machine | {
            "DATABASE_URL": self.database.dsn(),
            "EMBEDDING_BASE_URL": self.embeddings.url,
            "EMBEDDING_API_KEY": "test",
            "EMBEDDING_MODEL_CHOICE": "test-model",
            "EMBEDDING_RETRIES_MAX": "0",
            "RAG_WATCH_DIRECTORY": str(self.folder),
            "RAG_PIPELINE_ENV_FILE": "",
            "RAG_HEARTBEAT_FILE": str(self.logs / "heartbeat"),
            "RAG_INTERVAL_SECONDS": "0.3",
            "RAG_WORKER_POLL_SECONDS": "0.5",
            "RAG_WORKER_HEARTBEAT_SECONDS": "0.5",
            "RAG_WORKER_STALLED_SECONDS": "3",
            "RAG_SYNC_LEASE_SECONDS": "5",
            "RAG_RETRY_WAIT_SECONDS": "0.2",
            "RAG_RETRY_WAIT_MAX_SECONDS": "1",
            "RAG_EXTRACT_PROCESSES": "1",
            "PYTHONUNBUFFERED": "1",
            **self.overrides,
            **overrides,
        }

    def write(self, name: str, content: str | bytes = "", *, written_at: float | None = None) -> Path:
        """A file that is not being written any more."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        moment = LONG_AGO if written_at is None else written_at
        os.utime(path, (moment, moment))
        return path

    def run_single(self, **overrides: str) -> tuple[int, dict[str, Any], str]:
        """Exit status, the report of standard output, and the log."""
        ended = subprocess.run(
            [sys.executable, "docker_entrypoint.py", "--mode", "single"],
            cwd=SERVICE,
            env=self.environment(**overrides),
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS_MAX * 2,
            check=False,
        )
        lines = ended.stdout.splitlines()
        report: dict[str, Any] = json.loads(lines[0]) if lines else {}
        assert len(lines) <= 1, ended.stdout
        return ended.returncode, report, ended.stderr

    async def single(self, **overrides: str) -> tuple[int, dict[str, Any], str]:
        return await asyncio.to_thread(self.run_single, **overrides)

    def start_worker(self, *, command: Sequence[str] = (), **overrides: str) -> subprocess.Popen[bytes]:
        """A continuous worker, as a process group of its own; `command` starts it."""
        with (self.logs / f"worker-{len(self._workers)}.log").open("ab") as log:
            worker = subprocess.Popen(
                [*command, sys.executable, "docker_entrypoint.py", "--mode", "continuous"],
                cwd=SERVICE,
                env=self.environment(**overrides),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._workers.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """As the kernel or a machine that is gone does."""
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def end_workers(self) -> None:
        for worker in self._workers:
            self.kill(worker)

    def log_text(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.logs.glob("worker-*.log")))

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        async with self.database.connect() as connection:
            return await connection.fetch(query, *arguments)

    async def value(self, query: str, *arguments: object) -> Any:
        async with self.database.connect() as connection:
            return await connection.fetchval(query, *arguments)

    async def documents(self) -> dict[str, asyncpg.Record]:
        rows = await self.fetch("select * from public.document_metadata")
        return {row["source_key"] or row["id"]: row for row in rows}

    async def document(self, key: str) -> asyncpg.Record:
        return (await self.documents())[key]

    async def texts(self, key: str) -> list[str]:
        """The stored passages of a document, in order."""
        rows = await self.fetch(
            """
            select d.content from public.documents as d
            join public.document_metadata as m on m.id = d.document_id
            where m.source_key = $1 or m.id = $1
            order by d.embedding_space_id, d.chunk_index
            """,
            key,
        )
        return [row["content"] for row in rows]

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait for a fact to become true."""
        try:
            await self.until_without_database(condition, what)
        except TimeoutError as error:
            rows = [dict(row) for row in (await self.documents()).values()][:5]
            raise AssertionError(f"{error}\n{rows}\n{self.log_text()[-5000:]}") from None

    async def until_without_database(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        """The same; the database may be away."""
        give_up_at = time.monotonic() + WAIT_SECONDS_MAX
        while not await condition():
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"did not happen: {what}")
            await asyncio.sleep(0.05)

    async def until_status(self, key: str, *statuses: str) -> asyncpg.Record:
        found: asyncpg.Record | None = None

        async def reached() -> bool:
            nonlocal found
            found = (await self.documents()).get(key)
            return found is not None and found["status"] in statuses

        await self.until(reached, f"{key} becomes {' or '.join(statuses)}")
        # What was seen then: a moment later it may be tried again.
        assert found is not None
        return found

    async def until_idle(self) -> None:
        """No document waits and no job is left."""

        async def idle() -> bool:
            query = """
                select (select count(*) from queue.procrastinate_jobs)
                    + (select count(*) from public.document_metadata where status in ('pending', 'indexing'))
            """
            return await self.value(query) == 0

        await self.until(idle, "all work is done")
