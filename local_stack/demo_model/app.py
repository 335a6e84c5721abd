"""The HTTP surface: routes, and nothing that decides what is said."""

import base64
from collections.abc import Sequence

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_stack.demo_model.behaviour import Reply, reply_to
from local_stack.demo_model.embeddings import DIMENSIONS, Embedder, model_folder
from local_stack.demo_model.errors import ModelError, on_crash, on_model_error, on_not_found, on_wrong_method
from local_stack.demo_model.pacing import Hang, PacedStream, PacedWhole, Schedule, answers_running
from local_stack.demo_model.schemas import ChatRequest, EmbeddingRequest, parse_body
from local_stack.demo_model.settings import BODY_BYTES_MAX, CHAT_MODEL, EMBEDDING_MODEL, Settings
from local_stack.demo_model.wire import ChunkEncoder, Usage, completion_body, encode_piece, estimate_model_tokens


def create_app(settings: Settings) -> Starlette:
    """The whole server; fails at once when the embedding weights are not installed."""
    model_folder()
    embedder = Embedder(threads=settings.embedding_threads)

    async def chat_completions(request: Request) -> Response:
        chat = parse_body(ChatRequest, await _read_body(request))
        return _chat_response(chat, reply_to(chat), settings)

    async def embeddings(request: Request) -> Response:
        return await _embeddings_response(parse_body(EmbeddingRequest, await _read_body(request)), embedder)

    return Starlette(
        routes=[
            Route("/health", _health),
            Route("/v1/models", _models),
            Route("/v1/models/{name:path}", _model),
            Route("/v1/chat/completions", chat_completions, methods=["POST"]),
            Route("/v1/embeddings", embeddings, methods=["POST"]),
        ],
        exception_handlers={ModelError: on_model_error, 404: on_not_found, 405: on_wrong_method, 500: on_crash},
    )


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            raise ModelError(413, f"The body is larger than {BODY_BYTES_MAX} bytes", code="body_too_large")
    return bytes(body)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok", "answers_running": answers_running()})


def _model_body(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "offline-demo"}


async def _models(_: Request) -> Response:
    return JSONResponse({"object": "list", "data": [_model_body(CHAT_MODEL), _model_body(EMBEDDING_MODEL)]})


async def _model(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in (CHAT_MODEL, EMBEDDING_MODEL):
        raise ModelError(404, f"The model {name!r} does not exist", code="model_not_found", field="model")
    return JSONResponse(_model_body(name))


def _chat_response(chat: ChatRequest, reply: Reply, settings: Settings) -> Response:
    if reply.silent:
        return Hang()
    usage = Usage(
        input_tokens=estimate_model_tokens(sum(len(message.text()) for message in chat.messages)),
        output_tokens=estimate_model_tokens(len(reply.text) + sum(len(call.arguments) for call in reply.calls)),
    )
    if not chat.stream:
        body = completion_body(None if reply.calls else reply.text, reply.calls, usage)
        # Without a mark there is nothing to wait for.
        return PacedWhole(body, seconds=len(reply.pieces) * (reply.pause_ms or 0) / 1000, ending=reply.ending)
    encoder = ChunkEncoder(include_usage=bool(chat.stream_options and chat.stream_options.include_usage))
    pause_ms = settings.chunk_pause_ms if reply.pause_ms is None else reply.pause_ms
    return PacedStream(
        Schedule(
            opening=b"" if reply.calls else encoder.first(),
            pieces=encoder.tool_calls(reply.calls)
            if reply.calls
            else [encoder.text(encode_piece(p)) for p in reply.pieces],
            closing=encoder.last("tool_calls" if reply.calls else "stop", usage),
            pause_seconds=pause_ms / 1000,
            ending=reply.ending,
        )
    )


async def _embeddings_response(wanted: EmbeddingRequest, embedder: Embedder) -> Response:
    if wanted.model != EMBEDDING_MODEL:
        message = f"The model {wanted.model!r} does not exist; the embedding model here is {EMBEDDING_MODEL!r}"
        raise ModelError(404, message, code="model_not_found", field="model")
    if wanted.dimensions not in (None, DIMENSIONS):
        raise ModelError(400, f"{EMBEDDING_MODEL} has {DIMENSIONS} dimensions", field="dimensions")
    embedded = await embedder.embed(wanted.texts())
    rows: Sequence[object]
    if wanted.encoding_format == "base64":
        rows = [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in np.asarray(embedded.vectors)]
    else:
        rows = embedded.vectors.astype(float).tolist()
    return JSONResponse(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": place, "embedding": row} for place, row in enumerate(rows)],
            "model": EMBEDDING_MODEL,
            "usage": {"prompt_tokens": embedded.input_tokens, "total_tokens": embedded.input_tokens},
        }
    )
