"""Pictures, made ready for a vision model or read by OCR."""

import warnings
from collections.abc import Callable
from io import BytesIO

from PIL import Image, ImageOps

from rag_pipeline.extractors.language_data import has_ocr
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.model import Extraction, ExtractionError, PageText
from rag_pipeline.extractors.ocr import read_image


def prepare_image(content: bytes, limits: ExtractionLimits) -> bytes:
    """The picture upright, on white, as PNG of a size that models take. Raises ExtractionError."""
    with _open(content, limits) as image:
        try:
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail((limits.image_side_max_pixels, limits.image_side_max_pixels))
            layered = upright.convert("RGBA")
        except (OSError, ValueError, SyntaxError):
            raise _unreadable() from None
        flat = Image.new("RGB", layered.size, "white")
        flat.paste(layered, mask=layered.getchannel("A"))
        png = BytesIO()
        flat.save(png, format="PNG")
        return png.getvalue()


def extract_image(
    content: bytes, mime_type: str, limits: ExtractionLimits, on_picture: Callable[[], None]
) -> Extraction:
    """The text in a picture. Raises ExtractionError: needs_vision, unreadable, too_large."""
    if not has_ocr(limits.ocr_languages):
        raise ExtractionError("needs_vision", "Pictures can only be indexed where a vision model or OCR is set up.")
    with _open(content, limits):
        pass
    on_picture()
    text = read_image(content, mime_type, limits.ocr_languages)
    return Extraction(title=None, mime_type=mime_type, pages=(PageText(None, text),))


def _open(content: bytes, limits: ExtractionLimits) -> Image.Image:
    """Open without decoding, so that the size is known before any pixel is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(BytesIO(content))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise _unreadable() from None
    if image.width * image.height > limits.image_max_pixels:
        raise ExtractionError("too_large", "The picture has too many pixels.")
    return image


def _unreadable() -> ExtractionError:
    return ExtractionError("unreadable", "The picture is damaged or in a format that is not read.")
