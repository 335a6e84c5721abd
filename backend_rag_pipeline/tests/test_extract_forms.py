"""PDF forms: what was filled in is read with the page it stands on."""

import io
from importlib import import_module
from typing import Any, cast

import pytest
from made_files import make_image

from rag_pipeline.extractors import pdfium
from rag_pipeline.extractors.dispatch import extract_file
from rag_pipeline.extractors.language_data import has_ocr
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.model import Extraction

reportlab_canvas = cast(Any, import_module("reportlab.pdfgen.canvas"))
reportlab_utils = cast(Any, import_module("reportlab.lib.utils"))
NO_OCR = ExtractionLimits(ocr_languages=("xyz",))


def make_form(*pages: list[tuple[str, str]], scan: bool = False) -> bytes:
    """Each page has these labels, drawn as text or as a picture, and beside them fields with these values."""
    file = io.BytesIO()
    canvas = reportlab_canvas.Canvas(file)
    for number, page in enumerate(pages):
        for row, (label, value) in enumerate(page):
            height = 750 - row * 25 % 700
            if scan:
                canvas.drawImage(reportlab_utils.ImageReader(io.BytesIO(make_image(label))), 20, height, 180, 40)
            else:
                canvas.drawString(72, height, label)
            canvas.acroForm.textfield(name=f"{number}.{row}", value=value, x=220, y=height, width=200, height=20)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def read(content: bytes, limits: ExtractionLimits | None = None) -> Extraction:
    return extract_file(content, file_name="a.pdf", mime_type=None, limits=limits or ExtractionLimits())


def test_what_is_filled_into_a_form_is_read_on_its_page() -> None:
    form = make_form([("Tenant:", "Example Ltd"), ("Rent:", "950 euros")], [("Deposit:", "")], [("Pets:", "none")])
    pages = [" ".join(page.text.split()) for page in read(form).pages]
    assert pages == ["Tenant: Rent: Example Ltd 950 euros", "Deposit:", "Pets: none"]


def test_a_value_that_looks_like_a_heading_is_none() -> None:
    assert read(make_form([("Tenant:", "# Example")])).pages[0].text.endswith("\\# Example")


@pytest.mark.skipif(not has_ocr(()), reason="tesseract's language data is not installed")
def test_a_scanned_form_is_read_by_ocr_and_by_its_fields() -> None:
    text = read(make_form([("INVOICE 4711", "Example Ltd")], scan=True)).pages[0].text
    assert "4711" in text
    assert "Example Ltd" in text


def test_a_scanned_form_without_ocr_says_that_its_picture_was_not_read() -> None:
    found = read(make_form([("INVOICE 4711", "Example Ltd")], scan=True), NO_OCR)
    assert (found.pages[0].text, found.unread_pages) == ("Example Ltd", 1)


def test_a_form_of_too_many_fields_is_read_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    form = make_form([("Tenant:", "Example Ltd")], [(f"Label {row}", f"value {row}") for row in range(20)])
    monkeypatch.setattr(pdfium, "_FIELDS_MAX", 10)
    first, second = read(form).pages
    assert "Example Ltd" in first.text
    assert "Label 19" in second.text
    assert "value" not in second.text


def test_only_a_page_with_fields_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    form = make_form([], [("Tenant:", "Example Ltd")], [], [(f"Label {row}", "value") for row in range(20)])
    read_pages: list[int] = []
    read_lines = pdfium.read_lines

    def counted(document: pdfium.PdfDocument, index: int) -> list[pdfium.Line]:
        read_pages.append(index)
        return read_lines(document, index)

    monkeypatch.setattr(pdfium, "read_lines", counted)
    monkeypatch.setattr(pdfium, "_FIELDS_MAX", 10)
    with pdfium.open_pdf(form) as document:
        assert [page for page, _ in pdfium.read_filled(document)] == [1]
    assert read_pages == [1, 1]
