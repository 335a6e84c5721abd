"""Text in pictures, by tesseract. It is built into the library; only its language data has to be installed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import xberg

from rag_pipeline.extractors.cleaning import clean_text
from rag_pipeline.extractors.reader import read

_DATA_DIRECTORIES = (
    *("/usr/share/tesseract-ocr/5/tessdata", "/usr/share/tesseract-ocr/4.00/tessdata", "/usr/share/tessdata"),
    *("/usr/local/share/tessdata", "/opt/homebrew/share/tessdata"),
)
_NO_LANGUAGES = {"osd", "equ"}
_LANGUAGES_MAX = 5


@dataclass(frozen=True)
class _Data:
    """Where the language data lies, and which of it is used."""

    directory: Path
    languages: list[str]


@lru_cache
def _find_data(languages: tuple[str, ...]) -> _Data | None:
    for name in (os.environ.get("TESSDATA_PREFIX"), *_DATA_DIRECTORIES):
        if not name:
            continue
        installed = {path.stem for path in Path(name).glob("*.traineddata")} - _NO_LANGUAGES
        # Each language takes its time on every page; English first, as it is what tesseract reads best.
        found = list(languages) or sorted(installed, key=lambda language: (language != "eng", language))
        if found and installed.issuperset(found):
            return _Data(Path(name), found[:_LANGUAGES_MAX])
    return None


def has_ocr(languages: tuple[str, ...]) -> bool:
    """Whether text in pictures can be read in all these languages; without any: in some language."""
    return _find_data(languages) is not None


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
    data = _find_data(languages)
    assert data is not None
    return xberg.OcrConfig(
        backend="tesseract",
        language=data.languages,
        tessdata_path=str(data.directory),
        # Its cache would keep what people's documents say on the disk.
        tesseract_config=xberg.TesseractConfig(language=data.languages, use_cache=False),
    )
