"""Text in pictures, by tesseract. It is built into the library; only its language data has to be installed."""

from collections.abc import Sequence

import xberg

from rag_pipeline.extractors.cleaning import clean_text
from rag_pipeline.extractors.language_data import find_data
from rag_pipeline.extractors.reader import read


def read_image(content: bytes, mime_type: str, languages: tuple[str, ...]) -> str:
    """The text in a picture; empty where there is none."""
    document = read(content, mime_type, ocr=_config(languages))
    return clean_text(document.content)


def read_pdf_pages(content: bytes, numbers: Sequence[int], languages: tuple[str, ...]) -> dict[int, str]:
    """The text of pages that are pictures, by page number from 1."""
    document = read(content, "application/pdf", ocr=_config(languages), ocr_pages=list(numbers))
    wanted = set(numbers)
    return {page.page_number: clean_text(page.content) for page in document.pages or [] if page.page_number in wanted}


def _config(languages: tuple[str, ...]) -> xberg.OcrConfig:
    data = find_data(languages)
    assert data is not None
    return xberg.OcrConfig(
        backend="tesseract",
        language=data.languages,
        tessdata_path=str(data.directory),
        # Its cache would keep what people's documents say on the disk.
        tesseract_config=xberg.TesseractConfig(language=data.languages, use_cache=False),
    )
