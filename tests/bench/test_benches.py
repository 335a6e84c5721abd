"""The benchmarks run to their end and print figures. How fast anything is depends on the machine: not asserted."""

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from bench.chat.figures import Round, judge, make_round, median_round
from bench.chat.load import dechunk, read_text
from local_stack.paths import REPOSITORY

RUN_SECONDS_MAX = 900


def run_bench(*arguments: str) -> str:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_bench_chat_prints_figures_of_every_way() -> None:
    printed = run_bench("bench.chat", "--streams", "2", "--rounds", "1", "--chunks", "5", "--ms", "10")
    for way in ("model direct", "bare relay, no database", "api", "api, joining off"):
        line = re.search(rf"^  {re.escape(way)} {{2,}}.*$", printed, re.M)
        assert line, printed
        cpu_ms, rate = re.findall(r"(\d+\.\d)(?: ms|\b)", line[0])[0], line[0].split()[-2]
        assert float(cpu_ms) > 0
        assert float(rate) > 0
    # Two ways through the API: two streams with four answers each, and eight answers to warm up.
    assert re.search(r"^32 turns, 32 settled as done and charged once each; audit_ledger\(\) is empty$", printed, re.M)


def test_bench_debit_prints_figures_and_every_call_debits() -> None:
    printed = run_bench("bench.debit", "--clients", "2", "--rounds", "1", "--seconds", "1", "--users", "5")
    rates = re.findall(r"^2 clients, (?:5 users|one hot user) +(\d+) +(\d+) +\d+\.\d\d$", printed, re.M)
    assert len(rates) == 2
    assert all(int(rate) > 0 for pair in rates for rate in pair)
    assert re.search(r"^[1-9]\d* turns begun, as many tokens taken; audit_ledger\(\) is empty$", printed, re.M)


def test_bench_webhook_prints_figures_and_credits_every_payment() -> None:
    arguments = ("--connections", "2", "--rounds", "1", "--events", "10", "--people", "3")
    printed = run_bench("bench.webhook", *arguments)
    for title in ("a payment each", "the same events again", "of another app: kept, ignored", "the SQL function alone"):
        rate = re.search(rf"^  {re.escape(title)} +(\d+) events/s", printed, re.M)
        assert rate, printed
        assert int(rate[1]) > 0
    assert re.search(r"^audit_ledger\(\): no faults$", printed, re.M)


def test_bench_retrieval_prints_figures_of_every_way_to_search() -> None:
    printed = run_bench("bench.retrieval", "--documents", "5")
    ways = [f"{mode}{context}" for context in ("", ", with context") for mode in ("vector only", "full text only")]
    for title in (*ways, "hybrid", "hybrid, with context (default)"):
        lines = re.findall(rf"^{re.escape(title)} {{2,}}(\d+\.\d)% +(\d+\.\d)% +\d\.\d{{3}} ", printed, re.M)
        assert len(lines) == 2, printed
        assert all(0 < float(recall_5) <= float(recall_20) <= 100 for recall_5, recall_20 in lines), printed
    assert re.search(r"^  test: .* separation \d\.\d{3};", printed, re.M)


def test_bench_ingestion_prints_figures_and_a_second_run_asks_nothing() -> None:
    printed = run_bench("bench.ingestion", "--files", "8", "--rounds", "1")
    chunks: dict[str, int] = {}
    for title in ("as it comes", "one at a time", "again, nothing changed"):
        line = re.search(rf"^  {title} +(\d+) files +(\d+) chunks .* (\d+) calls, +(\d+) texts", printed, re.M)
        assert line, printed
        chunks[title] = int(line[2])
        assert (int(line[1]) == 0) == (int(line[3]) == 0) == (title == "again, nothing changed")
    assert len(set(chunks.values())) == 1
    assert re.search(r"chunks/s: \d+\.\d times as fast", printed)


def test_a_chunked_answer_is_read_back() -> None:
    event = b'data: {"type":"text-delta","id":"0","delta":"word1 "}\n\n'
    body = b"%x\r\n%s\r\n" % (len(event), event) * 2 + b"0\r\n\r\n"
    assert dechunk(body) == event * 2
    assert read_text(b"HTTP/1.1 200 OK\r\nx: y\r\n\r\n" + body) == "word1 word1 "
    with pytest.raises(ValueError, match="503"):
        read_text(b"HTTP/1.1 503 Service Unavailable\r\n\r\n{}")


def make(cpu_ms: float, *, first: float = 10, rate: float = 100, slowest: float = 1.1) -> Round:
    return Round(cpu_ms, first, first * 2, rate, slowest, 0.1)


def test_the_figures_of_a_round() -> None:
    times = {"first_seconds": [0.01, 0.02, 0.03], "answer_seconds": [1.0, 1.0, 3.0], "broken": 1}
    figures = make_round(times, wall_seconds=3, busy=0.1, cpu_seconds=0.03)
    assert figures == Round(10, 20, 30, 1, 3, 0.1, 1)
    assert median_round([make(1), make(5), make(2)]).cpu_ms == 2


def test_one_broken_answer_in_one_round_is_not_hidden_by_the_median() -> None:
    rounds = [make(1), make(1), replace(make(1), broken=3)]
    assert median_round(rounds).broken == 3


@pytest.mark.parametrize(
    ("streams", "api", "missed"),
    [
        (32, make(12, first=11), []),
        (32, make(12.1, first=11), ["CPU per answer at most 12 ms", "CPU per answer at most 1/4 of LiteLLM's"]),
        (128, make(20, first=30.1), ["first token at most 1/10 of LiteLLM's"]),
        (512, make(20, rate=91), ["at least 92 answers/s", "at least 5 times LiteLLM's answers/s"]),
        (512, make(20, slowest=2.0), ["slowest answer under twice the median"]),
    ],
)
def test_a_missed_goal_is_named(streams: int, api: Round, missed: list[str]) -> None:
    goals = judge(streams, api, direct=make(1, first=10), peer=make(48, first=210, rate=20))
    assert [goal.text for goal in goals if not goal.is_met] == missed
