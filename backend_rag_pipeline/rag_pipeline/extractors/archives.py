"""Zipped formats (docx, xlsx, pptx, odt, epub) are unpacked here once, and counted, before any reader opens them."""

import struct
import zipfile
import zlib
from io import BytesIO

from rag_pipeline.extractors.limits import MEBIBYTE, ExtractionLimits
from rag_pipeline.extractors.model import ExtractionError

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_ENCRYPTED = 0x1
_RATIO_FLOOR_BYTES = 20 * MEBIBYTE
"""Below this an archive is harmless however well it packs."""
_BLOCK_BYTES = 4 * MEBIBYTE


def check_archive(content: bytes, limits: ExtractionLimits) -> None:
    """Refuse what expands beyond the limits. Sizes are counted, not believed: a bomb's directory lies."""
    allowed = min(limits.archive_max_bytes, max(_RATIO_FLOOR_BYTES, len(content) * limits.archive_ratio_max))
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) > limits.archive_entries_max:
                raise _too_large()
            for entry in entries:
                if entry.flag_bits & _ENCRYPTED:
                    raise ExtractionError("encrypted", "The file is protected with a password.")
                allowed -= _expanded_size(content, entry, at_most=allowed)
                if allowed < 0:
                    raise _too_large()
    except (zipfile.BadZipFile, zlib.error, struct.error, OSError, ValueError, NotImplementedError):
        raise ExtractionError("unreadable", "The file is damaged or incomplete.") from None


def _expanded_size(content: bytes, entry: zipfile.ZipInfo, *, at_most: int) -> int:
    """How many bytes an entry really holds; stops counting just past the allowance."""
    header = _LOCAL_HEADER.unpack_from(content, entry.header_offset)
    start = entry.header_offset + _LOCAL_HEADER.size + header[-2] + header[-1]
    packed = memoryview(content)[start : start + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_STORED:
        return len(packed)
    if entry.compress_type != zipfile.ZIP_DEFLATED:
        raise ExtractionError("unsupported_type", "The file is packed in a way that is not read.")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    size = len(unpacker.decompress(packed, _BLOCK_BYTES))
    while unpacker.unconsumed_tail and size <= at_most:
        size += len(unpacker.decompress(unpacker.unconsumed_tail, _BLOCK_BYTES))
    return size


def _too_large() -> ExtractionError:
    return ExtractionError("archive_too_large", "The file expands to far more than its own size and is not opened.")
