"""A folder below the watched one that the worker may not read."""

import asyncio
import os
import shutil
import subprocess
import sys

import pytest
from rag_support.world import SERVICE, World

# To root nothing is unreadable, unless it gives that right away.
AS_ANYBODY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
pytestmark = pytest.mark.skipif(
    bool(AS_ANYBODY) and shutil.which("setpriv") is None, reason="root cannot give its rights away without setpriv"
)


def run_as_anybody(world: World) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*AS_ANYBODY, sys.executable, "docker_entrypoint.py", "--mode", "single"],
        cwd=SERVICE,
        env=world.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("mode", [0o000, 0o400])
async def test_a_folder_that_may_not_be_read_keeps_its_documents_and_stops_no_other(world: World, mode: int) -> None:
    closed = world.write("papers/closed/deep/pears.md", "Pears ripen in summer.").parents[1]
    world.write("papers/plums.md", "Plums ripen in autumn.")
    assert (await asyncio.to_thread(run_as_anybody, world)).returncode == 0
    (world.folder / "papers" / "plums.md").unlink()
    world.write("papers/fruit.md", "Oranges ripen in winter.")
    closed.chmod(mode)
    try:
        ended = await asyncio.to_thread(run_as_anybody, world)
    finally:
        closed.chmod(0o700)
    assert ended.returncode == 1, ended.stderr
    assert await indexed(world) == {"papers/closed/deep/pears.md", "papers/fruit.md"}
    assert "papers/closed" in await shown_error(world)
    assert str(world.folder) not in await shown_error(world)

    shutil.rmtree(closed)
    assert (await asyncio.to_thread(run_as_anybody, world)).returncode == 0
    assert await indexed(world) == {"papers/fruit.md"}
    assert await shown_error(world) == ""


async def test_what_cannot_be_read_is_shown_for_as_long_as_it_cannot(world: World) -> None:
    world.write("fruit.md", "Oranges ripen in winter.")
    closed = world.write("closed/pears.md", "Pears ripen in summer.").parent
    closed.chmod(0o000)
    worker = world.start_worker(command=AS_ANYBODY)

    async def is_shown() -> bool:
        return "closed" in await shown_error(world)

    async def looked_again() -> bool:
        query = "select last_run > error_at + interval '0.5 s' from public.rag_pipeline_state"
        return bool(await world.value(query))

    try:
        await world.until_status("fruit.md", "indexed")
        await world.until(is_shown, "the pipeline names the folder")
        error_at = await world.value("select error_at from public.rag_pipeline_state")
        await world.until(looked_again, "later looks found the same")
        assert await is_shown()
        assert await world.value("select error_at from public.rag_pipeline_state") == error_at
    finally:
        closed.chmod(0o700)
    await world.until_status("closed/pears.md", "indexed")
    assert await shown_error(world) == ""
    world.kill(worker)


async def indexed(world: World) -> set[str]:
    return {key for key, document in (await world.documents()).items() if document["status"] == "indexed"}


async def shown_error(world: World) -> str:
    return await world.value("select coalesce(error_message, '') from public.rag_pipeline_state")
