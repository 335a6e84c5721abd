"""What a document calls itself."""

import time

import pytest

from rag_pipeline.extractors.model import Extraction, PageText
from rag_pipeline.titles import title_of

MARKDOWN = "text/markdown"


def extraction(title: str | None = None, text: str = "", mime_type: str = MARKDOWN) -> Extraction:
    return Extraction(title=title, mime_type=mime_type, pages=(PageText(None, text),))


@pytest.mark.parametrize("title", ["Handbook of returns", "\u8acb\u6c42\u66f8", "3 reports", "Page layout"])
def test_a_title_that_says_something_is_taken(title: str) -> None:
    assert title_of(extraction(title, "# Another heading")) == title


@pytest.mark.parametrize(
    "title",
    [
        *(None, "", " ", "-", "2026", "Untitled", "untitled 3", "Document1", "PowerPoint-Pr\u00e4sentation", "Slide 1"),
        *("PowerPoint Presentation", "Microsoft Word - offer_final(2).doc", "offer.docx", "C:\\files\\an offer.doc"),
        *("Book1", "Untitled document", "Scanned document"),
    ],
)
def test_a_title_that_says_nothing_gives_way_to_the_first_heading(title: str | None) -> None:
    assert title_of(extraction(title, "# The **first** [heading](http://example.com) #\n\ntext")) == "The first heading"
    assert title_of(extraction(title, "text, and then\n\n# A heading")) is None


def test_in_plain_text_a_number_sign_is_no_heading() -> None:
    assert title_of(extraction(None, "# settings of this machine", "text/plain")) is None


def test_a_long_title_is_cut() -> None:
    assert len(title_of(extraction("word " * 100)) or "") <= 200


@pytest.mark.parametrize("text", ["[" * 400_000, " " * 400_000 + "x", "[a](" * 100_000, "#" * 400_000, "/." * 200_000])
def test_a_hostile_heading_takes_no_time(text: str) -> None:
    began = time.process_time()
    title_of(extraction(text, f"# {text}"))
    title_of(extraction(None, text))
    assert time.process_time() - began < 1
