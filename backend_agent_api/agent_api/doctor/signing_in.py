"""Supabase's authentication: reachable, its keys known, and our service key accepted."""

import httpx
import jwt

from agent_api.auth.keys import parse_key_set
from agent_api.doctor.clock import Clock
from agent_api.doctor.findings import Finding, Findings, fail, ok, shown, warn
from agent_api.settings import Settings

HTTP_SECONDS_MAX = 10.0
NOBODY = "eyJhbGciOiJIUzI1NiJ9.e30.bm9ib2R5"
"""Shaped like a jwt, and signed by nobody."""
COPY_KEY = "copy the secret (service_role) key of this project from Supabase → Project Settings → API keys"


async def examine_auth(settings: Settings, clock: Clock) -> Findings:
    """The published keys, then the service key."""
    base = f"{settings.supabase_url}/auth/v1"
    try:
        async with httpx.AsyncClient(timeout=HTTP_SECONDS_MAX) as client:
            published = await client.get(f"{base}/.well-known/jwks.json")
            clock.compare_header("Supabase", published.headers.get("date"))
            findings = [_judge_keys(settings, published)]
            findings += await _examine_service_key(settings, client)
    except httpx.HTTPError as error:
        detail = f"{shown(base)} is not reached ({type(error).__name__})"
        cure = "correct SUPABASE_URL; look whether the project is paused and whether this machine may reach it"
        return [fail("auth", detail, cure), *_examine_secret(settings)]
    return findings + _examine_secret(settings)


def _judge_keys(settings: Settings, response: httpx.Response) -> Finding:
    where = shown(settings.supabase_url)
    secret = settings.supabase_jwt_secret is not None
    if response.status_code >= 500:
        cure = "look at the status of the project; nobody can sign in until it answers"
        return fail("auth", f"{where} answers {response.status_code}", cure)
    try:
        keys = len(parse_key_set(response.content)) if response.is_success else 0
    except ValueError:
        return fail("auth", f"{where} publishes no key set", "correct SUPABASE_URL: https://<project>.supabase.co")
    if keys:
        return ok("auth", f"{where} publishes {keys} signing keys" + (", HS256 is accepted too" if secret else ""))
    if secret:
        return ok("auth", f"{where} signs with the shared secret (HS256)")
    cure = "set SUPABASE_JWT_SECRET (Project Settings → JWT keys), or rotate the project to asymmetric keys"
    return warn("auth", f"{where} publishes no keys: every sign-in is checked by asking it", cure)


async def _examine_service_key(settings: Settings, client: httpx.AsyncClient) -> Findings:
    """Asked as the API asks: who a jwt of nobody belongs to. 401 speaks of the key, 403 of the jwt."""
    key = settings.supabase_service_key.get_secret_value()
    if key.startswith("sb_publishable_") or _role(key) == "anon":
        return [fail("service key", "SUPABASE_SERVICE_KEY is the browser's key", COPY_KEY)]
    response = await client.get(
        f"{settings.supabase_url}/auth/v1/user", headers={"apikey": key, "Authorization": f"Bearer {NOBODY}"}
    )
    if response.status_code >= 500:
        cure = "look at the status of the project, then run this again"
        return [warn("service key", f"could not be tried: authentication answers {response.status_code}", cure)]
    if response.status_code == 401 and "api key" in response.text.lower():
        return [fail("service key", "SUPABASE_SERVICE_KEY is refused", COPY_KEY)]
    return [ok("service key", "is not refused")]


def _role(key: str) -> str | None:
    try:
        role: object = jwt.decode(key, options={"verify_signature": False}).get("role")
    except jwt.PyJWTError:
        return None
    return role if isinstance(role, str) else None


def _examine_secret(settings: Settings) -> Findings:
    """A service key of the old kind is signed with the project's shared secret."""
    secret, key = settings.supabase_jwt_secret, settings.supabase_service_key.get_secret_value()
    if secret is None or _role(key) is None:
        return []
    try:
        jwt.decode(key, secret.get_secret_value(), algorithms=["HS256"], options={"verify_aud": False})
    except jwt.InvalidSignatureError:
        detail = "SUPABASE_JWT_SECRET is not the secret that SUPABASE_SERVICE_KEY is signed with"
        return [fail("jwt secret", detail, "copy both from the same project: Project Settings → JWT keys")]
    except jwt.PyJWTError as error:
        return [fail("jwt secret", f"SUPABASE_SERVICE_KEY does not hold ({type(error).__name__})", COPY_KEY)]
    return [ok("jwt secret", "signs the service key")]
