"""Text that makes patterns take for ever."""

import time

import pytest

from rag_pipeline.extractors.cleaning import clean_text
from rag_pipeline.extractors.detect import detect_text
from rag_pipeline.extractors.documents import extract_html
from rag_pipeline.extractors.reader import read


@pytest.mark.parametrize(
    "text",
    ["<!-- a -->" * 400 + "<x>", "<html>" + "<title" * 50_000, "<html>" + "<title>" * 50_000, " " * 300_000 + "x"],
    ids=["comments", "half titles", "open titles", "blanks"],
)
def test_text_written_to_stop_us_does_not(text: str) -> None:
    began = time.process_time()
    # The library's own time, which none of our patterns makes longer: it is what a reader's time limit is for.
    read(text.encode(), "text/html")
    of_the_library = time.process_time() - began
    clean_text(text)
    detect_text(text, file_name="a.txt", mime_type=None)
    extract_html(text)
    assert time.process_time() - began < 5 + 3 * of_the_library
