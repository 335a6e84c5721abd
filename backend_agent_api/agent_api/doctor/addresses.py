"""What people and Stripe reach: the API and the site."""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from agent_api.doctor.findings import Findings, fail, ok, shown, warn

HTTP_SECONDS_MAX = 10.0
DEFAULT_API_URL = "http://localhost:8001"


def api_url_of(environment: Mapping[str, str] = os.environ) -> str:
    """API_URL; else where the site sends its questions; else where a laptop serves it."""
    if url := environment.get("API_URL"):
        return url.rstrip("/")
    parts = urlsplit(environment.get("VITE_AGENT_ENDPOINT", ""))
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else DEFAULT_API_URL


async def examine_api(api_url: str) -> Findings:
    """Alive, and ready."""
    cure = "start it (`python3 deploy.py --type embedded` on a laptop), or name its address in API_URL"
    try:
        async with httpx.AsyncClient(timeout=HTTP_SECONDS_MAX) as client:
            alive = await client.get(f"{api_url}/health")
            ready = await client.get(f"{api_url}/health/ready")
    except httpx.HTTPError as error:
        return [fail("api", f"{shown(api_url)} is not reached ({type(error).__name__})", cure)]
    try:
        is_ours = alive.is_success and alive.json() == {"status": "ok"}
    except ValueError:
        is_ours = False
    if not is_ours:
        return [fail("api", f"{shown(api_url)}/health is not the agent API's", "correct API_URL, or the proxy there")]
    if not ready.is_success:
        cure = "its own log and the other lines here say why; restart it once they are mended"
        return [fail("api", f"{shown(api_url)} runs and is not ready ({ready.status_code})", cure)]
    return [ok("api", f"{shown(api_url)} is ready")]


async def examine_site(frontend_url: str) -> Findings:
    """Where a person comes back to after paying."""
    cure = "start the site, or correct FRONTEND_URL: people come back there after paying"
    try:
        async with httpx.AsyncClient(timeout=HTTP_SECONDS_MAX, follow_redirects=True) as client:
            response = await client.get(frontend_url)
    except httpx.HTTPError as error:
        return [fail("site", f"{shown(frontend_url)} is not reached ({type(error).__name__})", cure)]
    if not response.is_success:
        return [warn("site", f"{shown(frontend_url)} answers {response.status_code}", cure)]
    return [ok("site", f"{shown(frontend_url)} answers")]
