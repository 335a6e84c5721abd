"""Text in pictures, by tesseract. It is built into the library; only its language data has to be installed."""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import xberg

from rag_pipeline.extractors.cleaning import clean_text
from rag_pipeline.extractors.reader import read

_DATA_DIRECTORIES = (
    *("/usr/share/tesseract-ocr/5/tessdata", "/usr/share/tesseract-ocr/4.00/tessdata", "/usr/share/tessdata"),
    *("/usr/local/share/tessdata", "/opt/homebrew/share/tessdata"),
)


@lru_cache
def _data_directory(languages: tuple[str, ...]) -> Path | None:
    """Where the language data lies."""
    for directory in (os.environ.get("TESSDATA_PREFIX"), *_DATA_DIRECTORIES):
        if directory and all((Path(directory) / f"{language}.traineddata").is_file() for language in languages):
            return Path(directory)
    return None


def has_ocr(languages: tuple[str, ...]) -> bool:
    """Whether text in pictures can be read in all these languages."""
    return bool(languages) and _data_directory(languages) is not None


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
    return xberg.OcrConfig(
        backend="tesseract",
        language=list(languages),
        tessdata_path=str(_data_directory(languages)),
        # Its cache would keep what people's documents say on the disk.
        tesseract_config=xberg.TesseractConfig(language=list(languages), use_cache=False),
    )
