"""Bytes of a text file to text, whatever the encoding."""

import codecs
import re

from charset_normalizer import from_bytes

_SAMPLE_BYTES = 64 * 1024
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Encodings in real use. Guessing among all of Python's finds relics (johab, cp775) in short Western texts.
_CANDIDATES = [
    *("cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
]
_LATIN = {"cp1250", "cp1252", "cp1254"}
# What Central European letters of cp1250 turn into when read as cp1252: signs in the middle of a word.
_SIGN_IN_WORD = re.compile(r"[^\W\d_][¹³¼¾¿¥£][^\W\d_]?|[¹³¼¾¿][^\W\d_]{2}")
_META_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE)
_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def decode_text(content: bytes, *, charset_hint: str | None = None) -> str | None:
    """The text, or None where the bytes are no text in any usual encoding."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    wide = _wide_encoding(content)
    if wide is not None:
        return content.decode(wide, errors="replace")
    if _looks_binary(content):
        return None
    for encoding in ("utf-8", charset_hint):
        decoded = _decode_strictly(content, encoding)
        if decoded is not None:
            return decoded
    return content.decode(_guess(content), errors="replace")


def html_charset(content: bytes) -> str | None:
    """What a page says about itself in its first 4 kB."""
    found = _META_CHARSET.search(content[:4096])
    return found.group(1).decode("ascii") if found else None


def _decode_strictly(content: bytes, encoding: str | None) -> str | None:
    if encoding is None:
        return None
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None


def _wide_encoding(content: bytes) -> str | None:
    """UTF-16 without a mark: in text of most scripts every other byte of many characters is NUL."""
    sample = content[:_SAMPLE_BYTES]
    if len(sample) < 4 or b"\0" not in sample or len(content) % 2:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if odd > half * 0.3 and even < half * 0.02:
        return "utf-16-le"
    if even > half * 0.3 and odd < half * 0.02:
        return "utf-16-be"
    return None


def _looks_binary(content: bytes) -> bool:
    """Text holds hardly any control bytes; a stray NUL in a long text is no reason to refuse it."""
    sample = content[:_SAMPLE_BYTES]
    return len(_CONTROL_BYTES.findall(sample)) > max(1, len(sample) // 200)


def _guess(content: bytes) -> str:
    sample = _sample(content)
    best = from_bytes(sample, cp_isolation=_CANDIDATES).best()
    encoding = best.encoding if best is not None else "cp1252"
    if encoding in _LATIN:
        western = _decode_strictly(sample, "cp1252")
        if western is not None and not _SIGN_IN_WORD.search(western):
            return "cp1252"
    return encoding


def _sample(content: bytes) -> bytes:
    """Lines that say something about the encoding: those with bytes beyond ASCII, as far as they fit."""
    if len(content) <= _SAMPLE_BYTES:
        return content
    lines: list[bytes] = []
    size = 0
    for line in content.splitlines(keepends=True):
        if not line.isascii() and size + len(line) <= _SAMPLE_BYTES:
            lines.append(line)
            size += len(line)
    return b"".join(lines) or content[:_SAMPLE_BYTES]
