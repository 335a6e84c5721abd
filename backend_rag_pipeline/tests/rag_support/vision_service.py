"""A stand-in for a vision model on a port: it says how large the picture is that it was shown."""

import base64
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

from PIL import Image


@dataclass
class VisionService:
    """What it was asked, and with which status it answers."""

    url: str = ""
    status: int = 200
    failures: dict[int, int] = field(default_factory=dict[int, int])
    """How often it fails at a picture, by the picture's width."""
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def models(self) -> list[str]:
        """The models that were asked for, in order."""
        return [request["model"] for request in self.requests]


@contextmanager
def run_vision_service() -> Generator[VisionService]:
    """Serve on a port of the loopback until the block ends."""
    service = VisionService()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.requests.append({"path": self.path, "key": self.headers["Authorization"], **body})
            url = body["messages"][0]["content"][1]["image_url"]["url"]
            with Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
                answer = f"A picture of {image.width} by {image.height} pixels.\x00"
                left = service.failures.get(image.width, 0)
                service.failures[image.width] = left - 1
            reply = json.dumps({"choices": [{"message": {"content": answer}}]}).encode()
            self.send_response(503 if left > 0 else service.status)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
