"""The documents that a new stack begins with."""

from importlib import import_module
from typing import Any, cast

from local_stack.sample_guide import GUIDE, PAGES, make_guide
from local_stack.seeding import SAMPLE_DOCUMENTS

BYTES_MAX = 60_000


def test_the_guide_is_what_its_script_makes() -> None:
    assert GUIDE.read_bytes() == make_guide(), "run python -m local_stack.sample_guide"


def test_each_page_of_the_guide_holds_its_headings() -> None:
    pdf = cast(Any, import_module("pypdfium2")).PdfDocument(GUIDE.read_bytes())
    texts = [page.get_textpage().get_text_range() for page in pdf]
    assert len(texts) == len(PAGES) >= 2
    for text, page in zip(texts, PAGES, strict=True):
        assert all(heading in text for heading, _ in page)


def test_samples_are_small_and_of_several_formats() -> None:
    samples = [path for path in SAMPLE_DOCUMENTS.iterdir() if path.is_file()]
    assert all(path.stat().st_size < BYTES_MAX for path in samples)
    assert {path.suffix for path in samples} >= {".md", ".pdf", ".csv"}
