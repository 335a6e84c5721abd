"""What the demo model says. Pure: the same request always gets the same reply."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from local_stack.demo_model import samples
from local_stack.demo_model.errors import ModelError
from local_stack.demo_model.marks import Marks, read_marks
from local_stack.demo_model.pacing import Ending
from local_stack.demo_model.questions import kind_of
from local_stack.demo_model.quoting import best_quotes, first_document_id, opening, read_passages
from local_stack.demo_model.schemas import ChatRequest, Function, NamedChoice
from local_stack.demo_model.settings import ANSWER_PIECES_MAX
from local_stack.demo_model.titles import is_title_request, make_title
from local_stack.demo_model.wire import ToolCall

_RETRIEVE, _LIST, _READ = "retrieve_relevant_documents", "list_documents", "get_document_content"
_PIECE_CHARACTERS = 6
_MARKED_WORDS = 40
_CUT_AFTER = 10


@dataclass(frozen=True)
class Reply:
    """An answer in pieces, or tool calls, and how it is to be sent."""

    pieces: Sequence[str] = ()
    calls: Sequence[ToolCall] = ()
    # None: the usual pause of a stream, and none for an answer in one piece.
    pause_ms: int | None = None
    ending: Ending = "finish"
    # Never answer a byte.
    silent: bool = False

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(self.pieces)


def reply_to(request: ChatRequest) -> Reply:
    """Decide the reply; raises ModelError where a mark asks for a failure."""
    prompt, results = _last_turn(request)
    functions = _offered(request)
    if not functions and is_title_request(request):
        return Reply(pieces=[make_title(prompt)], pause_ms=0)
    marks = read_marks(prompt)
    forced = _forced_function(request, functions)
    if "tool" in marks and functions and not results:
        forced = forced or functions[0]
    if forced and not results:
        return Reply(calls=[_call(request, forced, marks.rest)])
    if marks.options:
        return _marked_reply(marks, results)
    return _plain_reply(request, marks.rest, functions, results)


def _last_turn(request: ChatRequest) -> tuple[str, list[str]]:
    """The last user message, and the tool results that follow it."""
    results: list[str] = []
    for message in reversed(request.messages):
        if message.role == "user":
            return message.text(), results[::-1]
        if message.role == "tool":
            results.append(message.text())
    return "", results[::-1]


def _offered(request: ChatRequest) -> list[Function]:
    if request.tool_choice == "none":
        return []
    return [tool.function for tool in request.tools or []]


def _forced_function(request: ChatRequest, functions: Sequence[Function]) -> Function | None:
    choice = request.tool_choice
    if isinstance(choice, NamedChoice):
        named = [function for function in functions if function.name == choice.function.name]
        if not named:
            raise ModelError(
                400, f"tool_choice names {choice.function.name!r}, which is not offered", field="tool_choice"
            )
        return named[0]
    return functions[0] if choice == "required" and functions else None


def _marked_reply(marks: Marks, results: Sequence[str]) -> Reply:
    if "fail" in marks:
        status = marks.option("fail", "status", 500)
        raise ModelError(status, f"The prompt asked the demo model to fail with {status}.", code="demo_failure")
    if "hang" in marks:
        return Reply(silent=True)
    if "empty" in marks:
        return Reply()
    pieces, pause_ms = _marked_pieces(marks, results)
    for name, ending in (("fail-midway", "break"), ("hang-midway", "hang")):
        if name in marks:
            pieces = pieces[: marks.option(name, "chunks", min(_CUT_AFTER, len(pieces) // 2))]
            return Reply(pieces=pieces, pause_ms=pause_ms, ending=cast(Ending, ending))
    return Reply(pieces=pieces, pause_ms=pause_ms)


def _marked_pieces(marks: Marks, results: Sequence[str]) -> tuple[list[str], int | None]:
    """The text a mark asks for, and its pace."""
    pace = next((name for name in ("chunks", "slow") if name in marks), "")
    count, pause_ms = {"chunks": (50, 20), "slow": (_MARKED_WORDS, 150)}.get(pace, (_MARKED_WORDS, None))
    if pause_ms is not None:
        pause_ms = marks.option(pace, "ms", pause_ms)
    if marks.echo is not None:
        return split_pieces(marks.echo), pause_ms
    if "markdown" in marks:
        return split_pieces(samples.MARKDOWN), pause_ms
    if "tool" in marks and not pace:
        return split_pieces(samples.tool_answer(_quoted(marks.rest, results), results)), pause_ms
    count = marks.option(pace, "chunks", count)
    # Numbered, so that a reader of the stream can tell a lost or doubled piece.
    return [f"word{number} " for number in range(1, count + 1)], pause_ms


def _plain_reply(request: ChatRequest, question: str, functions: Sequence[Function], results: Sequence[str]) -> Reply:
    named = {function.name: function for function in functions}
    kind = kind_of(question)
    if kind == "newest document" and _LIST in named and _READ in named:
        return _newest_document(request, named, results)
    listing = kind == "document list"
    if results and listing:
        return _answer(samples.document_list(read_passages(results)))
    if results:
        return _answer(_quoted(question, results))
    if kind in samples.SMALL_TALK:
        return _answer(samples.SMALL_TALK[kind])
    tool = (named.get(_LIST) if listing else None) or named.get(_RETRIEVE)
    if tool:
        return Reply(calls=[_call(request, tool, question)])
    return _answer(samples.no_tools(question))


def _newest_document(request: ChatRequest, functions: Mapping[str, Function], results: Sequence[str]) -> Reply:
    """First the list, then the document that leads it, then how that begins."""
    if not results:
        return Reply(calls=[_call(request, functions[_LIST], "")])
    document_id = first_document_id(results[:1])
    if len(results) == 1 and document_id is not None:
        return Reply(calls=[_call(request, functions[_READ], document_id)])
    passages = read_passages(results[1:])
    return _answer(samples.opening_answer(opening(passages[0]) if passages else []))


def _answer(text: str) -> Reply:
    return Reply(split_pieces(text.rstrip() + samples.NOTICE))


def _quoted(question: str, results: Sequence[str]) -> str:
    quotes = best_quotes(question, read_passages(results))
    return samples.quoted_answer(quotes) if quotes else samples.NOTHING_FOUND


def _call(request: ChatRequest, function: Function, question: str) -> ToolCall:
    # The id depends on the conversation so far: the same request gives the same id, the next turn another one.
    said = json.dumps([function.name, [message.model_dump() for message in request.messages]])
    identity = hashlib.sha256(said.encode()).hexdigest()[:24]
    arguments = json.dumps(_arguments(function.parameters, question or "demo"), ensure_ascii=False)
    return ToolCall(id=f"call_{identity}", name=function.name, arguments=arguments)


def _arguments(schema: dict[str, Any], question: str) -> dict[str, object]:
    """The least a schema accepts: the question for each required text (else the first text), else a small value."""
    properties = cast(dict[str, dict[str, Any]], schema.get("properties") or {})
    required = cast(list[str], schema.get("required") or [])
    if not required:
        required = [name for name, part in properties.items() if part.get("type") == "string"][:1]
    return {name: _argument(properties.get(name, {}), question) for name in required}


def _argument(schema: dict[str, Any], question: str) -> object:
    if "default" in schema:
        return cast(object, schema["default"])
    if schema.get("enum"):
        return cast(list[object], schema["enum"])[0]
    match schema.get("type"):
        case "integer" | "number":
            return cast(object, schema.get("minimum", 1))
        case "boolean":
            return False
        case "array":
            return []
        case "object":
            return _arguments(schema, question)
        case _:
            return question


def split_pieces(text: str) -> list[str]:
    """Cut a text into word pieces that join to exactly the same text."""
    size = max(_PIECE_CHARACTERS, -(-len(text) // ANSWER_PIECES_MAX))
    if size > _PIECE_CHARACTERS:
        return [text[start : start + size] for start in range(0, len(text), size)]
    return re.findall(rf"\s*\S{{1,{_PIECE_CHARACTERS}}}|\s+\Z", text)
