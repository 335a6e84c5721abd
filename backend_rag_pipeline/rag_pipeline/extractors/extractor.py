"""What the rest of the service calls."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

import httpx
from pydantic import ValidationError

from rag_pipeline.extractors.cleaning import clean_text
from rag_pipeline.extractors.detect import detect_binary
from rag_pipeline.extractors.frames import EXTRACTION, PREPARED, Request
from rag_pipeline.extractors.joining import joined_pages
from rag_pipeline.extractors.language_data import has_ocr
from rag_pipeline.extractors.limits import MEBIBYTE, ExtractionLimits
from rag_pipeline.extractors.model import Extraction, ExtractionError, PageText
from rag_pipeline.extractors.processes import BeforePictures, ProcessPool, open_pool, unasked
from rag_pipeline.extractors.vision import VisionModel
from rag_pipeline.settings import Settings

EXTRACTOR_VERSION = "2"
"""Part of a document's index_version: raise it when the same bytes give another text."""
_VISION_WAITS_SECONDS = (5, 30, 60)
"""Before a page is tried again on which the vision model did not answer: together more than a minute's rate limit."""


@dataclass(frozen=True)
class VisionSettings:
    """An OpenAI-compatible chat model that sees pictures."""

    base_url: str
    api_key: str
    model: str
    timeout_seconds: float = 60


class Extractor:
    """Reads files in worker processes. Safe for concurrent use in one event loop."""

    def __init__(self, pool: ProcessPool, limits: ExtractionLimits, *, vision: VisionModel | None = None) -> None:
        self._pool = pool
        self._limits = limits
        self._vision = vision

    async def extract(
        self, content: bytes, *, file_name: str, mime_type: str | None, before_pictures: BeforePictures = unasked
    ) -> Extraction:
        """Text, pages and tables of a file. Raises ExtractionError, and what `before_pictures` raises."""
        if len(content) > self._limits.file_max_bytes:
            size, limit = len(content) / MEBIBYTE, self._limits.file_max_bytes / MEBIBYTE
            raise ExtractionError("too_large", f"The file has {size:,.1f} MB; at most {limit:,.1f} MB are read.")
        if self._vision is not None:
            found = _image_type(content)
            if found is not None:
                return await self._describe(content, found, self._vision, before_pictures)
        body = await self._pool.run(Request("extract", file_name, mime_type), content, before_pictures=before_pictures)
        try:
            return EXTRACTION.validate_json(body)
        except ValidationError:
            raise ExtractionError("crashed", "Reading the file failed unexpectedly.", is_permanent=False) from None

    async def _describe(
        self, content: bytes, mime_type: str, vision: VisionModel, before_pictures: BeforePictures
    ) -> Extraction:
        first, count = await self._prepared(content, mime_type, 1)
        await before_pictures()
        if count == 1:
            text = clean_text(await vision.describe(first)).strip()
            if not text:
                raise ExtractionError("empty", "The vision model found nothing in the picture.")
            return Extraction(title=None, mime_type=mime_type, pages=(PageText(None, text),))
        texts, reason = await self._describe_pages(content, mime_type, vision, first, count)
        return joined_pages(mime_type, texts, count=count, reason=reason)

    async def _describe_pages(
        self, content: bytes, mime_type: str, vision: VisionModel, first: bytes, count: int
    ) -> tuple[list[str | None], str]:
        """What is on the first pages, and why there are no more of them where that is not for a limit.

        What was described has been paid for, and another attempt would pay for it again: only the first page's failure
        is the document's.
        """
        texts: list[str | None] = []
        waits = iter(_VISION_WAITS_SECONDS)
        end = monotonic() + self._limits.ocr_seconds_max
        while len(texts) < min(count, self._limits.ocr_pages_max) and monotonic() < end:
            try:
                png = (await self._prepared(content, mime_type, len(texts) + 1))[0] if texts else first
                texts.append(clean_text(await vision.describe(png)).strip())
                waits = iter(_VISION_WAITS_SECONDS)
            except ExtractionError as error:
                # A model that does not take the first will not take the others.
                if not texts:
                    raise
                if error.is_permanent:
                    texts.append(None)
                elif (wait := next(waits, None)) is not None:
                    await asyncio.sleep(wait)
                else:
                    return texts, "describing these failed, also when tried again"
        return texts, ""

    async def _prepared(self, content: bytes, mime_type: str, page: int) -> tuple[bytes, int]:
        """A page of a picture for the model, and how many there are."""
        body = await self._pool.run(Request("prepare_image", "", mime_type, page), content)
        return body[PREPARED.size :], int(PREPARED.unpack_from(body)[0])


@asynccontextmanager
async def create_extractor(
    limits: ExtractionLimits,
    *,
    processes: int = 2,
    timeout_seconds: float = 120,
    memory_max_bytes: int = 2048 * MEBIBYTE,
    vision: VisionSettings | None = None,
) -> AsyncGenerator[Extractor]:
    """An extractor with its processes and connections, all gone afterwards."""
    async with (
        open_pool(limits, size=processes, timeout_seconds=timeout_seconds, memory_max_bytes=memory_max_bytes) as pool,
        httpx.AsyncClient(follow_redirects=False) as client,
    ):
        model = None
        if vision is not None:
            model = VisionModel(
                client,
                base_url=vision.base_url,
                api_key=vision.api_key,
                model=vision.model,
                timeout_seconds=vision.timeout_seconds,
            )
        yield Extractor(pool, limits, vision=model)


@asynccontextmanager
async def open_extractor(settings: Settings) -> AsyncGenerator[Extractor]:
    """The extractor that the settings describe."""
    limits = ExtractionLimits(
        file_max_bytes=settings.rag_file_max_bytes,
        pages_max=settings.rag_pages_max,
        archive_max_bytes=settings.rag_archive_max_bytes,
        text_max_characters=settings.rag_text_max_characters,
        rows_max=settings.rag_rows_max,
    )
    vision = None
    if settings.vision_llm_choice:
        vision = VisionSettings(
            base_url=settings.llm_base_url,
            api_key=settings.llm_api_key.get_secret_value(),
            model=settings.vision_llm_choice,
            timeout_seconds=settings.vision_timeout_seconds,
        )
    async with create_extractor(
        limits,
        processes=settings.rag_extract_processes,
        timeout_seconds=settings.rag_extract_timeout_seconds,
        memory_max_bytes=settings.rag_extract_memory_max_bytes,
        vision=vision,
    ) as extractor:
        yield extractor


def sight(settings: Settings) -> str:
    """With what pictures are read; empty: with nothing. What could not be read is looked at again with another."""
    vision = f"vision:{settings.vision_llm_choice}" if settings.vision_llm_choice else ""
    return ",".join(filter(None, (vision, "ocr" if has_ocr(()) else "")))


def _image_type(content: bytes) -> str | None:
    """Only the first bytes are looked at: archives are for the worker process."""
    if content.startswith((b"PK", b"\xd0\xcf")):
        return None
    found = detect_binary(content)
    return found[1] if found is not None and found[0] == "image" else None
