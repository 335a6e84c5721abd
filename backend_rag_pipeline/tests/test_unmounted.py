"""A disk that is mounted below the watched folder, and one day is not."""

import asyncio
import shutil
import subprocess
import sys

import pytest
from rag_support.world import SERVICE, World

TEXT = "Oranges ripen in winter."
IN_NAMESPACES = ("unshare", "--map-root-user", "--mount")
UNMOUNT = """
set -e
mount -t tmpfs disk "$1/disk"
printf 'Pears ripen in summer.' > "$1/disk/pears.md"
touch -d '1 hour ago' "$1/disk/pears.md"
"$2" docker_entrypoint.py --mode single
umount "$1/disk"
"$2" docker_entrypoint.py --mode single || echo "ended with $?"
RAG_ACCEPT_NEW_FOLDER=$3 "$2" docker_entrypoint.py --mode single || echo "ended with $?"
"""


def may_mount() -> bool:
    if shutil.which(IN_NAMESPACES[0]) is None:
        return False
    return subprocess.run([*IN_NAMESPACES, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(("is_meant", "expected"), [("false", {"fruit.md", "disk/pears.md"}), ("true", {"fruit.md"})])
async def test_a_disk_below_the_folder_that_is_not_mounted_deletes_nothing(
    world: World, is_meant: str, expected: set[str]
) -> None:
    if not await asyncio.to_thread(may_mount):
        pytest.skip("mounting is not allowed here")
    world.write("fruit.md", TEXT)
    (world.folder / "disk").mkdir()
    ended = await asyncio.to_thread(
        subprocess.run,
        [*IN_NAMESPACES, "sh", "-c", UNMOUNT, "sh", str(world.folder), sys.executable, is_meant],
        cwd=SERVICE,
        env=world.environment(),
        capture_output=True,
        text=True,
    )
    assert ended.stdout.count("ended with 1") == (1 if is_meant == "true" else 2), ended.stdout + ended.stderr
    assert set(await world.documents()) == expected
