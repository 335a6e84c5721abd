"""Text, pages and headings of real files, read in this process."""
# ruff: noqa: RUF001 - letters and signs of many encodings are what is tested

import pytest
from made_files import (
    make_docx,
    make_epub,
    make_image,
    make_odt,
    make_pdf,
    make_pptx,
    make_scan,
    make_zip,
)

from rag_pipeline.extractors.dispatch import extract_file
from rag_pipeline.extractors.language_data import has_ocr
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.model import Extraction, ExtractionError

needs_ocr = pytest.mark.skipif(not has_ocr(()), reason="tesseract's language data is not installed")
WORDS = "The quick brown fox jumps over the lazy dog."


def extract(
    content: bytes, name: str = "file", *, mime_type: str | None = None, limits: ExtractionLimits | None = None
) -> Extraction:
    return extract_file(content, file_name=name, mime_type=mime_type, limits=limits or ExtractionLimits())


def text_of(content: bytes, name: str = "file") -> str:
    return "\n\n".join(page.text for page in extract(content, name).pages)


def code_of(content: bytes, name: str = "file", limits: ExtractionLimits | None = None) -> str:
    with pytest.raises(ExtractionError) as failure:
        extract(content, name, limits=limits)
    assert failure.value.is_permanent
    return failure.value.code


def test_a_pdf_keeps_its_pages_and_their_words() -> None:
    pages = [[f"Page {number} line {line}. {WORDS}" for line in range(20)] for number in range(1, 6)]
    found = extract(make_pdf(pages, title="A plain PDF"))
    assert found.title == "A plain PDF"
    assert found.mime_type == "application/pdf"
    assert [page.number for page in found.pages] == [1, 2, 3, 4, 5]
    for page, lines in zip(found.pages, pages, strict=True):
        assert page.text.split() == " ".join(lines).split()


@pytest.mark.parametrize("outline", [True, False])
def test_a_pdf_has_headings_from_its_outline_or_from_their_size(outline: bool) -> None:
    pages = [[f"# Chapter {number}", *[WORDS] * 12] for number in ("One", "Two")]
    found = extract(make_pdf(pages, outline=outline))
    assert [page.text.splitlines()[0] for page in found.pages] == ["# Chapter One", "# Chapter Two"]
    assert all(page.text.count("#") == 1 for page in found.pages)


def test_text_of_a_pdf_that_looks_like_a_heading_is_none() -> None:
    page = make_pdf([[WORDS, "## make install", WORDS]])
    assert "\\## make install" in extract(page).pages[0].text


def test_a_running_header_is_read_once() -> None:
    pages = [[f"Manual of things, page {number}", f"Text {number}. {WORDS}", WORDS] for number in range(1, 9)]
    found = extract(make_pdf(pages))
    assert sum("Manual of things" in page.text for page in found.pages) == 1
    assert all(f"Text {number}." in page.text for number, page in enumerate(found.pages, start=1))


def test_a_pdf_with_a_password_is_told_apart_from_a_damaged_one() -> None:
    content = make_pdf([[WORDS]], password="secret")
    assert code_of(content) == "encrypted"
    whole = make_pdf([[WORDS]])
    assert code_of(whole[:200]) == "unreadable"
    assert code_of(b"%PDF-1.7\nnothing") == "unreadable"


def test_a_pdf_of_too_many_pages_is_refused() -> None:
    assert code_of(make_pdf([["x"]] * 12), limits=ExtractionLimits(pages_max=10)) == "too_many_pages"


@needs_ocr
def test_a_scanned_page_is_read_by_ocr_on_its_own_page() -> None:
    found = extract(make_scan("INVOICE 4711 total 250 EUR"))
    assert "INVOICE 4711" in found.pages[0].text
    assert found.pages[1].text == "The last page holds text of its own."


@needs_ocr
@pytest.mark.parametrize(
    ("limits", "read"), [(ExtractionLimits(ocr_pages_max=2), 2), (ExtractionLimits(ocr_seconds_max=0), 0)]
)
def test_scanned_pages_beyond_a_limit_stay_unread_and_cost_no_others(limits: ExtractionLimits, read: int) -> None:
    found = extract(make_scan("INVOICE 4711", pictures=3), limits=limits)
    assert ["4711" in page.text for page in found.pages] == [True] * read + [False] * (4 - read)
    assert (found.pages[3].text, found.unread_pages) == ("The last page holds text of its own.", 3 - read)
    assert "only so many" in found.unread_reason


@needs_ocr
def test_each_picture_is_told_before_it_is_read() -> None:
    told: list[None] = []
    scan = make_scan("PAGE", pictures=2)
    extract_file(
        scan, file_name="a.pdf", mime_type=None, limits=ExtractionLimits(), on_picture=lambda: told.append(None)
    )
    assert len(told) == 2


@needs_ocr
def test_a_page_that_ocr_does_not_take_costs_no_others() -> None:
    found = extract(make_scan("", size=(0.1, 0.1)))
    assert [page.text for page in found.pages] == ["", "The last page holds text of its own."]
    assert (found.unread_pages, found.unread_reason) == (1, "these could not be read")


@needs_ocr
def test_pages_without_a_picture_are_no_scans() -> None:
    found = extract(make_pdf([["words"], [], [], []]), limits=ExtractionLimits(ocr_pages_max=1))
    assert ([page.text for page in found.pages], found.unread_pages) == (["words", "", "", ""], 0)


@needs_ocr
def test_scanned_pages_of_which_none_was_read_are_not_called_empty() -> None:
    scan = make_pdf([[]])
    assert code_of(scan, limits=ExtractionLimits(ocr_seconds_max=0)) == "needs_vision"
    assert code_of(scan) == "empty"


@needs_ocr
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP"])
def test_a_picture_is_read_by_ocr(kind: str) -> None:
    assert "INVOICE 4711" in text_of(make_image("INVOICE 4711", kind))


def test_without_ocr_pictures_say_so_and_text_pages_stay() -> None:
    limits = ExtractionLimits(ocr_languages=("xyz",))
    with pytest.raises(ExtractionError) as failure:
        extract_file(make_image("words"), file_name="a.png", mime_type=None, limits=limits)
    assert failure.value.code == "needs_vision"
    found = extract_file(make_scan("words"), file_name="a.pdf", mime_type=None, limits=limits)
    assert [bool(page.text) for page in found.pages] == [False, True]
    assert found.unread_pages == 1
    blank = extract_file(make_pdf([[], ["words"]]), file_name="a.pdf", mime_type=None, limits=limits)
    assert ([bool(page.text) for page in blank.pages], blank.unread_pages) == ([False, True], 0)


def test_a_docx_becomes_markdown_without_invented_pages() -> None:
    found = extract(make_docx(), "returns.docx")
    assert found.title == "Handbook of returns"
    assert [page.number for page in found.pages] == [None]
    text = found.pages[0].text
    assert text.startswith("# Returns\n\nGoods come back within 30 days if a < b & c > d.\n\n## Exceptions")
    assert "- Food is not taken back." in text
    assert "| Item | Days |\n| --- | --- |\n| Books | 60 |" in text


def test_slides_are_pages_with_their_notes() -> None:
    found = extract(make_pptx(), "talk.pptx")
    assert [page.number for page in found.pages] == [1, 2, 3]
    assert found.pages[1].text == "## Slide 2\n\nBody of slide 2\n\nNotes: Said on slide 2"


@pytest.mark.parametrize(("content", "expected"), [(make_epub(), "Its text."), (make_odt(), "# Open heading")])
def test_other_zipped_documents_are_read(content: bytes, expected: str) -> None:
    assert expected in text_of(content)


def test_rich_text_and_mail_are_read() -> None:
    assert text_of(rb"{\rtf1\ansi{\fonttbl\f0\fswiss Helvetica;}\f0\pard Some {\b bold} caf\'e9.\par}") == (
        "Some **bold** café."
    )
    mail = b"From: a@example.com\nTo: b@example.com\nSubject: Delivery\nContent-Type: text/plain\n\nIt arrived.\n"
    found = extract(mail, "mail.eml")
    assert found.title == "Delivery"
    assert "It arrived." in found.pages[0].text


def test_a_web_page_is_what_a_browser_shows() -> None:
    page = """<html><head><title>Prices &amp; terms</title><style>p{}</style><script>evil()</script></head><body>
    <nav>home about</nav><h1>Head</h1><p>Shown <b>text</b> &lt;here&gt;</p><p style="display: none">hidden1</p>
    <p hidden>hidden2</p><p style="font-size:0">hidden3</p><template>hidden4</template><!-- hidden5 -->
    <a href="javascript:run('x')">link</a><iframe src="file:///etc/passwd"></iframe>
    <table><tr><th>a</th></tr><tr><td>1</td></tr></table></body></html>"""
    found = extract(page.encode(), "page.html")
    text = found.pages[0].text
    assert found.title == "Prices & terms"
    assert "# Head\n\nShown **text** <here>" in text
    assert "| a |" in text
    for hidden in ("evil", "hidden", "javascript", "passwd", "home about"):
        assert hidden not in text


def test_a_web_page_in_its_own_encoding_is_read() -> None:
    page = '<html><head><meta charset="windows-1251"></head><body><p>Привет</p></body></html>'
    assert text_of(page.encode("cp1251"), "page.html") == "Привет"


def test_a_type_is_what_the_content_says() -> None:
    assert extract(b"just text", "report.docx").mime_type == "text/plain"
    assert extract(b"<!DOCTYPE html><p>hello</p>", "report.pdf").mime_type == "text/html"
    assert extract(make_pdf([[WORDS]]), "notes.txt").mime_type == "application/pdf"
    assert extract(make_docx(), "picture.png").mime_type.endswith("wordprocessingml.document")
    assert extract(b"a,b\n1,2\n", "export", mime_type="text/csv").mime_type == "text/csv"
    assert extract(b"# Head\n\ntext", "a.md").title == "Head"


@pytest.mark.parametrize("content", [b"", b" \n\t\n", b"\n" * 5000])
def test_an_empty_file_is_empty(content: bytes) -> None:
    assert code_of(content) == "empty"


@pytest.mark.parametrize(
    "content",
    [bytes(range(256)) * 20, b"\x7fELF\x02\x01\x01" + bytes(500), make_zip({"a.txt": "x"}), b"\x1f\x8b\x08\0\0"],
)
def test_what_is_no_document_is_unsupported(content: bytes) -> None:
    assert code_of(content) == "unsupported_type"


def test_a_truncated_office_file_is_unreadable() -> None:
    whole = make_docx()
    assert code_of(whole[: len(whole) // 2], "a.docx") == "unreadable"


def test_json_stays_as_written_and_endless_lines_are_laid_out() -> None:
    assert text_of(b'{"n": 12345678901234567890, "x": 1.10}', "a.json") == '{"n": 12345678901234567890, "x": 1.10}'
    long = "[" + ",".join(str(number) for number in range(2000)) + "]"
    assert len(text_of(long.encode(), "a.json").splitlines()) > 1000
    assert text_of(b"[" * 5000, "deep.json") == "[" * 5000


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Zoë – 日本語 🙂"),
        ("utf-8-sig", "Zoë – 日本語"),
        ("utf-16", "Zoë – 日本語"),
        ("utf-16-le", "Plain words in wide letters: Zoë"),
        ("utf-16-be", "Plain words in wide letters: Zoë"),
        ("utf-32", "Zoë"),
        ("cp1252", "Größe;Straße;Café\n1;2;3\n"),
        ("cp1252", "name;city\nZoë;Málaga\nJosé;Coruña"),
        ("cp1252", "Le café est déjà fermé, dit-elle. C’est désolé."),
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy."),
        ("cp1251", "Привет, как дела? Это тестовый документ на русском языке."),
        ("cp932", "日本語の文書です。これはテストです。文字コードを判定します。"),
        ("euc_jp", "日本語の文書です。これはテストです。文字コードを判定します。"),
        ("gb18030", "这是一个测试文档,用于检测字符编码。商品在交付后三十天内可以退货。"),
        ("big5", "這是一個測試文件,用於檢測字元編碼。"),
        ("cp949", "이것은 문자 인코딩을 감지하기 위한 테스트 문서입니다."),
        ("cp1253", "Αυτό είναι ένα έγγραφο δοκιμής στα ελληνικά."),
    ],
)
def test_text_is_read_in_any_usual_encoding(encoding: str, text: str) -> None:
    assert text_of(text.encode(encoding), "a.txt") == text.strip()


def test_what_hides_or_harms_is_cleaned_away() -> None:
    dirty = "a\x00b \u202eevil\u202c c\ufeff \U000e0041\U000e0042d\u200b e\x1b[31m\r\nnext\rline \ufb01ne cafe\u0301"
    assert text_of(dirty.encode(), "a.txt") == "ab evil c d e[31m\nnext\nline fine café"
    assert text_of(("plain words " * 20 + "\ud800").encode("utf-16-le", "surrogatepass"), "a.txt").encode()
