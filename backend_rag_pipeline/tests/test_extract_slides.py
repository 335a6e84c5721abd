"""Slides as they are shown: their order, their notes, and none that was deleted."""

import zipfile
from collections.abc import Callable, Sequence
from importlib import import_module
from io import BytesIO
from typing import Any, cast

import pytest
from made_files import make_pptx, make_zip, with_part

from rag_pipeline.extractors.dispatch import extract_file
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.slides import in_shown_order

pptx = cast(Any, import_module("pptx"))
MANIFEST, RELATIONS = "ppt/presentation.xml", "ppt/_rels/presentation.xml.rels"
ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
LAUGHS = f'<!DOCTYPE r [<!ENTITY e0 "ha">{ENTITIES}]>'


def deck(shown: Sequence[int], notes: Sequence[int] = ()) -> bytes:
    """Three slides of which these are shown, in this order; notes are written in their order."""
    presentation = pptx.Presentation()
    for number in (1, 2, 3):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = f"Slide {number}"
        slide.placeholders[1].text = "Body"
    for number in notes:
        presentation.slides[number - 1].notes_slide.notes_text_frame.text = f"Said on slide {number}"
    # python-pptx has no way to move or to delete a slide; what programs do is to write this list anew.
    listed = presentation.slides._sldIdLst
    entries = list(listed)
    for entry in entries:
        listed.remove(entry)
    for number in shown:
        listed.append(entries[number - 1])
    file = BytesIO()
    presentation.save(file)
    return file.getvalue()


def read(content: bytes) -> list[tuple[int | None, str]]:
    found = extract_file(content, file_name="a.pptx", mime_type=None, limits=ExtractionLimits())
    return [(page.number, page.text) for page in found.pages]


def slides(*numbers: int, notes: Sequence[int] = ()) -> list[tuple[int, str]]:
    """What is read where these slides are shown, in this order."""
    return [
        (place, f"## Slide {number}\n\nBody" + f"\n\nNotes: Said on slide {number}" * (number in notes))
        for place, number in enumerate(numbers, start=1)
    ]


def part(content: bytes, name: str) -> bytes:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return archive.read(name)


def renamed(content: bytes, old: str, new: str) -> bytes:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return make_zip(
            {
                name.replace(old, new): archive.read(name).replace(old.encode(), new.encode())
                if name.endswith((".rels", "Types].xml"))
                else archive.read(name)
                for name in archive.namelist()
            }
        )


@pytest.mark.parametrize("shown", [(3, 1, 2), (2, 3, 1), (1, 2, 3)])
def test_slides_stand_in_the_order_in_which_they_are_shown(shown: Sequence[int]) -> None:
    assert read(deck(shown)) == slides(*shown)


@pytest.mark.parametrize("shown", [(1, 3), (3,), (3, 1)])
def test_a_deleted_slide_whose_part_is_left_is_not_read(shown: Sequence[int]) -> None:
    assert read(deck(shown, notes=(1, 2, 3))) == slides(*shown, notes=(1, 2, 3))


@pytest.mark.parametrize("notes", [(3,), (3, 1), (2, 1, 3)])
@pytest.mark.parametrize("shown", [(1, 2, 3), (3, 1, 2)])
def test_notes_stand_on_the_slide_that_they_were_written_for(shown: Sequence[int], notes: Sequence[int]) -> None:
    assert read(deck(shown, notes)) == slides(*shown, notes=notes)


@pytest.mark.parametrize(
    ("old", "new"), [("slide2.xml", "slide7.xml"), ("slide2.xml", "intro.xml"), ("slides/", "pages/")]
)
def test_a_slide_may_have_a_part_of_any_name(old: str, new: str) -> None:
    assert read(renamed(deck((1, 2, 3), (2,)), old, new)) == slides(1, 2, 3, notes=(2,))


def test_what_is_in_order_stays_as_it_is() -> None:
    content = make_pptx(12)
    assert in_shown_order(content) is content
    assert [number for number, _ in read(content)] == list(range(1, 13))


def without_list(content: bytes) -> bytes:
    return with_part(content, MANIFEST, part(content, MANIFEST).replace(b"sldId", b"other"))


def with_entities(content: bytes) -> bytes:
    text = part(content, RELATIONS).decode()
    return with_part(content, RELATIONS, text.replace("<Relationships", f"{LAUGHS}<Relationships", 1).encode())


def with_endless_list(content: bytes) -> bytes:
    return with_part(content, MANIFEST, part(content, MANIFEST) + b"<!--" + b"a" * 17_000_000 + b"-->")


def broken(content: bytes) -> bytes:
    return with_part(content, MANIFEST, b"<p:presentation")


def without_types(content: bytes) -> bytes:
    return with_part(content, RELATIONS, part(content, RELATIONS).replace(b" Type=", b" Kind="))


def of_unknown_encoding(content: bytes) -> bytes:
    manifest = part(content, MANIFEST)
    assert b"UTF-8" in manifest[:80]
    return with_part(content, MANIFEST, manifest.replace(b"UTF-8", b"foo", 1))


@pytest.mark.parametrize(
    "made", [without_list, with_entities, with_endless_list, broken, without_types, of_unknown_encoding]
)
def test_a_manifest_that_cannot_be_read_changes_nothing(made: Callable[[bytes], bytes]) -> None:
    content = made(deck((3, 1, 2)))
    assert in_shown_order(content) is content


def test_a_slide_listed_a_thousand_times_is_read_once() -> None:
    content = deck((1, 2, 3), notes=(1, 3))
    manifest = part(content, MANIFEST)
    entry = manifest[manifest.index(b"<p:sldId ") : manifest.index(b"/>", manifest.index(b"<p:sldId ")) + 2]
    assert read(with_part(content, MANIFEST, manifest.replace(entry, entry * 1_000))) == slides(1, 2, 3, notes=(1, 3))
