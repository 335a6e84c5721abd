"""CSV and its relatives, with any delimiter."""

import csv
import io
from collections import Counter
from collections.abc import Iterator

from rag_pipeline.extractors.columns import build_table, table_markdown
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.model import Extraction, PageText

_DELIMITERS = ",;\t|"
_SAMPLE_CHARACTERS = 64 * 1024
_FIELD_MAX_CHARACTERS = 10_000_000


def extract_delimited(text: str, *, mime_type: str, name: str, limits: ExtractionLimits) -> Extraction:
    """One table from delimited text. Raises ExtractionError too_large."""
    csv.field_size_limit(_FIELD_MAX_CHARACTERS)
    body, declared = _declared_delimiter(text)
    table = build_table(name, _rows(body, declared or find_delimiter(body, mime_type)), limits)
    if table is None:
        return Extraction(title=None, mime_type=mime_type, pages=(PageText(None, ""),))
    return Extraction(title=None, mime_type=mime_type, pages=(PageText(None, table_markdown(table)),), tables=(table,))


def find_delimiter(text: str, mime_type: str) -> str:
    """The delimiter that cuts the first lines into the same number of cells most often."""
    preferred = "\t" if mime_type == "text/tab-separated-values" else ","
    sample = text[:_SAMPLE_CHARACTERS]
    if len(text) > _SAMPLE_CHARACTERS:
        sample = sample.rpartition("\n")[0] or sample
    scores = {delimiter: _score(sample, delimiter) for delimiter in _DELIMITERS}
    return max(_DELIMITERS, key=lambda delimiter: (scores[delimiter], delimiter == preferred))


def _score(sample: str, delimiter: str) -> tuple[float, int]:
    """How regular the rows are, then how many columns they have; nothing for one column."""
    widths = Counter(len(row) for row in _rows(sample, delimiter) if row)
    if not widths:
        return 0.0, 0
    width, count = widths.most_common(1)[0]
    return (round(count / widths.total(), 2), width) if width > 1 else (0.0, 0)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue  # A field beyond the limit costs its row, not the file.


def _declared_delimiter(text: str) -> tuple[str, str | None]:
    """Excel's own first line: sep=;"""
    first, _, rest = text.partition("\n")
    line = first.strip()
    if len(line) == 5 and line.lower().startswith("sep="):
        return rest, line[4]
    return text, None
