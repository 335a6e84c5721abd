"""One file to its extraction, by whichever extractor reads it. Runs in the worker process."""

from collections.abc import Callable
from pathlib import PurePosixPath

from rag_pipeline.extractors.archives import check_archive
from rag_pipeline.extractors.decoding import decode_text, html_charset
from rag_pipeline.extractors.delimited import extract_delimited
from rag_pipeline.extractors.detect import MAIL, UNREADABLE_CONTENT, Kind, detect_binary, detect_text
from rag_pipeline.extractors.documents import (
    extract_html,
    extract_json,
    extract_markup,
    extract_office,
    extract_text,
)
from rag_pipeline.extractors.images import extract_image
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.mail import extract_mail
from rag_pipeline.extractors.model import Extraction, ExtractionError
from rag_pipeline.extractors.pdf import extract_pdf
from rag_pipeline.extractors.workbooks import extract_sheets, extract_workbook


def extract_file(
    content: bytes,
    *,
    file_name: str,
    mime_type: str | None,
    limits: ExtractionLimits,
    on_picture: Callable[[], None] = lambda: None,
) -> Extraction:
    """What the file says; `on_picture` is called before each picture that is read by OCR.

    Raises ExtractionError with every code but timed_out and crashed.
    """
    if not content.strip():
        raise _empty()
    found = detect_binary(content)
    if found is not None:
        extraction = _extract_binary(content, *found, limits, on_picture)
    else:
        extraction = _extract_text(content, file_name=file_name, mime_type=mime_type, limits=limits)
    if sum(len(page.text) for page in extraction.pages) > limits.text_max_characters:
        raise ExtractionError("too_large", "The file holds more text than can be indexed. Split it.")
    if not any(page.text.strip() for page in extraction.pages):
        raise _empty()
    return extraction


def _extract_binary(
    content: bytes, kind: Kind, mime_type: str, limits: ExtractionLimits, on_picture: Callable[[], None]
) -> Extraction:
    if content.startswith(b"PK"):
        check_archive(content, limits)
    match kind:
        case "pdf":
            return extract_pdf(content, limits, on_picture)
        case "workbook":
            return extract_workbook(content, limits)
        case "sheets":
            return extract_sheets(content, mime_type, limits)
        case "image":
            return extract_image(content, mime_type, limits, on_picture)
        case _:
            return extract_office(content, mime_type)


def _extract_text(content: bytes, *, file_name: str, mime_type: str | None, limits: ExtractionLimits) -> Extraction:
    text = decode_text(content, charset_hint=html_charset(content))
    if text is None:
        raise ExtractionError("unsupported_type", UNREADABLE_CONTENT)
    if len(text) > limits.text_max_characters:
        raise ExtractionError("too_large", "The file holds more text than can be indexed. Split it.")
    kind, found_type = detect_text(text, file_name=file_name, mime_type=mime_type)
    match kind:
        case "html":
            return extract_html(text)
        case "delimited":
            return extract_delimited(text, mime_type=found_type, name=PurePosixPath(file_name).stem, limits=limits)
        case "json":
            return extract_json(text)
        case "markup" if found_type == MAIL:
            return extract_mail(content, text)
        case "markup":
            return extract_markup(text, found_type)
        case _:
            return extract_text(text, found_type)


def _empty() -> ExtractionError:
    return ExtractionError("empty", "The file holds no text.")
