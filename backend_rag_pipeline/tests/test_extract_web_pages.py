"""What of a web page or a book's chapter is read, and what a browser would not show."""

import time

import pytest
from made_files import make_epub, with_part

from rag_pipeline.extractors.dispatch import extract_file
from rag_pipeline.extractors.documents import extract_html
from rag_pipeline.extractors.limits import ExtractionLimits


def text_of(body: str) -> str:
    return extract_html(f"<html><body>{body}</body></html>").pages[0].text


@pytest.mark.parametrize(
    "style", ["font-size:0.9em", "margin:0;font-size: 0.875rem", "font-size:.9em", "opacity:0.9", "fill-opacity:0"]
)
def test_small_print_is_read(style: str) -> None:
    assert text_of(f'<p>Terms.</p><p style="{style}">Ends within 14 days.</p>') == "Terms.\n\nEnds within 14 days."


@pytest.mark.parametrize(
    "style",
    [
        *(
            "font-size:0",
            "font-size: 0px;",
            "opacity:0",
            "color:red; opacity: 0.0;",
            "OPACITY:0%",
            "opacity:0!important",
        ),
        *("display:none", "color:red; display: none", "visibility: hidden", "visibility:hidden;"),
    ],
)
@pytest.mark.parametrize("tag", ["p", "span", 'div class="a"'])
def test_what_its_style_hides_is_not_read(style: str, tag: str) -> None:
    page = f'<p>Terms.</p><{tag} style="{style}">Hidden <b>too</b></{tag.split()[0]}><p>End.</p>'
    assert text_of(page) == "Terms.\n\nEnd."
    assert text_of(page.replace('"', "'")) == "Terms.\n\nEnd."


def test_a_style_that_a_page_writes_about_is_read() -> None:
    assert text_of('<pre>&lt;p style="opacity:0"&gt;</pre>') == '```\n<p style="opacity:0">\n```'


def test_a_page_keeps_its_head_without_its_navigation() -> None:
    head = "<header><nav>home</nav><h1>Rental terms</h1><p>Signed in May.</p></header>"
    page = f'{head}<div><nav class="toc"><a href="#a">Deposit</a></nav></div><main><p>Body.</p></main>'
    assert text_of(page) == "# Rental terms\n\nSigned in May.\n\nBody."


def test_a_chapter_of_a_book_keeps_its_head() -> None:
    chapter = "<body><nav>Contents</nav><header><h1>Chapter</h1></header><p>Its text.</p></body>"
    book = with_part(make_epub(), "a.xhtml", f'<html xmlns="http://www.w3.org/1999/xhtml">{chapter}</html>'.encode())
    found = extract_file(book, file_name="a.epub", mime_type=None, limits=ExtractionLimits())
    assert found.pages[0].text == "# Chapter\n\nIts text."


@pytest.mark.parametrize(
    "page",
    ['<a style="' * 100_000, "<a style" + " " * 900_000, ('<a style="' + "opacity:0 " * 100) * 1_000, "<a " * 300_000],
    ids=["half styles", "blanks", "half opacities", "tags"],
)
def test_a_page_written_to_stop_us_does_not(page: str) -> None:
    began = time.process_time()
    extract_html(page)
    assert time.process_time() - began < 5
