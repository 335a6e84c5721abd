"""Chat completions encoded as OpenAI clients read them, with what is constant encoded once per answer."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import uuid4

from local_stack.demo_model.settings import CHAT_MODEL


@dataclass(frozen=True)
class ToolCall:
    """A call of an offered function."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Usage:
    """What the request and its answer measure, in model tokens (about four characters each)."""

    input_tokens: int
    output_tokens: int

    def body(self) -> dict[str, int]:
        """The usage object of the API."""
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
        }


def estimate_model_tokens(characters: int) -> int:
    """Four characters count as one, any text as at least one."""
    return (characters + 3) // 4


def encode(value: object) -> bytes:
    """JSON as UTF-8; lone surrogates, which UTF-8 cannot hold, become escapes."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


@lru_cache(maxsize=8192)
def encode_piece(piece: str) -> bytes:
    """JSON of a piece of text; words come again and again."""
    return encode(piece)


def completion_body(text: str | None, calls: Sequence[ToolCall], usage: Usage) -> bytes:
    """A whole chat.completion object."""
    message: dict[str, object] = {"role": "assistant", "content": text, "refusal": None}
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": "tool_calls" if calls else "stop",
    }
    return encode(
        {
            "id": _new_id(),
            "object": "chat.completion",
            "created": int(time.time()),
            "model": CHAT_MODEL,
            "choices": [choice],
            "usage": usage.body(),
        }
    )


class ChunkEncoder:
    """Makes the server-sent events of one streamed answer."""

    def __init__(self, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        head = encode(
            {
                "id": _new_id(),
                "object": "chat.completion.chunk",
                "created": int(time.time()),
                "model": CHAT_MODEL,
                "choices": [],
            }
        )
        self._head = b"data: " + head.removesuffix(b"]}")
        # With include_usage every chunk but the last carries a null, as the real API does.
        self._tail = (b'],"usage":null}' if include_usage else b"]}") + b"\n\n"
        self._before = self._head + b'{"index":0,"delta":'
        self._after = b',"finish_reason":null}' + self._tail

    def first(self) -> bytes:
        """The opening event: the role and no text."""
        return self._before + b'{"role":"assistant","content":""}' + self._after

    def text(self, encoded: bytes) -> bytes:
        """One event with a piece of text that is already JSON."""
        return self._before + b'{"content":' + encoded + b"}" + self._after

    def tool_calls(self, calls: Sequence[ToolCall]) -> list[bytes]:
        """Name and id first, then the arguments in two pieces, as a real model sends them."""
        events: list[bytes] = []
        for index, call in enumerate(calls):
            opening = {
                "index": index,
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": ""},
            }
            role: dict[str, object] = {} if events else {"role": "assistant", "content": None}
            events.append(self._delta({**role, "tool_calls": [opening]}))
            half = (len(call.arguments) + 1) // 2
            for piece in filter(None, (call.arguments[:half], call.arguments[half:])):
                events.append(self._delta({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
        return events

    def last(self, finish_reason: str, usage: Usage) -> bytes:
        """The finish reason, the usage if it was asked for, and the end mark."""
        choice = b'{"index":0,"delta":{},"finish_reason":' + encode(finish_reason) + b"}"
        events = self._head + choice + self._tail
        if self._include_usage:
            events += self._head + b'],"usage":' + encode(usage.body()) + b"}\n\n"
        return events + b"data: [DONE]\n\n"

    def _delta(self, delta: object) -> bytes:
        return self._before + encode(delta) + self._after


def _new_id() -> str:
    return f"chatcmpl-{uuid4().hex}"
