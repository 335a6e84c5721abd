"""Files that break their reader, and what keeps that from breaking anything else."""

import asyncio
import os
import signal
import struct
import sys
import time
import zlib
from collections.abc import AsyncGenerator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from made_files import make_docx, make_image, make_pdf, make_scan, make_xlsx, make_zip, with_part, without_times
from PIL import Image
from rag_support.vision_service import VisionService

from rag_pipeline.extractors.extractor import Extractor, VisionSettings, create_extractor
from rag_pipeline.extractors.frames import Request
from rag_pipeline.extractors.language_data import has_ocr
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.model import ExtractionError
from rag_pipeline.extractors.processes import open_pool

MEBIBYTE = 1024 * 1024
LIMITS = ExtractionLimits(file_max_bytes=20 * MEBIBYTE, archive_max_bytes=60 * MEBIBYTE, pages_max=300)
PAGE_BY_PAGE = """
import time
from sys import stdin, stdout

from rag_pipeline.extractors.frames import OK, PICTURE, READY, REPLY_FRAME, REQUEST_FRAME


def reply(kind, body=b""):
    stdout.buffer.write(REPLY_FRAME.pack(kind, False, len(body)) + body)
    stdout.buffer.flush()


reply(READY)
while frame := stdin.buffer.read(REQUEST_FRAME.size):
    head_length, length = REQUEST_FRAME.unpack(frame)
    stdin.buffer.read(head_length)
    if stdin.buffer.read(length) == b"one":
        reply(PICTURE)
        stdin.buffer.read()
    for page in range(4):
        time.sleep(3.5)
        reply(PICTURE)
    reply(OK, b"read")
"""
"""A worker process that reads at a pace of its own, every page or the first alone."""


@pytest.fixture(scope="module")
async def extractor() -> AsyncGenerator[Extractor]:
    async with create_extractor(LIMITS, processes=2, timeout_seconds=120) as made:
        yield made


async def text_of(extractor: Extractor, content: bytes, name: str = "file") -> str:
    found = await extractor.extract(content, file_name=name, mime_type=None)
    return "\n\n".join(page.text for page in found.pages)


async def failure_of(extractor: Extractor, content: bytes, name: str = "file") -> ExtractionError:
    with pytest.raises(ExtractionError) as failure:
        await extractor.extract(content, file_name=name, mime_type=None)
    return failure.value


async def test_many_files_are_read_by_few_processes(extractor: Extractor) -> None:
    texts = await asyncio.gather(*(text_of(extractor, f"text {number}".encode()) for number in range(50)))
    assert texts == [f"text {number}" for number in range(50)]
    assert len(idle(extractor)) == 2


async def test_pages_tables_and_exact_numbers_come_through(extractor: Extractor) -> None:
    found = await extractor.extract(make_xlsx(), file_name="a.xlsx", mime_type=None)
    assert found.tables[0].rows[0]["serial"] == 9007199254740993
    assert found.tables[0].rows[0]["paid"] is True
    assert found.tables[0].rows[0]["amount"] == 12.5
    found = await extractor.extract(make_pdf([["one"], ["two"]]), file_name="a.pdf", mime_type=None)
    assert [(page.number, page.text) for page in found.pages] == [(1, "one"), (2, "two")]


async def test_a_killed_process_costs_one_file(extractor: Extractor) -> None:
    await text_of(extractor, b"warm")
    for process in idle(extractor):
        process.kill()
    results = await asyncio.gather(*(text_of(extractor, b"next") for _ in range(4)), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(failure, ExtractionError) and failure.code == "crashed" for failure in failures)
    assert not any(failure.is_permanent for failure in failures if isinstance(failure, ExtractionError))
    assert await text_of(extractor, b"after") == "after"


async def test_a_file_that_takes_too_long_is_given_up_and_its_process_replaced() -> None:
    slow = make_pdf([[f"line {line}" for line in range(50)] for _ in range(250)])
    async with create_extractor(LIMITS, processes=1, timeout_seconds=120) as patient:
        assert await text_of(patient, b"the process is warm")
        patient._pool._timeout_seconds = 0.01  # pyright: ignore[reportPrivateUsage] - a slower file would slow the test
        (before,) = idle(patient)
        failure = await failure_of(patient, slow)
        assert (failure.code, failure.is_permanent) == ("timed_out", False)
        patient._pool._timeout_seconds = 120  # pyright: ignore[reportPrivateUsage] - as above
        assert await text_of(patient, b"next") == "next"
        assert before.returncode == -signal.SIGKILL
        assert idle(patient) != [before]


async def test_each_page_has_the_time_of_a_file_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = tmp_path / "python"
    reader.write_text(f"#!/bin/sh\nexec \"{sys.executable}\" -c '{PAGE_BY_PAGE}'\n")
    reader.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(reader))
    async with open_pool(LIMITS, size=1, timeout_seconds=12, memory_max_bytes=MEBIBYTE) as pool:
        began = time.monotonic()
        assert await pool.run(Request("extract", "a.pdf", None), b"all") == b"read"
        assert time.monotonic() - began > 12
        pool._timeout_seconds = 0.1  # pyright: ignore[reportPrivateUsage] - what never answers need not be waited for
        with pytest.raises(ExtractionError) as failure:
            await pool.run(Request("extract", "a.pdf", None), b"one")
        assert (failure.value.code, failure.value.is_permanent) == ("timed_out", False)


async def test_a_cancelled_reading_leaves_the_pool_usable() -> None:
    async with create_extractor(LIMITS, processes=1, timeout_seconds=120) as extractor:
        await text_of(extractor, b"warm")
        reading = asyncio.create_task(text_of(extractor, make_pdf([["x"] * 50] * 200)))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await text_of(extractor, b"next") == "next"


async def test_nothing_is_left_behind() -> None:
    async with create_extractor(LIMITS, processes=2) as extractor:
        await asyncio.gather(*(text_of(extractor, b"text") for _ in range(4)))
        processes = idle(extractor)
        assert [process.returncode for process in processes] == [None, None]
        folder = extractor._pool._folder.name  # pyright: ignore[reportPrivateUsage] - it must be gone
    assert [process.returncode for process in processes] == [-signal.SIGKILL] * 2
    assert not os.path.exists(folder)  # noqa: ASYNC240 - a look at a local folder


async def test_a_process_holds_no_secret_and_little_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = tmp_path / "environment"
    telling = tmp_path / "python"
    telling.write_text(f'#!/bin/sh\nenv > "{written}"\nexec "{sys.executable}" "$@"\n')
    telling.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(telling))
    monkeypatch.setenv("LLM_API_KEY", "very-secret")
    async with create_extractor(LIMITS, processes=1) as extractor:
        assert await text_of(extractor, b"text") == "text"
    environment = written.read_text()
    assert "MALLOC_ARENA_MAX=2" in environment
    assert "very-secret" not in environment
    assert "DATABASE" not in environment


async def test_a_file_beyond_the_size_limit_is_refused_without_a_process(extractor: Extractor) -> None:
    failure = await failure_of(extractor, bytes(LIMITS.file_max_bytes + 1))
    assert (failure.code, failure.is_permanent) == ("too_large", True)


@pytest.mark.parametrize("part", ["word/document.xml", "word/media/image1.png"])
async def test_a_zip_bomb_is_not_opened(extractor: Extractor, part: str) -> None:
    bomb = with_part(make_docx(), part, bytes(100 * MEBIBYTE))
    assert len(bomb) < MEBIBYTE
    failure = await failure_of(extractor, bomb, "bomb.docx")
    assert (failure.code, failure.is_permanent) == ("archive_too_large", True)


async def test_a_bomb_that_lies_about_its_size_is_counted(extractor: Extractor) -> None:
    bomb = bytearray(with_part(make_docx(), "word/bomb.bin", bytes(100 * MEBIBYTE)))
    size = struct.pack("<I", 100 * MEBIBYTE)
    assert bomb.count(size) == 2
    lying = bytes(bomb).replace(size, struct.pack("<I", 100))
    failure = await failure_of(extractor, lying, "bomb.docx")
    assert failure.code == "archive_too_large"


async def test_an_archive_of_too_many_entries_is_refused(extractor: Extractor) -> None:
    parts: dict[str, str | bytes] = {f"word/{number}.xml": "x" for number in range(LIMITS.archive_entries_max + 1)}
    failure = await failure_of(extractor, make_zip({"word/document.xml": "<x/>", **parts}), "many.docx")
    assert failure.code == "archive_too_large"


async def test_a_nested_archive_is_not_unpacked(extractor: Extractor) -> None:
    inner = make_zip({"inner.txt": "from the inside " * 10})
    text = await text_of(extractor, with_part(make_docx(), "word/embeddings/inner.zip", inner), "a.docx")
    assert "from the inside" not in text


async def test_five_thousand_pages_are_refused(extractor: Extractor) -> None:
    failure = await failure_of(extractor, make_pdf([["x"]] * 5_000), "long.pdf")
    assert failure.code == "too_many_pages"
    assert "5,000 pages" in failure.message


async def test_external_entities_and_entity_bombs_are_not_expanded(extractor: Extractor, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("top-secret")
    external = f'<!DOCTYPE r [<!ENTITY x SYSTEM "file://{secret}">]><r><a>seen &x;</a></r>'
    text = await text_of(extractor, f'<?xml version="1.0"?>{external}'.encode(), "a.xml")
    assert "top-secret" not in text
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    laughs = f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e0 "ha">{entities}]>'
    for content, name in (
        (f"{laughs}<r><a>&e11;</a></r>".encode(), "a.xml"),
        (with_part(make_docx(), "word/document.xml", f"{laughs}<w>&e11;</w>".encode()), "a.docx"),
        (
            with_part(make_xlsx(), "xl/worksheets/sheet1.xml", f"{laughs}<worksheet>&e11;</worksheet>".encode()),
            "a.xlsx",
        ),
    ):
        try:
            assert len(await text_of(extractor, content, name)) < 10_000
        except ExtractionError as error:
            assert error.code in ("unreadable", "empty", "too_large", "crashed")
    assert await text_of(extractor, b"alive") == "alive"


async def test_a_file_that_eats_memory_is_stopped() -> None:
    greedy = b"[" + b"[]," * 3_000_000 + b"[]]"
    async with create_extractor(LIMITS, processes=1, memory_max_bytes=420 * MEBIBYTE) as extractor:
        assert await text_of(extractor, b"enough for this") == "enough for this"
        failure = await failure_of(extractor, greedy, "a.json")
        assert failure.code in ("too_large", "crashed")
        assert await text_of(extractor, b"next") == "next"


async def test_a_picture_with_too_many_pixels_is_refused(extractor: Extractor) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    failure = await failure_of(extractor, png + bytes(100), "huge.png")
    assert failure.code in ("too_large", "unreadable", "needs_vision")


@pytest.mark.parametrize(
    "name", ['a"b\n\r.txt', "\N{PARTY POPPER}.csv", "../../etc/passwd", "x" * 5_000, "", "\ud800.csv"]
)
async def test_any_name_will_do(extractor: Extractor, name: str) -> None:
    assert "1" in await text_of(extractor, b"a,b\n1,2\n", name)


@pytest.mark.parametrize(
    "make",
    [
        lambda: without_times(make_docx()),
        lambda: without_times(make_xlsx()),
        lambda: make_pdf([["words"] * 20] * 3),
    ],
    ids=["docx", "xlsx", "pdf"],
)
async def test_damaged_files_end_in_a_clear_state(extractor: Extractor, make: Any) -> None:
    whole = make()
    for step in range(24):
        broken = bytearray(whole)
        for offset in range(step, len(broken), 61):
            broken[offset] ^= (step * 37 + offset) % 255 + 1
        for content in (bytes(broken), whole[: len(whole) * step // 24]):
            try:
                await extractor.extract(content, file_name="a", mime_type=None)
            except ExtractionError as error:
                assert error.code in ("unreadable", "empty", "encrypted", "unsupported_type", "archive_too_large")
    assert await text_of(extractor, b"alive") == "alive"


@pytest.mark.skipif(not has_ocr(()), reason="tesseract's language data is not installed")
async def test_before_the_first_picture_it_is_asked_whether_to_go_on(extractor: Extractor) -> None:
    asked: list[None] = []

    async def refuse() -> None:
        asked.append(None)
        raise TimeoutError("the database is away")

    async def text_after(content: bytes) -> str:
        found = await extractor.extract(content, file_name="a", mime_type=None, before_pictures=refuse)
        return found.pages[0].text

    for content in (make_scan("PAGE", pictures=2), make_image("words")):
        with pytest.raises(TimeoutError, match="the database is away"):
            await text_after(content)
    assert len(asked) == 2
    assert await text_after(make_pdf([["words"]])) == "words"
    assert len(asked) == 2


def seeing(vision: VisionService) -> VisionSettings:
    return VisionSettings(base_url=vision.url, api_key="key", model="sees", timeout_seconds=60)


async def test_a_picture_is_described_by_the_vision_model(vision: VisionService) -> None:
    async with create_extractor(LIMITS, processes=1, vision=seeing(vision)) as extractor:
        found = await extractor.extract(make_image("words", "TIFF"), file_name="a.tiff", mime_type=None)
        assert found.pages[0].text == "A picture of 900 by 200 pixels."
        assert found.mime_type == "image/tiff"
        large = BytesIO()
        Image.new("RGB", (5_000, 100)).save(large, format="PNG")
        assert "2048 by 41" in await text_of(extractor, large.getvalue())
        assert (await failure_of(extractor, make_image("x")[:300])).code == "unreadable"
        assert await text_of(extractor, b"text needs no model") == "text needs no model"
    assert [request["model"] for request in vision.requests] == ["sees", "sees"]
    assert vision.requests[0]["key"] == "Bearer key"
    assert vision.requests[0]["path"] == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("status", "code", "is_permanent"),
    [
        *((status, "vision_unavailable", False) for status in (500, 429, 401, 402, 403, 404)),
        (400, "needs_vision", True),
    ],
)
async def test_a_vision_model_that_fails_is_told(
    vision: VisionService, status: int, code: str, is_permanent: bool
) -> None:
    vision.status = status
    async with create_extractor(LIMITS, processes=1, vision=seeing(vision)) as extractor:
        failure = await failure_of(extractor, make_image("x"))
    assert (failure.code, failure.is_permanent) == (code, is_permanent)


def idle(extractor: Extractor) -> list[asyncio.subprocess.Process]:
    """The worker processes that wait for a file."""
    return list(extractor._pool._idle)  # pyright: ignore[reportPrivateUsage] - nobody else has to know them
