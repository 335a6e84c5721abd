"""A presentation's parts, numbered as its slides are shown.

The library takes a slide's place and its notes from the numbers in the parts' names. A slide that was moved keeps its
number, one that was deleted may leave its part behind, and notes are numbered by when they were written.
"""

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from xml.parsers import expat

from rag_pipeline.extractors.limits import MEBIBYTE

_MANIFEST = "ppt/presentation.xml"
_MANIFEST_MAX_BYTES = 16 * MEBIBYTE
"""Of all parts that say which part belongs where; a thousand slides need a tenth."""
_SLIDE, _NOTES = "ppt/slides/slide{}.xml", "ppt/notesSlides/notesSlide{}.xml"
_RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"
_SLIDE_TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/slide"


def in_shown_order(content: bytes) -> bytes:
    """The same presentation with the parts of its slides and of their notes numbered by their place, and without those
    that are not shown; unchanged where that is so already, and where what says so cannot be read."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        try:
            names = _shown_names(archive)
            is_so = all(names.get(name) == name for name in archive.namelist() if _is_numbered(name, ".xml"))
            return content if is_so or not names else _renamed(archive, names)
        except (expat.ExpatError, zipfile.BadZipFile, zlib.error, LookupError, ValueError):
            return content


def _shown_names(archive: zipfile.ZipFile) -> dict[str, str]:
    """The parts of the slides that are shown and of their notes, each with the name that its place gives it."""
    manifests = [info for info in archive.infolist() if info.filename == _MANIFEST or info.filename.endswith(".rels")]
    if sum(info.file_size for info in manifests) > _MANIFEST_MAX_BYTES:
        raise ValueError(_MANIFEST)
    held = set(archive.namelist())
    targets = {identifier: part for identifier, kind, part in _related(archive, _MANIFEST) if kind == "slide"}
    # Each once, however often a list may name it.
    listed = dict.fromkeys(targets[identifier] for identifier in _listed(archive) if identifier in targets)
    names: dict[str, str] = {}
    for number, slide in enumerate((slide for slide in listed if slide in held), start=1):
        names[slide] = _SLIDE.format(number)
        if (relations := _relations_of(slide)) in held:
            names[relations] = _relations_of(names[slide])
            notes = (part for _, kind, part in _related(archive, slide) if kind == "notesSlide" and part in held)
            names.setdefault(next(notes, slide), _NOTES.format(number))
    return names


def _renamed(archive: zipfile.ZipFile, names: dict[str, str]) -> bytes:
    """Only what text is read from: pictures and sounds would take time and memory."""
    slides = [new for new in names.values() if _is_numbered(new, ".xml") and not new.startswith("ppt/notesSlides/")]
    relations = "".join(
        f'<Relationship Id="r{number}" Type="{_SLIDE_TYPE}" Target="/{name}"/>' for number, name in enumerate(slides)
    )
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as renamed:
        for name in dict.fromkeys(archive.namelist()):
            if name == _relations_of(_MANIFEST):
                renamed.writestr(name, f'<Relationships xmlns="{_RELATIONSHIPS}">{relations}</Relationships>')
            elif name in names or (name.endswith((".xml", ".rels")) and not _is_numbered(name)):
                renamed.writestr(names.get(name, name), archive.read(name))
    return made.getvalue()


def _is_numbered(name: str, end: str = "") -> bool:
    return name.startswith(("ppt/slides/", "ppt/notesSlides/")) and name.endswith(end)


def _relations_of(name: str) -> str:
    folder, file = posixpath.split(name)
    return f"{folder}/_rels/{file}.rels"


def _related(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[str, str, str]]:
    """Identifier, kind and part of all that a part relates to."""
    for attributes in _elements(archive.read(_relations_of(name)), "Relationship"):
        part = posixpath.normpath(posixpath.join("/", posixpath.dirname(name), attributes["Target"]))
        yield attributes["Id"], attributes["Type"].rpartition("/")[2], part.lstrip("/")


def _listed(archive: zipfile.ZipFile) -> Iterator[str]:
    """The identifiers of the slides that are shown, in their order."""
    for attributes in _elements(archive.read(_MANIFEST), "sldId"):
        # In a namespace, of which there are two; the plain `id` is another number.
        yield from (value for name, value in attributes.items() if name.endswith(" id"))


def _elements(xml: bytes, wanted: str) -> list[dict[str, str]]:
    """The attributes of each such element. What declares a document type, and with it entities, is not read."""
    found: list[dict[str, str]] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(" ")[2] == wanted:
            found.append(attributes)

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = begin
    parser.StartDoctypeDeclHandler = _refuse
    parser.Parse(xml, True)
    return found


def _refuse(*_: object) -> None:
    raise ValueError("a document type")
