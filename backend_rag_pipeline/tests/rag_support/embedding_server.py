"""A stand-in for an OpenAI-compatible embedding service, on a port, with the faults that real ones show.

It counts what it is asked. The same text always has the same vector.
`python -m rag_support.embedding_server --port 8123 --latency 0.05` serves it alone.
"""

import argparse
import base64
import hashlib
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, cast

DIMENSIONS = 16
PROBES = ("ok", "How long are these vectors?")
"""Texts that are no document's."""
FaultKind = Literal[
    "429",
    "500",
    "401",
    "404",
    "hang",
    "reset",
    "garbage",
    "short",
    "nan",
    "zero",
    "wrong_dimension",
    "mixed_dimensions",
]


@dataclass(frozen=True)
class Fault:
    """What the next answer is instead of vectors."""

    kind: FaultKind
    retry_after: str | None = None
    code: str = "fault"


@dataclass
class EmbeddingServer:
    """What the service does, and what it was asked. Change it while it runs."""

    url: str = ""
    dimensions: int = DIMENSIONS
    latency_seconds: float = 0.0
    batch_max: int = 2_048
    api_key: str | None = None
    speaks_base64: bool = True
    knows_base64: bool = True
    """False: a request for it is answered with 400."""
    is_shuffled: bool = False
    refused_word: str | None = None
    """A text that holds it makes its batch a 400."""
    failing_text: str | None = None
    """A request that holds it is answered 500; others are served."""
    hang_seconds: float = 30.0
    faults: deque[Fault] = field(default_factory=deque[Fault])
    every_answer: Fault | None = None
    batches: list[list[str]] = field(default_factory=list[list[str]])
    """The texts of every request, refused ones too."""
    times: list[float] = field(default_factory=list[float])
    at_once_max: int = 0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    first_call: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    """Cleared: requests wait."""
    faults_wait: bool = True
    """False: faults are answered also while requests wait."""
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.released.set()

    @property
    def calls(self) -> int:
        """How many requests came."""
        return len(self.batches)

    @property
    def texts(self) -> list[str]:
        """Every text that came, in order."""
        return [text for batch in self.batches for text in batch]

    def documents(self) -> list[str]:
        """The texts that came, without the probes."""
        with self._lock:
            return [text for text in self.texts if text not in PROBES]

    def forget(self) -> None:
        """Count from here."""
        with self._lock:
            self.batches.clear()
            self.times.clear()

    def hold(self) -> None:
        """Let requests wait until `released` is set."""
        self.released.clear()

    def begin(self, texts: list[str]) -> Fault | None:
        """Count a request; the fault to answer with, if any."""
        with self._lock:
            self.batches.append(texts)
            self.first_call.set()
            self.times.append(time.monotonic())
            self._at_once += 1
            self.at_once_max = max(self.at_once_max, self._at_once)
            return self.faults.popleft() if self.faults else self.every_answer

    def end(self) -> None:
        """A request gets its answer now."""
        with self._lock:
            self._at_once -= 1


def vector_of(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """What the service answers for a text, as exact 32-bit numbers."""
    seed = hashlib.sha256(text.encode()).digest()
    numbers = (seed * (dimensions // len(seed) + 1))[:dimensions]
    return [(number - 127.5) / 128 for number in numbers]


@contextmanager
def run_embedding_server(port: int = 0, **options: Any) -> Generator[EmbeddingServer]:
    """Serve on a port of the loopback until the block ends."""
    state = EmbeddingServer(**options)
    server = _Server(("127.0.0.1", port), state)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.stopping.set()
        state.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], state: EmbeddingServer) -> None:
        super().__init__(address, _Handler)
        self.state = state

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes; waiting for the peer's acknowledgement in between costs 40 ms.
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.state = cast(_Server, self.server).state

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        fault = self.state.begin(cast("list[str]", texts))
        if fault is None or self.state.faults_wait:
            self.state.released.wait()
        time.sleep(self.state.latency_seconds)
        # Before the answer: who has it may ask again at once.
        self.state.end()
        with suppress(ConnectionError):
            self._answer(cast("dict[str, Any]", body), cast("list[str]", texts), fault)

    def _answer(self, body: dict[str, Any], texts: list[str], fault: Fault | None) -> None:
        state = self.state
        if self.path != "/v1/embeddings":
            self._refuse(404, "not_found")
        elif state.api_key is not None and self.headers.get("Authorization") != f"Bearer {state.api_key}":
            self._refuse(401, "invalid_api_key")
        elif fault is not None and fault.kind.isdigit():
            self._refuse(int(fault.kind), fault.code, retry_after=fault.retry_after)
        elif fault is not None and fault.kind == "hang":
            state.stopping.wait(state.hang_seconds)
            self.close_connection = True
        elif fault is not None and fault.kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif body.get("encoding_format") == "base64" and not state.knows_base64:
            self._refuse(400, "encoding_format")
        elif len(texts) > state.batch_max or not all(texts):
            self._refuse(400, "invalid_input")
        elif state.failing_text is not None and any(state.failing_text in text for text in texts):
            self._refuse(500, "fault")
        elif state.refused_word is not None and any(state.refused_word in text for text in texts):
            self._refuse(400, "context_length_exceeded")
        elif fault is not None and fault.kind == "garbage":
            self._send(200, b"<html>welcome</html>")
        else:
            self._send(200, self._vectors(texts, fault, as_base64=body.get("encoding_format") == "base64"))

    def _vectors(self, texts: list[str], fault: Fault | None, *, as_base64: bool) -> bytes:
        state = self.state
        kind = fault.kind if fault is not None else ""
        data: list[dict[str, object]] = []
        for index, text in enumerate(texts):
            vector = vector_of(text, state.dimensions + (kind == "wrong_dimension"))
            if index == len(texts) - 1:  # One bad vector among good ones is the harder case.
                vector = {"nan": [float("nan")] * len(vector), "zero": [0.0] * len(vector)}.get(kind, vector)
                vector = vector[:-1] if kind == "mixed_dimensions" else vector
            packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
            data.append(
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": packed if as_base64 and state.speaks_base64 else vector,
                }
            )
        if kind == "short":
            data.pop()
        if state.is_shuffled:
            data.reverse()
        return json.dumps({"object": "list", "data": data, "model": "stand-in"}).encode()

    def _refuse(self, status: int, code: str, *, retry_after: str | None = None) -> None:
        body = json.dumps({"error": {"message": "refused", "type": "error", "code": code}}).encode()
        self._send(status, body, retry_after=retry_after)

    def _send(self, status: int, body: bytes, *, retry_after: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A stand-in embedding service.")
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--dimensions", type=int, default=384)
    options = parser.parse_args()
    with (
        run_embedding_server(options.port, latency_seconds=options.latency, dimensions=options.dimensions) as server,
        suppress(KeyboardInterrupt),
    ):
        print(server.url, flush=True)
        server.stopping.wait()


if __name__ == "__main__":
    main()
