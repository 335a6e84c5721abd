"""A folder that other people write to: what is read of it, and what never is."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from rag_pipeline.sources.local_files import SETTLED_SECONDS, LocalFiles
from rag_pipeline.sources.local_names import key_of, path_of
from rag_pipeline.sources.source import (
    ConfigurationError,
    FileError,
    FileGone,
    FileNotStable,
    FileTooLarge,
    Listing,
    SourceUnavailable,
)

LONG_AGO = time.time() - SETTLED_SECONDS * 10


@asynccontextmanager
async def folder_source(
    folder: Path, *, file_bytes_max: int = 1000, files_max: int = 100
) -> AsyncGenerator[LocalFiles]:
    source = LocalFiles(folder, file_bytes_max=file_bytes_max, files_max=files_max)
    try:
        yield source
    finally:
        await source.close()


def write(path: Path, content: bytes = b"text", *, written_at: float = LONG_AGO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (written_at, written_at))
    return path


async def keys(source: LocalFiles) -> set[str]:
    return {file.key for file in (await source.list_all()).files}


async def test_everything_below_the_folder_is_listed_but_hidden_and_temporary_files(tmp_path: Path) -> None:
    documents = {
        "a.md",
        "sub/deep/b.pdf",
        "#1 Report.md",
        "# Notes.md",
        "archive.lock/c.md",
        "Copy~/d.md",
        "x.temp/e.md",
    }
    for name in documents:
        write(tmp_path / name)
    for name in (
        ".hidden",
        "~$letter.docx",
        "film.part",
        "c.crdownload",
        "d.TMP",
        "e.txt~",
        "#draft.txt#",
        "archive.lock/f.lock",
        "Thumbs.db",
        "lost+found/1234",
        ".git/config",
    ):
        write(tmp_path / name)
    async with folder_source(tmp_path) as source:
        assert await keys(source) == documents
        fetched = await source.fetch("sub/deep/b.pdf")
    assert (fetched.name, fetched.mime_type, fetched.content) == ("b.pdf", "application/pdf", b"text")


@pytest.mark.parametrize(
    "name",
    [
        b"two\nlines.txt",
        b'it\'s "quoted".txt',
        "🦊 fox.txt".encode(),
        b"caf\xe9.txt",
        b"back\\slash.txt",
        b"a\\xff.txt",
    ],
)
async def test_a_file_of_any_name_is_listed_under_valid_text_and_read(tmp_path: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    write(path, name)
    async with folder_source(tmp_path) as source:
        (file,) = (await source.list_all()).files
        assert file.key.encode() and "\x00" not in file.key
        assert (await source.fetch(file.key)).content == name


async def test_a_path_longer_than_can_be_stored_hides_no_other_file(tmp_path: Path) -> None:
    write(tmp_path / "a.md")
    folder = os.open(tmp_path, os.O_RDONLY)
    for name in [f"{letter}" * 240 for letter in "abcdefghi"]:
        os.mkdir(name, dir_fd=folder)
        deeper = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = deeper
    with os.fdopen(os.open("b.md", os.O_WRONLY | os.O_CREAT, dir_fd=folder), "wb") as file:
        file.write(b"text")
    os.close(folder)
    async with folder_source(tmp_path) as source:
        assert await keys(source) == {"a.md"}


def test_different_paths_have_different_keys() -> None:
    names = [b"caf\xe9", b"caf\\xe9", b"caf\\\\xe9", "café".encode()]
    made = [key_of(os.fsdecode(name)) for name in names]
    assert len(set(made)) == len(names)
    assert [os.fsencode(path_of(key)) for key in made] == names


async def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_read(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "secret.txt", b"secret")
    folder = tmp_path / "folder"
    write(folder / "real.txt", b"inside")
    (folder / "escape.txt").symlink_to(outside)
    (folder / "upwards.txt").symlink_to("../outside/secret.txt")
    (folder / "all").symlink_to(tmp_path / "outside")
    (folder / "near.txt").symlink_to("real.txt")
    async with folder_source(folder) as source:
        assert await keys(source) == {"real.txt", "near.txt"}
        assert (await source.fetch("near.txt")).content == b"inside"
        for key in ("escape.txt", "upwards.txt", "all/secret.txt", "../outside/secret.txt", str(outside)):
            with pytest.raises(FileGone):
                await source.fetch(key)


async def test_a_file_swapped_for_a_link_after_the_listing_is_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "secret.txt", b"secret")
    folder = tmp_path / "folder"
    for key in ("file.txt", "sub/file.txt"):
        write(folder / key)
    async with folder_source(folder) as source:
        assert await keys(source) == {"file.txt", "sub/file.txt"}
        (folder / "file.txt").unlink()
        (folder / "file.txt").symlink_to(outside)
        (folder / "sub" / "file.txt").unlink()
        (folder / "sub").rmdir()
        (folder / "sub").symlink_to(tmp_path)
        write(tmp_path / "file.txt", b"outside too")
        for key in ("file.txt", "sub/file.txt"):
            with pytest.raises(FileGone):
                await source.fetch(key)


async def test_a_swap_that_never_stops_gives_the_inside_or_nothing(tmp_path: Path) -> None:
    outside = write(tmp_path / "secret.txt", b"secret")
    folder = tmp_path / "folder"
    inside = write(folder / "sub" / "file.txt", b"inside")
    stop = threading.Event()

    def swap() -> None:
        link, real = folder / "link", folder / "real"
        while not stop.is_set():
            link.symlink_to(outside)
            inside.rename(real)
            link.rename(inside)
            real.rename(inside)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        async with folder_source(folder) as source:
            for _ in range(300):
                try:
                    assert (await source.fetch("sub/file.txt")).content == b"inside"
                except FileError:
                    continue
    finally:
        stop.set()
        swapper.join()


async def test_a_pipe_is_no_document_and_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    async with folder_source(tmp_path) as source:
        assert await keys(source) == set()
        with pytest.raises(FileGone):
            await asyncio.wait_for(source.fetch("pipe.txt"), 60)


async def test_a_file_above_the_limit_is_listed_and_not_read(tmp_path: Path) -> None:
    write(tmp_path / "large.bin", b"x" * 1001)
    async with folder_source(tmp_path) as source:
        assert await keys(source) == {"large.bin"}
        with pytest.raises(FileTooLarge):
            await source.fetch("large.bin")


async def wait_until_settled(source: LocalFiles) -> Listing:
    async with asyncio.timeout(60):
        while True:
            listing = await source.list_all()
            if not listing.unsettled:
                return listing


async def test_a_file_being_written_waits_until_two_looks_find_it_the_same(tmp_path: Path) -> None:
    # A time in the future stays young, however long a look takes: only that it changed keeps it waiting.
    young = time.time() + 3600
    path = write(tmp_path / "growing.txt", b"a", written_at=young)
    async with folder_source(tmp_path) as source:
        for size in range(2, 5):
            assert (await source.list_all()).unsettled == {"growing.txt"}
            write(path, b"a" * size, written_at=young)
        listing = await wait_until_settled(source)
        assert [file.size_bytes for file in listing.files] == [4]


async def test_a_file_that_changes_while_it_is_read_is_not_taken(tmp_path: Path) -> None:
    path = write(tmp_path / "busy.txt", b"x" * 900_000)
    stop = threading.Event()

    def rewrite() -> None:
        while not stop.is_set():
            with path.open("r+b") as file:
                file.write(b"y")

    writer = threading.Thread(target=rewrite)
    writer.start()
    refused = 0
    try:
        async with folder_source(tmp_path, file_bytes_max=1_000_000) as source:
            async with asyncio.timeout(60):
                while not refused:
                    try:
                        await source.fetch("busy.txt")
                    except FileNotStable:
                        refused += 1
    finally:
        stop.set()
        writer.join()
    assert refused


async def test_a_folder_that_is_not_there_is_an_error_and_never_an_empty_one(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    async with folder_source(folder) as source:
        with pytest.raises(ConfigurationError):
            await source.check()
        with pytest.raises(SourceUnavailable):
            await source.list_all()
        write(folder / "a.md")
        await source.check()
        assert await keys(source) == {"a.md"}
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(SourceUnavailable):
            await source.list_all()


async def test_more_files_than_the_limit_is_no_listing(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / f"{number}.txt")
    async with folder_source(tmp_path, files_max=3) as source:
        with pytest.raises(SourceUnavailable):
            await source.list_all()


async def test_another_folder_at_the_same_path_has_another_identity(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    write(folder / "a.md")
    async with folder_source(folder) as source:
        before = (await source.list_all()).state["folder"]
        folder.rename(tmp_path / "elsewhere")
        folder.mkdir()
        after = (await source.list_all()).state["folder"]
    assert before != after


async def test_a_changed_file_wakes_the_sync_and_our_own_reading_does_not(tmp_path: Path) -> None:
    write(tmp_path / "a.md")
    async with folder_source(tmp_path) as source, aclosing(source.wake()) as events:
        woken = asyncio.ensure_future(events.__anext__())
        give_up_at = time.monotonic() + 60
        while source._watch._observer is None:  # pyright: ignore[reportPrivateUsage] - a change would wake it
            assert time.monotonic() < give_up_at
            await asyncio.sleep(0.01)
        await source.list_all()
        await source.fetch("a.md")
        done, _ = await asyncio.wait([woken], timeout=1)
        assert not done
        write(tmp_path / "b.md")
        async with asyncio.timeout(60):
            await woken
