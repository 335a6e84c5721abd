"""What a document calls itself, where that says more than the name of its file."""

import re

from rag_pipeline.extractors.cleaning import clean_line
from rag_pipeline.extractors.model import Extraction

TITLE_MAX_CHARACTERS = 200
_READ_MAX_CHARACTERS = 1_000
"""Of a title as it stands: looking for links takes time by the square."""
# What programs write where nobody named anything, and names of files that they left behind.
_SAYS_NOTHING = re.compile(
    r"""
    (untitled|unnamed|unbenannt|sans\ titre|no\ title|title|new|neues?|document|dokument|doc|docx?|presentation
    |powerpoint[ -]pr\w+|slides?|folie|workbook|book|mappe|sheet|tabelle|page
    |index|home|readme|file|scan(ned\ document)?|image|img|draft|report|template)
    ([ _.-]*\(?(\d+|document|presentation|page|file)\)?)?
    | microsoft\ \w+\ -\ .*
    | .*[\\/].*\.\w{1,5}
    | \S*\.(docx?|xlsx?|pptx?|pdf|odt|ods|odp|rtf|txt|md|html?|tex|dvi|indd|csv|json)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_FIRST_HEADING = re.compile(r"\A\s*# +(\S.*)$", re.MULTILINE)
_EMPHASIS = re.compile(r"\[([^\]]*)\]\([^)]*\)|[*_`]{2,}|`")
# In these a line with a number sign is a comment.
_WITHOUT_HEADINGS = {"text/plain", "text/csv", "text/tab-separated-values", "application/json"}


def title_of(extraction: Extraction) -> str | None:
    """The document's own title, else the heading it begins with; None where neither says anything."""
    return _sensible(extraction.title) or _sensible(_heading(extraction))


def _heading(extraction: Extraction) -> str | None:
    if extraction.mime_type in _WITHOUT_HEADINGS or extraction.tables or not extraction.pages:
        return None
    found = _FIRST_HEADING.match(extraction.pages[0].text)
    return found.group(1).rstrip("# ") if found else None


def _sensible(text: str | None) -> str | None:
    plain = _EMPHASIS.sub(r"\1", (text or "")[:_READ_MAX_CHARACTERS])
    title = clean_line(plain, max_characters=TITLE_MAX_CHARACTERS)
    has_word = any(character.isalpha() for character in title)
    return title if has_word and len(title) > 1 and not _SAYS_NOTHING.fullmatch(title) else None
