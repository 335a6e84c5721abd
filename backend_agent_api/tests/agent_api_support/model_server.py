"""An OpenAI-compatible model on a port that says what a test tells it to say, when the test tells it to."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agent_api_support.serving import serve

INPUT_TOKENS, OUTPUT_TOKENS = 11, 7


@dataclass(frozen=True)
class Tool:
    """Call a tool; `arguments` is sent as it stands, whether it is JSON or not."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Raw:
    """Bytes on the wire."""

    data: bytes


@dataclass(frozen=True)
class Status:
    """Refuse instead of answering."""

    code: int
    text: str = "a secret of the provider"


@dataclass(frozen=True)
class Pause:
    """The model's own pace."""

    seconds: float


class Break:
    """Cut the connection."""


Step = str | Tool | Raw | Status | Break | Pause | asyncio.Event
Script = Sequence[Step]


@dataclass
class ModelServer:
    """`scripts` maps a question to the model's responses in its turn; the last one is said again and again."""

    base_url: str = ""
    scripts: dict[str, list[Script]] = field(default_factory=dict[str, list[Script]])
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Bodies of what was asked, titles apart."""
    name: str = "scripted"
    """The model that answers say they come from."""
    title: Script = field(default_factory=lambda: ["A title"])
    title_requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    embedding: list[float] | None = field(default_factory=lambda: [0.1, 0.2, 0.3])
    """The vector of every text; None breaks the route."""
    embedding_reply: Any = None
    """The whole answer instead."""
    embedding_hangs: bool = False
    embedding_requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    closes_connections: bool = False
    """Behind every answer, as some servers and proxies do."""
    answering: int = 0
    """Answers that are being written now."""

    def say(self, question: str, *scripts: Script) -> None:
        """Answer a question with these responses, one per request of its turn."""
        self.scripts[question] = list(scripts)

    def messages(self, number: int = -1) -> list[tuple[str, Any]]:
        """(role, content) of one request, without the instructions."""
        told = self.requests[number]["messages"]
        return [(message["role"], message.get("content")) for message in told if message["role"] != "system"]

    def _script(self, body: dict[str, Any]) -> Script:
        question = next(m["content"] for m in reversed(body["messages"]) if m["role"] == "user")
        scripts = self.scripts.get(question)
        if not scripts:
            return [f"Answer to {question}"]
        return scripts.pop(0) if len(scripts) > 1 else scripts[0]

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        if not body.get("tools"):
            self.title_requests.append(body)
            return await self._whole(self.title)
        self.requests.append(body)
        script = self._script(body)
        if script and isinstance(script[0], Status):
            return JSONResponse({"error": {"message": script[0].text}}, status_code=script[0].code)
        headers = {"connection": "close"} if self.closes_connections else None
        return StreamingResponse(self._stream(script), headers=headers, media_type="text/event-stream")

    async def _whole(self, script: Script) -> Response:
        content = ""
        for step in script:
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, Status):
                return JSONResponse({"error": {"message": step.text}}, status_code=step.code)
            elif isinstance(step, str):
                content += step
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        reply = {**self._envelope("chat.completion"), "choices": [choice], "usage": _usage()}
        # ASCII, which can carry what UTF-8 cannot.
        return Response(json.dumps(reply), media_type="application/json")

    async def _stream(self, script: Script) -> AsyncIterator[bytes]:
        self.answering += 1
        try:
            yield self._chunk({"role": "assistant", "content": ""})
            called = 0
            for step in script:
                match step:
                    case str():
                        yield self._chunk({"content": step})
                    case Tool():
                        function = {"name": step.name, "arguments": step.arguments}
                        call_id = f"call_{len(self.requests)}_{called}"
                        yield self._chunk(
                            {"tool_calls": [{"index": called, "id": call_id, "type": "function", "function": function}]}
                        )
                        called += 1
                    case Raw():
                        yield step.data
                    case asyncio.Event():
                        await step.wait()
                    case Pause():
                        await asyncio.sleep(step.seconds)
                    case Break():
                        raise ConnectionResetError("told to break")
                    case Status():
                        raise AssertionError("a status comes first")
            yield self._chunk({}, finish_reason="tool_calls" if called else "stop")
            yield _event({**self._envelope("chat.completion.chunk"), "choices": [], "usage": _usage()})
            yield b"data: [DONE]\n\n"
        finally:
            self.answering -= 1

    def _envelope(self, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1_700_000_000, "model": self.name}

    def _chunk(self, delta: dict[str, Any], *, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event({**self._envelope("chat.completion.chunk"), "choices": [choice]})

    async def _embed(self, request: Request) -> Response:
        self.embedding_requests.append(await request.json())
        if self.embedding_hangs:
            await asyncio.Event().wait()
        if self.embedding_reply is not None:
            return Response(json.dumps(self.embedding_reply), media_type="application/json")
        if self.embedding is None:
            return JSONResponse({"error": {"message": "a secret of the provider"}}, status_code=500)
        vector = {"object": "embedding", "index": 0, "embedding": self.embedding}
        return JSONResponse({"object": "list", "data": [vector], "model": "e", "usage": {"prompt_tokens": 1}})

    async def _models(self, _request: Request) -> Response:
        return JSONResponse({"object": "list", "data": []})

    def app(self) -> Starlette:
        """The routes that the API asks."""
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/embeddings", self._embed, methods=["POST"]),
                Route("/v1/models", self._models),
            ]
        )


def _usage() -> dict[str, int]:
    return {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    }


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@asynccontextmanager
async def run_model_server() -> AsyncGenerator[ModelServer]:
    """The model on a port of its own."""
    model = ModelServer()
    async with serve(model.app()) as address:
        model.base_url = f"{address}/v1"
        yield model
