"""Pictures of several pages: a fax, a scan in one TIFF."""

import struct
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pytest
from made_files import make_image
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from rag_support.vision_service import VisionService

from rag_pipeline.extractors import extractor as extractor_module
from rag_pipeline.extractors.dispatch import extract_file
from rag_pipeline.extractors.extractor import VisionSettings, create_extractor
from rag_pipeline.extractors.images import prepare_image
from rag_pipeline.extractors.language_data import has_ocr
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.model import Extraction, ExtractionError

needs_ocr = pytest.mark.skipif(not has_ocr(()), reason="tesseract's language data is not installed")


def make_pages(pictures: Sequence[Image.Image], kind: str = "TIFF", **how: Any) -> bytes:
    file = BytesIO()
    pictures[0].save(file, format=kind, save_all=True, append_images=pictures[1:], **how)
    return file.getvalue()


def fax(*words: str, kind: str = "TIFF") -> bytes:
    return make_pages([Image.open(BytesIO(make_image(word))).convert("L") for word in words], kind)


def blank(*sizes: tuple[int, int]) -> bytes:
    return make_pages([Image.new("1", size, 1) for size in sizes])


def read(content: bytes, limits: ExtractionLimits | None = None) -> Extraction:
    return extract_file(content, file_name="a", mime_type=None, limits=limits or ExtractionLimits())


@needs_ocr
def test_each_page_of_a_tiff_is_read() -> None:
    words = ("INVOICE", "RECEIPT", "CONTRACT")
    found = read(fax(*words))
    assert [(page.number, page.text.strip()) for page in found.pages] == list(enumerate(words, start=1))
    assert found.unread_pages == 0


@needs_ocr
@pytest.mark.parametrize(
    ("limits", "read_pages"), [(ExtractionLimits(ocr_pages_max=2), 2), (ExtractionLimits(image_max_pixels=200_000), 3)]
)
def test_pages_beyond_a_limit_stay_unread(limits: ExtractionLimits, read_pages: int) -> None:
    pages = [*(Image.open(BytesIO(make_image("INVOICE"))) for _ in range(3)), Image.new("1", (900, 300))]
    found = read(make_pages(pages), limits)
    assert ["INVOICE" in page.text for page in found.pages] == [True] * read_pages + [False] * (4 - read_pages)
    assert found.unread_pages == 4 - read_pages


@needs_ocr
def test_a_tiff_of_which_nothing_was_read_is_not_called_empty() -> None:
    for limits, code in ((ExtractionLimits(ocr_seconds_max=0), "needs_vision"), (ExtractionLimits(), "empty")):
        with pytest.raises(ExtractionError) as failure:
            read(blank((90, 90), (90, 90)), limits)
        assert failure.value.code == code


@pytest.mark.parametrize("count", [4, 3])
def test_a_tiff_of_too_many_pages_is_refused(count: int) -> None:
    content = blank(*[(8, 8)] * count)
    if count == 3:
        assert prepare_image(content, ExtractionLimits(pages_max=3))[1] == 3
        return
    with pytest.raises(ExtractionError) as failure:
        prepare_image(content, ExtractionLimits(pages_max=3))
    assert failure.value.code == "too_many_pages"


def test_ten_thousand_pages_are_not_counted_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    tags = ((256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 0), (279, 1))
    size = 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    pages = (struct.pack("<H", len(tags)) + entries + struct.pack("<I", 8 + size * n) for n in range(1, 10_001))
    content = struct.pack("<2sHI", b"II", 42, 8) + b"".join(pages)
    read_tags: list[None] = []
    load = ImageFileDirectory_v2.load

    def counted(self: ImageFileDirectory_v2, fp: Any) -> None:
        read_tags.append(None)
        load(self, fp)

    monkeypatch.setattr(ImageFileDirectory_v2, "load", counted)
    with pytest.raises(ExtractionError, match="more than 50 pages"):
        prepare_image(content, ExtractionLimits(pages_max=50))
    assert len(read_tags) < 200


def test_a_smaller_copy_of_a_page_is_no_page() -> None:
    # Each save adds its own tags, so the copy's mark is set on the last picture alone.
    small = Image.new("L", (9, 9))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    assert prepare_image(make_pages([Image.new("L", (90, 90)), small]), ExtractionLimits())[1] == 1


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_what_moves_is_one_picture(kind: str) -> None:
    assert prepare_image(fax("one", "two", kind=kind), ExtractionLimits())[1] == 1


async def test_each_page_is_described_by_the_vision_model(vision: VisionService) -> None:
    settings = VisionSettings(base_url=vision.url, api_key="key", model="sees", timeout_seconds=60)
    limits = ExtractionLimits(ocr_pages_max=2)
    async with create_extractor(limits, processes=1, vision=settings) as extractor:
        found = await extractor.extract(blank((10, 10), (20, 20), (30, 30)), file_name="a.tiff", mime_type=None)
    assert [(page.number, page.text) for page in found.pages] == [
        (1, "A picture of 10 by 10 pixels."),
        (2, "A picture of 20 by 20 pixels."),
        (3, ""),
    ]
    assert found.unread_pages == 1
    assert len(vision.requests) == 2


async def test_a_model_that_does_not_take_the_first_page_is_not_asked_for_the_others(vision: VisionService) -> None:
    vision.status = 400
    settings = VisionSettings(base_url=vision.url, api_key="key", model="sees", timeout_seconds=60)
    async with create_extractor(ExtractionLimits(), processes=1, vision=settings) as extractor:
        with pytest.raises(ExtractionError) as failure:
            await extractor.extract(blank((10, 10), (20, 20)), file_name="a.tiff", mime_type=None)
    assert failure.value.code == "needs_vision"
    assert len(vision.requests) == 1


@pytest.mark.parametrize(
    ("failures", "read_pages", "asked"),
    [({20: 3}, 4, 7), ({20: 3, 40: 3}, 4, 10), ({30: 1_000}, 2, 6), ({20: 3, 40: 4}, 3, 10)],
)
async def test_what_was_described_of_a_tiff_is_not_paid_for_again(
    vision: VisionService, monkeypatch: pytest.MonkeyPatch, failures: dict[int, int], read_pages: int, asked: int
) -> None:
    monkeypatch.setattr(extractor_module, "_VISION_WAITS_SECONDS", (0, 0, 0))
    vision.failures = dict(failures)
    settings = VisionSettings(base_url=vision.url, api_key="key", model="sees", timeout_seconds=60)
    async with create_extractor(ExtractionLimits(), processes=1, vision=settings) as extractor:
        content = blank(*((10 * page, 10) for page in (1, 2, 3, 4)))
        found = await extractor.extract(content, file_name="a.tiff", mime_type=None)
    assert [bool(page.text) for page in found.pages] == [page < read_pages for page in range(4)]
    assert (found.unread_pages, "failed" in found.unread_reason) == (4 - read_pages, read_pages < 4)
    assert len(vision.requests) == asked


async def test_a_model_that_is_away_at_the_first_page_leaves_the_document_waiting(vision: VisionService) -> None:
    vision.failures = {10: 1}
    settings = VisionSettings(base_url=vision.url, api_key="key", model="sees", timeout_seconds=60)
    async with create_extractor(ExtractionLimits(), processes=1, vision=settings) as extractor:
        with pytest.raises(ExtractionError) as failure:
            await extractor.extract(blank((10, 10), (20, 20)), file_name="a.tiff", mime_type=None)
    assert (failure.value.code, failure.value.is_permanent) == ("vision_unavailable", False)
    assert len(vision.requests) == 1
