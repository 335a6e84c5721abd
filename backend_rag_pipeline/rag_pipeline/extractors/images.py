"""Pictures, made ready for a vision model or read by OCR."""

import struct
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from time import monotonic

from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from rag_pipeline.extractors.joining import joined_pages
from rag_pipeline.extractors.language_data import has_ocr
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.model import Extraction, ExtractionError, PageText
from rag_pipeline.extractors.ocr import read_image

_KIND, _NO_PAGE = 254, 0b101
"""TIFF's tag that says what a picture is of, and its marks for a smaller copy and for a mask."""


def prepare_image(content: bytes, limits: ExtractionLimits, number: int = 1) -> tuple[bytes, int]:
    """This page of the picture, upright, on white, as PNG of a size that models take; and how many pages it has.

    Raises ExtractionError.
    """
    with _open(content, limits) as image:
        pages = _page_places(image, limits)
        return _png(image, pages[number - 1], limits, side_max=limits.image_side_max_pixels), len(pages)


def extract_image(
    content: bytes, mime_type: str, limits: ExtractionLimits, on_picture: Callable[[], None]
) -> Extraction:
    """The text in a picture. Raises ExtractionError: empty, needs_vision, unreadable, too_large, too_many_pages."""
    if not has_ocr(limits.ocr_languages):
        raise ExtractionError("needs_vision", "Pictures can only be indexed where a vision model or OCR is set up.")
    with _open(content, limits) as image:
        places = _page_places(image, limits)
        if len(places) > 1:
            return joined_pages(mime_type, _read_pages(image, places, limits, on_picture), count=len(places))
    on_picture()
    text = read_image(content, mime_type, limits.ocr_languages)
    return Extraction(title=None, mime_type=mime_type, pages=(PageText(None, text),))


def _read_pages(
    image: Image.Image, places: Sequence[int], limits: ExtractionLimits, on_picture: Callable[[], None]
) -> list[str | None]:
    texts: list[str | None] = []
    end = monotonic() + limits.ocr_seconds_max
    for place in places[: limits.ocr_pages_max]:
        if monotonic() >= end:
            break
        on_picture()
        try:
            texts.append(read_image(_png(image, place, limits), "image/png", limits.ocr_languages))
        except ExtractionError:
            texts.append(None)
    return texts


def _page_places(image: Image.Image, limits: ExtractionLimits) -> list[int]:
    """Where the pages stand. Only a TIFF has several: what else moves is one picture. Its previews are no pages."""
    places: list[int] = []
    with suppress(EOFError, OSError, ValueError, SyntaxError, struct.error):
        # One beyond the limit: a file may hold millions.
        for place in range(limits.pages_max + 1 if isinstance(image, TiffImageFile) else 1):
            image.seek(place)
            if not isinstance(image, TiffImageFile) or not image.tag_v2.get(_KIND, 0) & _NO_PAGE:
                places.append(place)
    if len(places) > limits.pages_max:
        raise ExtractionError("too_many_pages", f"The picture has more than {limits.pages_max:,} pages. Split it.")
    return places or [0]


def _png(image: Image.Image, place: int, limits: ExtractionLimits, *, side_max: int | None = None) -> bytes:
    """A page upright and on white."""
    try:
        image.seek(place)
        _check_size(image, limits)
        upright = ImageOps.exif_transpose(image)
        if side_max is not None:
            upright.thumbnail((side_max, side_max))
        layered = upright.convert("RGBA")
    except (EOFError, OSError, ValueError, SyntaxError, struct.error):
        raise _unreadable() from None
    flat = Image.new("RGB", layered.size, "white")
    flat.paste(layered, mask=layered.getchannel("A"))
    png = BytesIO()
    flat.save(png, format="PNG")
    return png.getvalue()


def _open(content: bytes, limits: ExtractionLimits) -> Image.Image:
    """Open without decoding, so that the size is known before any pixel is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(BytesIO(content))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise _unreadable() from None
    _check_size(image, limits)
    return image


def _check_size(image: Image.Image, limits: ExtractionLimits) -> None:
    if image.width * image.height > limits.image_max_pixels:
        raise ExtractionError("too_large", "The picture has too many pixels.")


def _unreadable() -> ExtractionError:
    return ExtractionError("unreadable", "The picture is damaged or in a format that is not read.")
