"""What the doctor says about a restricted key: nothing to do where it has what docs/stripe-setup.md lists."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from agent_api_support.api import CLOSED_PORT_URL
from agent_api_support.billing import STRIPE_AND_HTTPX, billing_settings
from agent_api_support.serving import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent_api.billing.examination import examine_stripe
from agent_api.doctor.clock import Clock

pytestmark = STRIPE_AND_HTTPX
DATABASE_URL = CLOSED_PORT_URL.replace("http", "postgresql") + "/none"


@asynccontextmanager
async def stripe_allowing(*paths: str) -> AsyncGenerator[str]:
    """Answers as Stripe does to a restricted key: 403 to what its permissions do not name."""

    async def reply(request: Request) -> Response:
        if request.url.path in paths:
            return JSONResponse({"object": "list", "data": [], "has_more": False, "url": request.url.path})
        error = {"type": "invalid_request_error", "message": "The provided key does not have the required permissions."}
        return JSONResponse({"error": error}, status_code=403)

    async with serve(Starlette(routes=[Route("/{path:path}", reply, methods=["GET", "POST"])])) as url:
        yield url


@pytest.mark.parametrize(("paths", "level"), [(["/v1/events"], "ok"), (["/v1/balance"], "warn")])
async def test_a_restricted_key_is_asked_for_what_it_should_have(paths: list[str], level: str) -> None:
    async with stripe_allowing(*paths) as url:
        [found] = await examine_stripe(billing_settings(DATABASE_URL, api_base=url), Clock())
    assert (found.name, found.level) == ("stripe key", level)
    if level == "warn":
        assert "does not let it read events" in found.detail
        assert "docs/stripe-setup.md" in found.cure
