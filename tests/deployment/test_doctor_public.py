"""The doctor on the documented server: names in `.env`, and what follows from them in the containers."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_api_support.billing import STRIPE_AND_HTTPX
from agent_api_support.serving import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from agent_api.billing.examination import examine_stripe
from agent_api.doctor.clock import Clock
from agent_api.settings import load_settings
from deployer.settings import SETTINGS
from local_stack.doctor import choose_configuration
from local_stack.paths import Workspace
from tests.deployment.deploying import COMPLETE

pytestmark = STRIPE_AND_HTTPX


async def _read(request: Request) -> JSONResponse:
    """Whatever the doctor reads to see whether the key is taken."""
    return JSONResponse({"object": "list", "url": request.url.path, "data": [], "has_more": False})


@pytest.mark.parametrize(
    ("key", "level", "detail"),
    [
        ("sk_live_s3cret", "ok", "live key accepted"),
        ("sk_test_s3cret", "warn", "a test key with ENVIRONMENT=production: no money moves"),
    ],
)
async def test_a_key_is_judged_by_what_the_containers_are(
    key: str, level: str, detail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    variables = {**COMPLETE, "STRIPE_SECRET_KEY": key}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    monkeypatch.setenv("EMBEDDED_ENV_FILE", str(tmp_path / ".env"))
    _, environment = choose_configuration(Workspace(tmp_path / "state"))
    for name in SETTINGS.keys() & environment.keys():
        monkeypatch.setenv(name, environment[name])
    settings = load_settings(_env_file=None)
    async with serve(Starlette(routes=[Route("/v1/{path:path}", _read)])) as stripe_url:
        # Past the settings' own refusal: in production nothing but Stripe is asked.
        (finding,) = await examine_stripe(settings.model_copy(update={"stripe_api_base": stripe_url}), Clock())
    assert (finding.level, finding.name) == (level, "stripe key")
    assert detail in finding.detail
