"""`python -m bench.retrieval`: how well passages are found, by four ways to search, and on which page."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from bench.machine import load_line, machine_line
from bench.retrieval.corpus import Document, make_documents, renew_manifest
from bench.retrieval.figures import Answer, figures, separation, threshold_keeping
from bench.retrieval.library import (
    INDEXED,
    WITHOUT_CONTEXT,
    Hit,
    Library,
    Mode,
    Model,
    forget_context,
    index_documents,
    open_library,
    run_model,
)
from bench.retrieval.questions import Half, Question, answering, occurrences, read_questions
from bench.servers import BenchError, run_postgres

WAYS: tuple[tuple[str, str, Mode], ...] = (
    ("vector only", WITHOUT_CONTEXT, "vector"),
    ("full text only", WITHOUT_CONTEXT, "text"),
    ("hybrid", WITHOUT_CONTEXT, "hybrid"),
    ("vector only, with context", INDEXED, "vector"),
    ("full text only, with context", INDEXED, "text"),
    ("hybrid, with context (default)", INDEXED, "hybrid"),
)
KEPT_SHARE = 0.9


@dataclass
class Asked:
    """What all questions of one way gave."""

    answers: dict[Half, list[Answer]] = field(default_factory=lambda: {"dev": [], "test": []})
    missed: list[str] = field(default_factory=list[str])


async def ask(
    library: Library,
    mode: Mode,
    questions: Sequence[Question],
    vectors: Sequence[str],
    documents: dict[str, Document],
) -> Asked:
    """Ask all questions that have an answer."""
    asked = Asked()
    chunks = await library.chunks()
    for question, vector in zip(questions, vectors, strict=True):
        if question.document is None:
            continue
        hits = await library.search(question.question, vector, mode)
        own = chunks[question.document]
        right = {own[index] for index in answering(question.quote, own)}
        answer = judge(question, hits, right, documents[question.document])
        asked.answers[question.half].append(answer)
        if answer.rank is None:
            asked.missed.append(question.id)
    return asked


def judge(question: Question, hits: Sequence[Hit], right: set[str], document: Document) -> Answer:
    """Where the passage came. Its page is known from the making of the file."""
    page = next((n for n, text in enumerate(document.pages, 1) if occurrences(question.quote, text)), None)
    for rank, hit in enumerate(hits, 1):
        if hit.document == question.document and hit.content in right:
            return Answer(rank, page, hit.page)
    return Answer(None, page)


async def report_unanswered(library: Library, questions: Sequence[Question], vectors: Sequence[str]) -> None:
    """Whether the nearest chunk's similarity tells that there is no answer."""
    scores = [await library.similarity(vector) for vector in vectors]
    by_half = {
        half: (
            [s for q, s in zip(questions, scores, strict=True) if q.half == half and q.is_answerable],
            [s for q, s in zip(questions, scores, strict=True) if q.half == half and not q.is_answerable],
        )
        for half in ("dev", "test")
    }
    threshold = threshold_keeping(by_half["dev"][0], KEPT_SHARE)
    print(f"\nquestions without an answer, by the nearest chunk's similarity (threshold {threshold:.2f}, from dev)")
    for half, (answered, unanswered) in by_half.items():
        print(
            f"  {half}: {mean(answered):.2f} with an answer ({len(answered)}), {mean(unanswered):.2f} without"
            f" ({len(unanswered)}); separation {separation(answered, unanswered):.3f}; above the threshold"
            f" {mean(s >= threshold for s in answered):.1%} and {mean(s >= threshold for s in unanswered):.1%}"
        )


async def run(options: argparse.Namespace, directory: Path) -> None:
    made = sorted(make_documents(), key=lambda document: len(document.text))
    documents = {document.entry.name: document for document in made[: options.documents]}
    questions = [each for each in read_questions() if each.document is None or each.document in documents]
    answerable = sum(question.is_answerable for question in questions)
    print(f"{len(documents)} documents, {len(questions)} questions, {answerable} with an answer")
    with run_postgres(directory) as cluster, run_model(directory) as base_url:
        model = Model(base_url)
        ingested = await asyncio.to_thread(
            index_documents,
            cluster,
            base_url,
            list(documents.values()),
            directory,
            chunk_size=options.chunk_size,
            overlap=options.overlap,
        )
        await forget_context(cluster, model)
        vectors = await model.embed([question.question for question in questions])
        await model.close()
        results: list[tuple[str, Asked, float]] = []
        for title, database, mode in WAYS:
            async with open_library(cluster, database) as library:
                asked = await ask(library, mode, questions, vectors, documents)
                results.append((title, asked, mean(library.seconds[mode]) * 1000))
        async with open_library(cluster, INDEXED) as library:
            count = sum(len(chunks) for chunks in (await library.chunks()).values())
            print(f"{ingested.files} files, {count} chunks, indexed in {ingested.seconds:.0f} s; {load_line()}")
            print_figures(results)
            await report_unanswered(library, questions, vectors)
    if options.missed:
        print(f"\nnot among 20, by the default: {', '.join(results[-1][1].missed)}")


def print_figures(results: Sequence[tuple[str, Asked, float]]) -> None:
    width = max(len(title) for title, _, _ in results)
    halves: tuple[tuple[Half, str], ...] = (("dev", "for tuning"), ("test", "for the report"))
    for half, purpose in halves:
        print(f"\n{half} ({purpose}, {len(results[0][1].answers[half])} questions)")
        print(f"{'':{width}}  recall@5  recall@20  nDCG@10   page right")
        for title, asked, _ in results:
            print(figures(asked.answers[half]).line(title, width))
    print("\nms per search, mean: " + ", ".join(f"{title} {ms:.0f}" for title, _, ms in results))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.retrieval", description=__doc__)
    parser.add_argument("--chunk-size", type=int, help="instead of the embedded stack's")
    parser.add_argument("--overlap", type=int, help="instead of the worker's default")
    parser.add_argument("--documents", type=int, help="only so many, the shortest: a quick look")
    parser.add_argument("--missed", action="store_true", help="name the questions whose passage was not found")
    parser.add_argument("--renew-manifest", action="store_true", help="after other versions were locked")
    options = parser.parse_args()
    if options.renew_manifest:
        print("\n".join(renew_manifest()) or "nothing has changed")
        return 0
    print(machine_line())
    with tempfile.TemporaryDirectory(prefix="bench-retrieval-") as directory:
        Path(directory).chmod(0o755)  # Postgres may run as another user and reaches its data through here.
        try:
            asyncio.run(run(options, Path(directory)))
        except BenchError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
