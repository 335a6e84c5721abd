"""`python -m bench.ingestion`: chunks a second and peak memory, against one file and one embedding call at a time."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import asyncpg

from bench.ingest import Ingested, ingest
from bench.ingestion.far_model import FarModel, run_far_model
from bench.ingestion.files import make_files
from bench.machine import load_line, machine_line
from bench.servers import BenchError, run_postgres
from local_stack.postgres.cluster import Cluster

RUN_SECONDS_MAX = 3600
# The default of the product: its chunks are counted exactly.
MODEL = "text-embedding-3-small"
# The same worker with everything that works on several files at once turned off.
ONE_AT_A_TIME = {"RAG_WORKER_CONCURRENCY": "1", "EMBEDDING_CONCURRENCY": "1", "RAG_EXTRACT_PROCESSES": "1"}
WAYS: dict[str, dict[str, str]] = {"as it comes": {}, "one at a time": ONE_AT_A_TIME}
AGAIN = "again, nothing changed"


@dataclass(frozen=True)
class Round:
    """One run over all files."""

    ingested: Ingested
    chunks: int
    calls: int
    texts: int

    @property
    def rate(self) -> float:
        return self.chunks / self.ingested.total_seconds


async def count_chunks(cluster: Cluster, database: str) -> int:
    connection = await asyncpg.connect(cluster.dsn(database=database))
    try:
        return await connection.fetchval("select count(*) from public.documents")
    finally:
        await connection.close()


def run_once(cluster: Cluster, database: str, model: FarModel, folder: Path, extra: dict[str, str]) -> Round:
    calls, texts = model.calls, model.texts
    environment = {
        "DATABASE_URL": cluster.dsn(database=database),
        "EMBEDDING_BASE_URL": model.base_url,
        "EMBEDDING_MODEL_CHOICE": MODEL,
        **extra,
    }
    ingested = ingest(folder, environment, log=folder.parent / "worker.log", seconds_max=RUN_SECONDS_MAX)
    chunks = asyncio.run(count_chunks(cluster, database))
    return Round(ingested, chunks, model.calls - calls, model.texts - texts)


def report(title: str, done: Round) -> None:
    ingested = done.ingested
    print(
        f"  {title:24} {ingested.files:5} files {done.chunks:6} chunks {ingested.total_seconds:7.1f} s"
        f" {done.rate:7.1f} chunks/s   {done.calls:5} calls, {done.texts:6} texts"
        f"   CPU {ingested.cpu_seconds:6.1f} s   peak {ingested.peak_bytes / 1e6:5.0f} MB",
        flush=True,
    )


def run(options: argparse.Namespace, directory: Path) -> None:
    folder = directory / "files"
    folder.mkdir()
    size = make_files(folder, options.files)
    print(f"{options.files} files, {size / 1e6:.1f} MB; {options.latency_ms} ms for each embedding call")
    rounds: dict[str, list[Round]] = {title: [] for title in WAYS}
    with run_postgres(directory) as cluster, run_far_model(options.latency_ms / 1000) as model:
        for number in range(options.rounds):
            print(f"round {number + 1}, {load_line()}", flush=True)
            # In turns, and the other way round each time: other work on the machine comes and goes.
            for title in list(WAYS)[:: 1 if number % 2 == 0 else -1]:
                database = f"round_{number}_{len(rounds[title])}_{title.replace(' ', '_')}"
                cluster.create_database(database, template="postgres")
                rounds[title].append(done := run_once(cluster, database, model, folder, WAYS[title]))
                report(title, done)
                if title == "as it comes":
                    again = run_once(cluster, database, model, folder, {})
                    report(AGAIN, again)
                    if again.calls or again.chunks != done.chunks:
                        raise BenchError(f"a second run made {again.calls} embedding calls, {again.chunks} chunks")
                cluster.drop_database(database)
    counts = {done.chunks for each in rounds.values() for done in each}
    if len(counts) != 1:
        raise BenchError(f"the ways made different numbers of chunks: {counts}")
    ours, baseline = (median(done.rate for done in rounds[title]) for title in WAYS)
    ratios = [one.rate / other.rate for one, other in zip(*rounds.values(), strict=True)]
    print(
        f"{ours:.1f} against {baseline:.1f} chunks/s: {ours / baseline:.1f} times as fast"
        f" (in the rounds {', '.join(f'{ratio:.1f}' for ratio in ratios)}); {load_line()}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ingestion", description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency-ms", type=int, default=50)
    options = parser.parse_args()
    print(machine_line())
    with tempfile.TemporaryDirectory(prefix="bench-ingestion-") as directory:
        Path(directory).chmod(0o755)  # Postgres may run as another user and reaches its data through here.
        try:
            run(options, Path(directory))
        except BenchError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
