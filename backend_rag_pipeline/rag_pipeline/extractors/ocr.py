"""Text in pictures, by tesseract. It is built into the library; only its language data has to be installed."""

import xberg

from rag_pipeline.extractors.cleaning import clean_text
from rag_pipeline.extractors.language_data import find_data
from rag_pipeline.extractors.reader import read


def read_image(content: bytes, mime_type: str, languages: tuple[str, ...]) -> str:
    """The text in a picture; empty where there is none."""
    document = read(content, mime_type, ocr=_config(languages))
    return clean_text(document.content)


def read_pdf_page(content: bytes, languages: tuple[str, ...]) -> str:
    """The text of a PDF of one page that is a picture."""
    document = read(content, "application/pdf", ocr=_config(languages), ocr_pages=[1])
    return clean_text("\n\n".join(page.content for page in document.pages or []))


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
