"""Tesseract's language data: whether text in pictures can be read here, and in which languages."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_DATA_DIRECTORIES = (
    *("/usr/share/tesseract-ocr/5/tessdata", "/usr/share/tesseract-ocr/4.00/tessdata", "/usr/share/tessdata"),
    *("/usr/local/share/tessdata", "/opt/homebrew/share/tessdata"),
)
_NO_LANGUAGES = {"osd", "equ"}
_LANGUAGES_MAX = 5


@dataclass(frozen=True)
class LanguageData:
    """Where the language data lies, and which of it is used."""

    directory: Path
    languages: list[str]


@lru_cache
def find_data(languages: tuple[str, ...]) -> LanguageData | None:
    """The data of these languages; without any, of those that are installed."""
    # As tesseract has it: who names a folder means that one, also where it is empty.
    named = os.environ.get("TESSDATA_PREFIX", "")
    for name in (named,) if Path(named or "-").is_dir() else _DATA_DIRECTORIES:
        installed = {path.stem for path in Path(name).glob("*.traineddata")} - _NO_LANGUAGES
        # Each language takes its time on every page; English first, as it is what tesseract reads best.
        found = list(languages) or sorted(installed, key=lambda language: (language != "eng", language))
        if found and installed.issuperset(found):
            return LanguageData(Path(name), found[:_LANGUAGES_MAX])
    return None


def has_ocr(languages: tuple[str, ...]) -> bool:
    """Whether text in pictures can be read in all these languages; without any: in some language."""
    return find_data(languages) is not None
