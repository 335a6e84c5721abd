"""A reranker on a port that answers what a test tells it to."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent_api_support.serving import serve


@dataclass
class RerankServer:
    """Prefers documents that hold `favourite`; `reply` is sent instead where it is set, as it stands."""

    base_url: str = ""
    favourite: str = ""
    reply: Any = None
    status: int = 200
    hangs: bool = False
    requests: list[tuple[dict[str, Any], str | None]] = field(default_factory=list[tuple[dict[str, Any], str | None]])

    async def _rerank(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append((body, request.headers.get("authorization")))
        if self.hangs:
            await asyncio.Event().wait()
        reply = self.reply
        if reply is None:
            scores = [
                1.0 if self.favourite in text else 0.5 / (place + 1) for place, text in enumerate(body["documents"])
            ]
            best = sorted(range(len(scores)), key=lambda place: -scores[place])[: body["top_n"]]
            # In no order: the scores tell.
            reply = {"results": [{"index": place, "relevance_score": scores[place]} for place in sorted(best)]}
        content = reply if isinstance(reply, str) else json.dumps(reply)
        return Response(content, status_code=self.status, media_type="application/json")

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/v2/rerank", self._rerank, methods=["POST"])])


@asynccontextmanager
async def run_rerank_server() -> AsyncGenerator[RerankServer]:
    """The stand-in on a port of its own."""
    server = RerankServer()
    async with serve(server.app()) as address:
        server.base_url = f"{address}/v2"
        yield server
