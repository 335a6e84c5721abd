"""A stand-in for Supabase Storage on a port: private buckets of objects, behind the service key."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent_api_support.auth_server import SERVICE_KEY
from agent_api_support.serving import serve


def _refusal(status: int, error: str, message: str) -> Response:
    # As the service does: HTTP 400, and the real status in the body as text.
    return JSONResponse({"statusCode": str(status), "error": error, "message": message}, status_code=400)


@dataclass
class StorageServer:
    """`buckets` maps names to paths to bytes; `status` breaks every answer; uploads wait for `gate`."""

    base_url: str = ""
    buckets: dict[str, dict[str, bytes]] = field(default_factory=dict[str, dict[str, bytes]])
    created_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    is_public: dict[str, bool] = field(default_factory=dict[str, bool])
    status: int = 200
    refused_acts: set[str] = field(default_factory=set[str])
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    """Uploads that have arrived and wait for the gate."""
    listed: asyncio.Event = field(default_factory=asyncio.Event)
    """Somebody has read what is there."""

    def reset(self) -> None:
        """Empty, and nothing broken."""
        self.buckets, self.created_at, self.is_public = {}, {}, {}
        self.status, self.refused_acts = 200, set()
        self.gate.set()
        self.listed.clear()

    def objects(self, bucket: str = "agent-uploads") -> dict[str, bytes]:
        return self.buckets.get(bucket, {})

    def put(self, path: str, content: bytes, *, created_at: datetime, bucket: str = "agent-uploads") -> None:
        """An object as something else left it."""
        self.buckets.setdefault(bucket, {})[path] = content
        self.created_at[path] = created_at

    def _broken(self, request: Request, act: str) -> Response | None:
        if self.status != 200 or act in self.refused_acts:
            return JSONResponse({"message": "a secret of the provider"}, status_code=max(self.status, 500))
        if request.headers.get("apikey") != SERVICE_KEY:
            return _refusal(403, "Unauthorized", "invalid key")
        return None

    async def _create(self, request: Request) -> Response:
        body = await request.json()
        if broken := self._broken(request, "create"):
            return broken
        if body["id"] in self.buckets:
            return _refusal(409, "Duplicate", "The resource already exists")
        self.buckets[body["id"]], self.is_public[body["id"]] = {}, body["public"]
        return JSONResponse({"name": body["id"]})

    async def _upload(self, request: Request) -> Response:
        bucket, path = request.path_params["bucket"], request.path_params["path"]
        async with request.form() as form:
            file = form["file"]
            assert isinstance(file, UploadFile)
            content = await file.read()
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        if broken := self._broken(request, "upload"):
            return broken
        if bucket not in self.buckets:
            return _refusal(404, "Bucket not found", "Bucket not found")
        if path in self.buckets[bucket] and request.headers.get("x-upsert") != "true":
            return _refusal(409, "Duplicate", "The resource already exists")
        self.put(path, content, created_at=datetime.now(UTC), bucket=bucket)
        return JSONResponse({"Id": "1", "Key": f"{bucket}/{path}"})

    async def _download(self, request: Request) -> Response:
        if broken := self._broken(request, "download"):
            return broken
        content = self.objects(request.path_params["bucket"]).get(request.path_params["path"])
        return _refusal(404, "not_found", "Object not found") if content is None else Response(content)

    async def _remove(self, request: Request) -> Response:
        body = await request.json()
        if broken := self._broken(request, "remove"):
            return broken
        held = self.objects(request.path_params["bucket"])
        removed = [path for path in body["prefixes"] if held.pop(path, None) is not None]
        return JSONResponse([{"name": path} for path in removed])

    async def _list(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        if broken := self._broken(request, "list"):
            return broken
        prefix = body["prefix"] + "/"
        names = sorted(path.removeprefix(prefix) for path in self.objects(request.path_params["bucket"]))
        page = names[body["offset"] : body["offset"] + body["limit"]]
        self.listed.set()
        return JSONResponse(
            [
                {"name": name, "id": f"id-{name}", "created_at": _zulu(self.created_at[prefix + name])}
                for name in page
                if "/" not in name
            ]
        )

    def app(self) -> Starlette:
        """The routes that the client library asks."""
        path = "/storage/v1/object/{bucket}/{path:path}"
        return Starlette(
            routes=[
                Route("/storage/v1/bucket", self._create, methods=["POST"]),
                Route("/storage/v1/object/list/{bucket}", self._list, methods=["POST"]),
                Route("/storage/v1/object/{bucket}", self._remove, methods=["DELETE"]),
                Route(path, self._upload, methods=["POST"]),
                Route(path, self._download, methods=["GET"]),
            ]
        )


def _zulu(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@asynccontextmanager
async def run_storage_server() -> AsyncGenerator[StorageServer]:
    """The stand-in on a port of its own."""
    server = StorageServer()
    server.reset()
    async with serve(server.app()) as server.base_url:
        yield server
