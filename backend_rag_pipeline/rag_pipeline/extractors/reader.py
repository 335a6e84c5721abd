"""The one place where the extraction library is called."""

import asyncio

import xberg

from rag_pipeline.extractors.model import ExtractionError

_LEFT_OUT = (
    *("script", "style", "noscript", "template", "iframe", "object", "embed", "svg", "nav"),
    *("[hidden]", "[aria-hidden='true']"),
)
"""Not what a page says. What its styles hide (display, visibility, a letter size of zero) the library leaves out."""

_loop: asyncio.AbstractEventLoop | None = None


def read(
    content: bytes,
    mime_type: str,
    *,
    ocr: xberg.OcrConfig | None = None,
    ocr_pages: list[int] | None = None,
) -> xberg.ExtractedDocument:
    """Markdown of a file whose type is known. Only in the worker process: it blocks.

    Raises ExtractionError: unreadable, encrypted.
    """
    config = xberg.ExtractionConfig(
        use_cache=False,
        output_format="markdown",
        escape_markdown=False,
        pages=xberg.PageConfig(extract_pages=True),
        disable_ocr=ocr is None,
        ocr=ocr,
        force_ocr_pages=ocr_pages,
        ocr_embedded_images=False,
        max_archive_depth=0,
        html_options=xberg.ConversionOptions(
            extract_metadata=False,
            skip_images=True,
            exclude_selectors=list(_LEFT_OUT),
            # Its own way with navigation takes a page's headers too, and the title in them.
            preprocessing=xberg.PreprocessingOptions(remove_forms=False, remove_navigation=False),
        ),
    )
    source = xberg.ExtractInput(kind="bytes", bytes=content, mime_type=mime_type)
    try:
        result = _run_loop().run_until_complete(xberg.extract(source, config))
    except Exception as error:
        raise _fault(str(error)) from None
    if not result.results:
        raise _fault(result.errors[0].message if result.errors else "")
    return result.results[0]


def _run_loop() -> asyncio.AbstractEventLoop:
    global _loop
    if _loop is None:
        _loop = asyncio.new_event_loop()
    return _loop


def _fault(text: str) -> ExtractionError:
    lowered = text.lower()
    if "password" in lowered or "encrypted" in lowered:
        return ExtractionError("encrypted", "The file is protected with a password.")
    if "limit" in lowered and ("archive" in lowered or "compression" in lowered or "size" in lowered):
        return ExtractionError("archive_too_large", "The file expands to far more than its own size and is not opened.")
    return ExtractionError("unreadable", "The file is damaged, incomplete or not what its name says.")
