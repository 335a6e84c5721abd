"""The official `ai` package in Node, as a person's chat."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from agent_api_support.chat import ASK, Person

from local_stack.paths import EMBEDDED_HOME, REPOSITORY

SCRIPT = Path(__file__).with_name("sdk_chat.mjs")
PACKAGES = REPOSITORY / "frontend"
NODE_MAJOR_MIN = 22
WAIT_SECONDS_MAX = 120.0
HINT = "run `python3 deploy.py --type test` once"

ChatState = dict[str, Any]


def find_node() -> str:
    """A Node that `ai` 7 runs on: the machine's, or the one that deploy.py has set up."""
    own = EMBEDDED_HOME / "venvs" / "node" / "programs" / "node"
    for program in (shutil.which("node"), str(own) if own.exists() else None):
        if program is None:
            continue
        printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        match = re.match(r"v(\d+)\.", printed)
        if match and int(match[1]) >= NODE_MAJOR_MIN:
            return program
    pytest.fail(f"Node {NODE_MAJOR_MIN} or newer is missing: {HINT}")


@dataclass
class SdkChat:
    """Sends commands and keeps the latest state."""

    process: asyncio.subprocess.Process
    state: ChatState = field(default_factory=lambda: {"status": "ready", "messages": [], "error": None})
    ended: list[str] = field(default_factory=list[str])

    def do(self, command: str, **options: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"command": command, **options}).encode() + b"\n")

    async def until(self, condition: Callable[["SdkChat"], bool]) -> ChatState:
        """Wait for a state."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not condition(self):
                line = await self.process.stdout.readline()
                assert line, (await self.process.stderr.read() if self.process.stderr else b"").decode()
                told = json.loads(line)
                if "ended" in told:
                    self.ended.append(told["ended"])
                else:
                    self.state = told
        return self.state

    async def finished(self, command: str) -> ChatState:
        """Wait until a command has ended."""
        before = self.ended.count(command)
        return await self.until(lambda chat: chat.ended.count(command) > before)

    async def until_text(self, text: str) -> ChatState:
        """Wait until the newest message holds a text."""
        return await self.until(lambda chat: bool(chat.state["messages"]) and text in chat.text)

    @property
    def answer(self) -> dict[str, Any]:
        return self.state["messages"][-1]

    @property
    def text(self) -> str:
        return "".join(part["text"] for part in self.answer["parts"] if part["type"] == "text")


@asynccontextmanager
async def run_sdk_chat(person: Person, session_id: str) -> AsyncGenerator[SdkChat]:
    """One chat of the SDK while the block runs."""
    jwt = person.headers["Authorization"].removeprefix("Bearer ")
    assert (PACKAGES / "node_modules" / "ai").exists(), f"the site's packages are missing: {HINT}"
    process = await asyncio.create_subprocess_exec(
        *(find_node(), SCRIPT, PACKAGES, f"{person.client.base_url}{ASK}".replace("//api", "/api"), jwt, session_id),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
    )
    try:
        yield SdkChat(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
