"""An OpenAI-compatible embedding service on a port, which counts, and can be told to fail or to wait."""

import base64
import hashlib
import json
import struct
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DIMENSIONS = 16


def vector_of(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """The same for the same text, and of length one."""
    digest = hashlib.shake_128(text.encode()).digest(dimensions)
    raw = [byte - 127.5 for byte in digest]
    length = sum(value * value for value in raw) ** 0.5
    return [value / length for value in raw]


@dataclass
class EmbeddingService:
    """What it was asked, and how it answers. Change the fields while it runs."""

    port: int = 0
    dimensions: int = DIMENSIONS
    status: int = 200
    """Anything else is answered to every request."""
    failing_text: str | None = None
    """A request that holds it is answered 500; others are served."""
    delay_seconds: float = 0
    """Of each answer, as of a model that is far away."""
    released: threading.Event = field(default_factory=threading.Event)
    """Cleared: requests wait."""
    arrived: threading.Event = field(default_factory=threading.Event)
    """Set by each request before it waits."""
    texts: list[str] = field(default_factory=list[str])
    models: set[str] = field(default_factory=set[str])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.released.set()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def hold(self) -> None:
        """Let requests wait until `released` is set."""
        self.arrived.clear()
        self.released.clear()

    def documents(self) -> list[str]:
        """The texts it was asked for, without the probes."""
        with self._lock:
            return [text for text in self.texts if text not in ("ok", "How long are these vectors?")]

    def forget(self) -> None:
        with self._lock:
            self.texts.clear()

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        texts: list[str] = body["input"]
        with self._lock:
            self.texts += texts
            self.models.add(body["model"])
        self.arrived.set()
        self.released.wait()
        time.sleep(self.delay_seconds)
        is_failing = self.failing_text is not None and any(self.failing_text in text for text in texts)
        status = 500 if is_failing else self.status
        if status != 200:
            return status, {"error": {"message": "told to fail", "code": "told"}}
        data = [
            {"object": "embedding", "index": index, "embedding": self._encoded(text, body.get("encoding_format"))}
            for index, text in enumerate(texts)
        ]
        return 200, {"object": "list", "model": body["model"], "data": data}

    def _encoded(self, text: str, form: str | None) -> str | list[float]:
        vector = vector_of(text, self.dimensions)
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if form == "base64" else vector


@contextmanager
def embedding_service() -> Generator[EmbeddingService]:
    service = EmbeddingService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, answer = service.answer(body)
            content = json.dumps(answer).encode()
            try:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                return  # Who asked was killed meanwhile.

        def log_message(self, format: str, *args: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            return  # Likewise.

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield service
    finally:
        service.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
