"""The evaluation set of bench/retrieval is what it says: real texts, and questions whose passages stand in them."""

from importlib import import_module
from typing import Any, cast

import pytest

from bench.retrieval.corpus import Document, make_document, make_documents, read_manifest
from bench.retrieval.figures import Answer, figures, separation, threshold_keeping
from bench.retrieval.paper import CHARACTERS_PER_LINE, LINES_PER_PAGE, Line, pages_of, plain_lines
from bench.retrieval.questions import Question, answering, occurrences, read_questions

PERMISSIVE = ("MIT", "BSD-", "Apache-2.0", "ISC", "0BSD", "Artistic-2.0")


@pytest.fixture(scope="module")
def documents() -> dict[str, Document]:
    """Raises where an installed package holds another text than the manifest says."""
    return {document.entry.name: document for document in make_documents()}


def test_the_set_is_large_enough_and_free_to_use() -> None:
    entries, questions = read_manifest(), read_questions()
    assert len({entry.name for entry in entries}) == len(entries) >= 60
    assert len({question.id for question in questions}) == len(questions)
    assert sum(question.is_answerable for question in questions) >= 80
    assert sum(not question.is_answerable for question in questions) >= 10
    assert all(entry.licence.startswith(PERMISSIVE) for entry in entries)
    for half in ("dev", "test"):
        mine = [question for question in questions if question.half == half]
        assert len(mine) >= len(questions) * 0.4
        assert any(not question.is_answerable for question in mine)


def test_each_quote_stands_once_in_its_document_and_on_one_page(documents: dict[str, Document]) -> None:
    wrong: list[str] = []
    for question in read_questions():
        if question.document is not None:
            document = documents[question.document]
            on_pages = sum(occurrences(question.quote, page) > 0 for page in document.pages)
            if occurrences(question.quote, document.text) != 1 or (document.pages and on_pages != 1):
                wrong.append(question.id)
    assert wrong == []


def test_questions_do_not_repeat_their_passage() -> None:
    copied = [each.id for each in read_questions() if each.is_answerable and occurrences(each.quote, each.question)]
    assert copied == []


def test_each_page_of_a_pdf_holds_what_it_is_said_to_hold() -> None:
    entry = min((entry for entry in read_manifest() if entry.format == "pdf"), key=lambda entry: entry.name)
    document = make_document(entry)
    pdf = cast(Any, import_module("pypdfium2")).PdfDocument(document.content)
    read = [page.get_textpage().get_text_range() for page in pdf]
    assert len(read) == len(document.pages) > 3
    for page, text in zip(document.pages, read, strict=True):
        assert page.split()[:20] == text.split()[:20]


def test_paragraphs_stay_together_and_nothing_is_lost() -> None:
    source = "# Top\n\n" + "\n\n".join(f"Paragraph {n}: " + "some words " * 40 for n in range(30))
    pages = pages_of(plain_lines(source, markup="md"))
    assert len(pages) > 1
    assert pages[0][0] == Line("Top", 1)
    assert all(len(page) <= LINES_PER_PAGE for page in pages)
    assert all(len(line.text) <= CHARACTERS_PER_LINE for page in pages for line in page)
    texts = ["\n".join(line.text for line in page) for page in pages]
    assert " ".join(texts).split() == source.removeprefix("# ").split()
    assert all(texts[n].lstrip().startswith("Paragraph") for n in range(1, len(texts)))


def test_markup_goes_and_headings_are_known() -> None:
    assert plain_lines("Title\n=====\n``code`` and `a link <https://example.com>`_\n", markup="rst") == [
        Line("Title", 1),
        Line("code and a link"),
    ]
    assert plain_lines("## [Two](x) ##\n```\n# no heading\n```\n", markup="md") == [
        Line("Two", 2),
        Line("# no heading"),
    ]


def test_a_passage_that_a_border_cuts_is_found_in_the_chunk_with_its_larger_half() -> None:
    quote = "one two three four"
    assert answering(quote, ["x one two, THREE four y", "one two"]) == {0}
    assert answering(quote, ["x one two three", "three four", "four five"]) == {0, 1}
    assert answering(quote, ["nothing of it"]) == set()


def test_the_figures_of_a_ranking() -> None:
    found = figures([Answer(1, 3, 3), Answer(3), Answer(20, 7, 8), Answer(5, 2, 1), Answer(None, 4)])
    assert (found.recall_5, found.recall_20) == (0.6, 0.8)
    assert found.ndcg_10 == pytest.approx((1 + 0.5 + 0 + 0.38685 + 0) / 5, abs=1e-4)
    assert found.pages == (1, 2), "pages of what stands among the first five"


def test_separation_and_threshold() -> None:
    assert separation([3, 4], [1, 2]) == 1
    assert separation([1, 2], [1, 2]) == 0.5
    assert threshold_keeping([1.0, 2.0, 3.0, 4.0], 0.75) == 2.0


def test_the_half_of_a_question_never_changes() -> None:
    halves = [Question(name, "").half for name in ("watchdog-1", "ruff-1", "none-1", "h11-1")]
    assert halves == ["test", "dev", "dev", "dev"]
