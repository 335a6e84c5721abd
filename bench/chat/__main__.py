"""`python -m bench.chat`: 32, 128 and 512 answers of 50 chunks 20 ms apart, streamed at once. See bench/README.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from cryptography.hazmat.primitives.asymmetric import ec

from bench.chat.figures import Round, added, judge, make_round, median_round
from bench.chat.litellm import ensure_litellm, litellm_version
from bench.chat.ways import Readers, Way, make_readers, make_streams, run_all
from bench.machine import cpu_seconds, load_line, machine_line
from bench.servers import BenchError, add_users, ledger_faults, run_postgres
from local_stack.paths import REPOSITORY
from local_stack.postgres.cluster import Cluster

TOKENS_EACH = 1_000_000
QUIET_SECONDS = 0.6
"""After each round: what an answer costs includes storing its last events."""
WARM_UP_STREAMS = 8
GENERATOR_BUSY_MAX = 0.8
CHARGES = """
select count(*), count(*) filter (where status = 'done'), (
    select -coalesce(sum(tokens), 0) from public.transactions where transaction_type in ('consumption', 'release')
) from public.requests
"""


@dataclass(frozen=True)
class Options:
    """What to run."""

    streams: list[int]
    rounds: int
    chunks: int
    pause_ms: int
    unjoined: bool
    litellm: Path | None
    hold: bool

    def answers(self, streams: int) -> int:
        """Answers that each stream asks for, one after another: enough that all run at once for most of the time."""
        return 4 if streams <= 64 else 3 if streams <= 256 else 1

    @property
    def question(self) -> str:
        return f"[[chunks={self.chunks},ms={self.pause_ms}]]"

    @property
    def expected(self) -> str:
        return "".join(f"word{number} " for number in range(1, self.chunks + 1))

    @property
    def spread_seconds(self) -> float:
        """Streams begin within the time of one answer: people do not ask at the same moment."""
        return self.chunks * self.pause_ms / 1000


def generate(job: dict[str, Any]) -> dict[str, Any]:
    """Run the load generator in a process of its own. Raises BenchError where no answer is complete."""
    command = [sys.executable, "-m", "bench.chat.load"]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, cwd=REPOSITORY, check=False)
    if done.returncode != 0:
        raise BenchError(done.stderr[-2000:])
    result = json.loads(done.stdout)
    if not result["answer_seconds"]:
        raise BenchError(f"no complete answer: {result['faults']}")
    if result["broken"]:
        print(f"{result['broken']} answers are not complete: {result['faults']}", file=sys.stderr)
    return result


class Bench:
    """Everything that one run shares."""

    def __init__(
        self, options: Options, ways: list[Way], owner: asyncpg.Connection[asyncpg.Record], readers: Readers
    ) -> None:
        self._options, self._ways, self._owner, self._readers = options, ways, owner, readers

    async def measure(self, way: Way, streams: int, answers: int) -> Round:
        """One way at one number of streams, once."""
        options = self._options
        requests = await make_streams(
            way, self._owner, self._readers, streams=streams, answers=answers, question=options.question
        )
        job: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": way.port,
            "path": way.path,
            "streams": requests,
            "spread_seconds": options.spread_seconds,
            "first_mark": "word1 ",
            "expected": options.expected,
        }
        used_before = cpu_seconds(way.pid)
        result = await asyncio.to_thread(generate, job)
        await asyncio.sleep(QUIET_SECONDS)
        return make_round(
            result,
            wall_seconds=result["wall_seconds"],
            busy=result["busy"],
            cpu_seconds=cpu_seconds(way.pid) - used_before,
        )

    async def run(self) -> dict[int, dict[str, list[Round]]]:
        """All rounds, the ways taking turns, so that a disturbance meets all of them."""
        for way in self._ways:
            await self.measure(way, min(WARM_UP_STREAMS, len(self._readers.users)), 1)
        measured: dict[int, dict[str, list[Round]]] = {n: defaultdict(list) for n in self._options.streams}
        for number in range(self._options.rounds):
            for streams in self._options.streams:
                for way in self._ways:
                    figures = await self.measure(way, streams, self._options.answers(streams))
                    measured[streams][way.name].append(figures)
                    print(
                        f"round {number + 1}, {streams} streams, {way.name}: {figures.cpu_ms:.1f} ms CPU, "
                        f"{figures.answers_per_second:.0f}/s",
                        file=sys.stderr,
                    )
        return measured


def report(measured: dict[int, dict[str, list[Round]]], ways: list[Way]) -> None:
    """Tables with the goals beneath them."""
    for streams, by_way in measured.items():
        figures = {name: median_round(rounds) for name, rounds in by_way.items()}
        direct = figures[ways[0].name]
        print(f"\n{streams} streams")
        heads = f"{'CPU/answer':>12}{'first token added: median':>27}{'p95':>9}{'answers/s':>11}{'slowest/median':>16}"
        print(f"  {'':28}{heads}")
        for name, way in figures.items():
            first, p95 = added(way, direct)
            times = f"{first:>24.1f} ms{p95:>6.0f} ms"
            if way is direct:
                times = f"{f'(itself {direct.first_median_ms:.1f} ms)':>27}{direct.first_p95_ms:>6.0f} ms"
            print(
                f"  {name:28}{way.cpu_ms:>9.1f} ms{times}{way.answers_per_second:>11.1f}{way.slowest_of_median:>16.2f}"
            )
            if way.broken:
                print(f"  ! {way.broken:.0f} answers were refused or broke off")
            if way.generator_busy > GENERATOR_BUSY_MAX:
                print(f"  ! the load generator was busy for {way.generator_busy:.0%}: it may limit this figure")
        peer = next((figures[name] for name in figures if name.startswith("LiteLLM")), None)
        for goal in judge(streams, figures["api"], direct, peer):
            print(f"  {goal.line()}")


async def run_bench(options: Options, directory: Path, cluster: Cluster) -> None:
    """Start everything, measure, report; the books must be right at the end."""
    users = await add_users(cluster, count=max(*options.streams, WARM_UP_STREAMS), tokens=TOKENS_EACH)
    key = ec.generate_private_key(ec.SECP256R1())
    owner = await asyncpg.connect(cluster.dsn())
    try:
        with run_all(directory, cluster, key, unjoined=options.unjoined, litellm=options.litellm) as ways:
            if options.hold:
                print(f"processes: {', '.join(f'{way.name} {way.pid}' for way in ways)}", file=sys.stderr)
            measured = await Bench(options, ways, owner, make_readers(users, key)).run()
        report(measured, ways)
        faults = await ledger_faults(cluster)
        if faults:
            raise BenchError(f"audit_ledger() reports {faults} faults")
        row = await owner.fetchrow(CHARGES)
        assert row is not None
        asked, done, charged = row
        if done != charged:
            raise BenchError(f"{asked} turns, {done} of them done, {charged} tokens taken and not given back")
        print(f"\n{asked} turns, {done} settled as done and charged once each; audit_ledger() is empty")
    finally:
        await owner.close()


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.chat", description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[32, 128, 512], help="numbers of streams at once")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunks", type=int, default=50, help="chunks of an answer")
    parser.add_argument("--ms", type=int, default=20, help="milliseconds between chunks")
    parser.add_argument("--with-litellm", action="store_true", help="compare with LiteLLM's proxy as well")
    parser.add_argument("--without-unjoined", action="store_true", help="leave out the API with joining off")
    parser.add_argument("--show-processes", action="store_true", help="print process ids, for a profiler")
    arguments = parser.parse_args()
    try:
        litellm = ensure_litellm() if arguments.with_litellm else None
        options = Options(
            arguments.streams,
            arguments.rounds,
            arguments.chunks,
            arguments.ms,
            not arguments.without_unjoined,
            litellm,
            arguments.show_processes,
        )
        peer = f", LiteLLM {litellm_version(litellm)}" if litellm else ""
        print(f"{machine_line()}{peer}; before: {load_line()}")
        with tempfile.TemporaryDirectory(prefix="bench-chat-") as temporary:
            directory = Path(temporary)
            directory.chmod(0o755)  # The server's own account must reach its data.
            with run_postgres(directory) as cluster:
                asyncio.run(run_bench(options, directory, cluster))
        print(f"after: {load_line()}")
    except BenchError as error:
        print(f"bench.chat: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
