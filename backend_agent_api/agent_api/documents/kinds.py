"""The files that people may upload: what the worker can read, by extension, and what such a file begins with."""

OFFICE = "application/vnd.openxmlformats-officedocument"
MIME_TYPES = {
    ".csv": "text/csv",
    ".docx": f"{OFFICE}.wordprocessingml.document",
    ".epub": "application/epub+zip",
    ".gif": "image/gif",
    ".htm": "text/html",
    ".html": "text/html",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".markdown": "text/markdown",
    ".md": "text/markdown",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".pptx": f"{OFFICE}.presentationml.presentation",
    ".rtf": "application/rtf",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".webp": "image/webp",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": f"{OFFICE}.spreadsheetml.sheet",
}
FILE_EXTENSIONS = tuple(sorted(MIME_TYPES))

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"{\\rtf", "rtf"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF87a", "image"),
    (b"GIF89a", "image"),
    (b"II*\x00", "image"),
    (b"MM\x00*", "image"),
    (b"\x7fELF", "program"),
    (b"\x1f\x8b\x08", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"Rar!\x1a\x07", "archive"),
    (b"\xcf\xfa\xed\xfe", "program"),
    (b"\xca\xfe\xba\xbe", "program"),
)
# Encrypted Office files are OLE containers whatever their extension; the worker says so of them.
EXPECTED = {
    ".docx": {"zip", "ole"},
    ".epub": {"zip"},
    ".odt": {"zip"},
    ".pdf": {"pdf"},
    ".pptx": {"zip", "ole"},
    ".rtf": {"rtf"},
    ".xls": {"ole", "zip"},
    ".xlsx": {"zip", "ole"},
} | {extension: {"image"} for extension, mime_type in MIME_TYPES.items() if mime_type.startswith("image/")}


def extension_of(file_name: str) -> str | None:
    """The extension in lower case, where such files can be read."""
    _, dot, ending = file_name.rpartition(".")
    extension = (dot + ending).lower()
    return extension if extension in MIME_TYPES else None


def is_something_else(extension: str, beginning: bytes) -> bool:
    """Whether a file plainly is not what its extension says. What cannot be told is left to the worker."""
    kind = next((kind for signature, kind in SIGNATURES if beginning.startswith(signature)), None)
    if beginning.startswith(b"RIFF"):
        kind = {b"WEBP": "image", b"WAVE": "media", b"AVI ": "media"}.get(beginning[8:12])
    if kind is None and beginning.startswith(b"MZ") and b"\x00" in beginning:
        kind = "program"
    return kind is not None and kind not in EXPECTED.get(extension, set[str]())
