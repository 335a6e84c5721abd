"""The UI message stream as a client reads it: events with their ids, and the message they add up to."""

import json
from dataclasses import dataclass, field
from typing import Any

Part = dict[str, Any]


@dataclass
class UiStream:
    """Events in the order of their arrival; their ids must grow.

    The process that runs a turn counts them one by one. From another process, text that was joined comes as one event
    under the id of its last.
    """

    last_id: int = 0
    skipped: int = 0
    """Ids that joined text took along."""
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    is_done: bool = False
    keep_alives: int = 0
    _rest: bytes = b""

    def feed(self, data: bytes) -> None:
        """Take in bytes as they arrive."""
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        for block in blocks:
            if block.startswith(b":"):
                self.keep_alives += 1
                continue
            first, second = block.split(b"\n")
            assert not self.is_done, "nothing follows [DONE]"
            event_id = int(first.removeprefix(b"id: "))
            assert event_id > self.last_id
            self.skipped += event_id - self.last_id - 1
            self.last_id = event_id
            payload = second.removeprefix(b"data: ").decode()
            self.is_done = payload == "[DONE]"
            self.events.append({"type": "[DONE]"} if self.is_done else json.loads(payload))

    def only(self, kind: str) -> list[dict[str, Any]]:
        """The events of one type."""
        return [event for event in self.events if event["type"] == kind]

    @property
    def start(self) -> dict[str, Any]:
        """The metadata of the beginning, with the answer's id."""
        (event,) = self.only("start")
        return {**event["messageMetadata"], "message_id": event["messageId"]}

    @property
    def end(self) -> dict[str, Any]:
        """The metadata of the end."""
        assert self.is_done
        (event,) = self.only("finish") or self.only("message-metadata")
        return event["messageMetadata"]

    @property
    def error(self) -> dict[str, str] | None:
        """What `error` says, if the turn broke."""
        errors = self.only("error")
        return json.loads(errors[0]["errorText"]) if errors else None

    @property
    def text(self) -> str:
        return "".join(event["delta"] for event in self.only("text-delta"))

    @property
    def parts(self) -> list[Part]:
        """The message that a client of the AI SDK holds after these events."""
        return reduce_parts(self.events)


def reduce_parts(events: list[dict[str, Any]]) -> list[Part]:
    """As `processUIMessageStream` of the `ai` package builds it; empty texts are left out."""
    parts: list[Part] = []
    texts: dict[str, Part] = {}
    tools: dict[str, Part] = {}
    for event in events:
        match event["type"]:
            case "start-step":
                parts.append({"type": "step-start"})
            case "text-start" | "reasoning-start":
                part = {"type": event["type"].removesuffix("-start"), "text": "", "state": "streaming"}
                texts[event["id"]] = part
                parts.append(part)
            case "text-delta" | "reasoning-delta":
                texts[event["id"]]["text"] += event["delta"]
            case "text-end" | "reasoning-end":
                texts[event["id"]]["state"] = "done"
            case "tool-input-available" | "tool-input-error":
                part = {"type": f"tool-{event['toolName']}", "toolCallId": event["toolCallId"], "input": event["input"]}
                part["state"] = "input-available"
                if event["type"] == "tool-input-error":
                    part |= {"state": "output-error", "errorText": event["errorText"]}
                tools[event["toolCallId"]] = part
                parts.append(part)
            case "tool-output-available":
                tools[event["toolCallId"]] |= {"state": "output-available", "output": event["output"]}
            case "tool-output-error":
                tools[event["toolCallId"]] |= {"state": "output-error", "errorText": event["errorText"]}
            case "source-url" | "source-document":
                parts.append(event)
            case _:
                pass
    return [part for part in parts if part["type"] not in ("text", "reasoning") or part["text"]]


def read_stream(body: bytes) -> UiStream:
    """A whole stream."""
    assert body.endswith(b"\n\n")
    stream = UiStream()
    stream.feed(body)
    return stream
