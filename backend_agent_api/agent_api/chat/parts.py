"""An answer as UI message parts: gathered from the events of a run, stored, and turned into events again."""

from collections.abc import Iterator
from typing import Any

from pydantic_ai.ui.vercel_ai.response_types import (
    BaseChunk,
    DataChunk,
    FileChunk,
    FinishStepChunk,
    ReasoningDeltaChunk,
    ReasoningEndChunk,
    ReasoningStartChunk,
    SourceDocumentChunk,
    SourceUrlChunk,
    StartStepChunk,
    TextDeltaChunk,
    TextEndChunk,
    TextStartChunk,
    ToolInputAvailableChunk,
    ToolInputErrorChunk,
    ToolOutputAvailableChunk,
    ToolOutputErrorChunk,
)

Part = dict[str, Any]
"""One part of a UI message, in the shape that the AI SDK keeps."""

TOOL_PREFIX = "tool-"


class PartsBuilder:
    """Folds the events of a run into the parts a browser would hold after them."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._texts: dict[str, tuple[Part, list[str]]] = {}
        self._tools: dict[str, Part] = {}
        self.text_length = 0
        self.has_output = False
        """One non-blank text delta or one completed tool call."""

    def add(self, chunk: BaseChunk) -> None:
        """Take in one event."""
        match chunk:
            case TextDeltaChunk() | ReasoningDeltaChunk():
                self._texts[chunk.id][1].append(chunk.delta)
                self.text_length += len(chunk.delta)
                if not self.has_output and isinstance(chunk, TextDeltaChunk) and chunk.delta.strip():
                    self.has_output = True
            case TextStartChunk() | ReasoningStartChunk():
                part: Part = {"type": "text" if isinstance(chunk, TextStartChunk) else "reasoning"}
                self._texts[chunk.id] = (part, [])
                self._parts.append(part)
            case ToolInputAvailableChunk() | ToolInputErrorChunk():
                self._add_tool_input(chunk)
            case ToolOutputAvailableChunk():
                self._end_tool(chunk.tool_call_id, state="output-available", output=chunk.output)
                self.has_output = True
            case ToolOutputErrorChunk():
                self._end_tool(chunk.tool_call_id, state="output-error", errorText=chunk.error_text)
            case StartStepChunk():
                self._parts.append({"type": "step-start"})
            case SourceUrlChunk() | SourceDocumentChunk() | FileChunk() | DataChunk():
                if not (isinstance(chunk, DataChunk) and chunk.transient):
                    self._parts.append(chunk.model_dump(mode="json", by_alias=True, exclude_none=True))
            case _:
                pass

    def _add_tool_input(self, chunk: ToolInputAvailableChunk | ToolInputErrorChunk) -> None:
        part: Part = {
            "type": TOOL_PREFIX + chunk.tool_name,
            "toolCallId": chunk.tool_call_id,
            "state": "input-available",
            "input": chunk.input,
        }
        if isinstance(chunk, ToolInputErrorChunk):
            part |= {"state": "output-error", "errorText": chunk.error_text}
        self._tools[chunk.tool_call_id] = part
        self._parts.append(part)

    def _end_tool(self, tool_call_id: str, **result: Any) -> None:
        if tool := self._tools.get(tool_call_id):
            tool.update(result)

    @property
    def text(self) -> str:
        """The answer's text, its parts one after another."""
        texts = ("".join(deltas) for part, deltas in self._texts.values() if part["type"] == "text")
        return "\n\n".join(text for text in texts if text)

    def build(self) -> list[Part]:
        """The parts so far. A tool call that never ended is marked as an error: nothing runs it any more."""
        for part, deltas in self._texts.values():
            part |= {"text": "".join(deltas), "state": "done"}
        for part in self._tools.values():
            if part["state"] == "input-available":
                part |= {"state": "output-error", "errorText": "The tool call was interrupted."}
        return [part for part in self._parts if part["type"] not in ("text", "reasoning") or part["text"]]


def chunks_from_parts(parts: list[Part]) -> Iterator[BaseChunk]:
    """The events that give a browser these parts, for a repeat of a turn that has ended."""
    is_in_step = False
    for number, part in enumerate(parts):
        kind: str = part["type"]
        if kind == "step-start":
            if is_in_step:
                yield FinishStepChunk()
            is_in_step = True
            yield StartStepChunk()
        elif kind == "text":
            yield TextStartChunk(id=str(number))
            yield TextDeltaChunk(id=str(number), delta=part["text"])
            yield TextEndChunk(id=str(number))
        elif kind == "reasoning":
            yield ReasoningStartChunk(id=str(number))
            yield ReasoningDeltaChunk(id=str(number), delta=part["text"])
            yield ReasoningEndChunk(id=str(number))
        elif kind.startswith(TOOL_PREFIX):
            yield from _tool_chunks(part)
        elif kind == "source-url":
            yield SourceUrlChunk.model_validate(part)
        elif kind == "source-document":
            yield SourceDocumentChunk.model_validate(part)
    if is_in_step:
        yield FinishStepChunk()


def _tool_chunks(part: Part) -> Iterator[BaseChunk]:
    call_id: str = part["toolCallId"]
    yield ToolInputAvailableChunk(
        tool_call_id=call_id, tool_name=part["type"].removeprefix(TOOL_PREFIX), input=part.get("input")
    )
    if part["state"] == "output-available":
        yield ToolOutputAvailableChunk(tool_call_id=call_id, output=part.get("output"))
    else:
        yield ToolOutputErrorChunk(tool_call_id=call_id, error_text=part.get("errorText", ""))
