"""How much one file may cost."""

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class ExtractionLimits:
    """Sent to the worker process as JSON, so only plain values."""

    file_max_bytes: int = 50 * MEBIBYTE
    pages_max: int = 3_000
    archive_max_bytes: int = 500 * MEBIBYTE
    """What a zipped format may expand to."""
    archive_entries_max: int = 20_000
    archive_ratio_max: int = 200
    """Expanded to packed size. Real spreadsheets reach 50; a bomb starts at 1,000."""
    text_max_characters: int = 20_000_000
    rows_max: int = 100_000
    columns_max: int = 1_000
    ocr_pages_max: int = 200
    ocr_seconds_max: float = 600
    """Pages of one document that are read by OCR, and for how long; the rest stays unread, and the document says so."""
    ocr_languages: tuple[str, ...] = ()
    """By tesseract's names. Empty: all whose data is installed."""
    image_side_max_pixels: int = 2_048
    """Images are made smaller before a vision model sees them."""
    image_max_pixels: int = 100_000_000
