"""A stand-in for Supabase's authentication on a port: it signs jwts and counts what it is asked."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent_api_support.serving import serve

SECRET = "a-secret-of-the-tests-that-is-long-enough-for-hs256"
SERVICE_KEY = "sb_secret_of_the_tests"
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def claims_of(user_id: UUID | str, **changes: Any) -> dict[str, Any]:
    """The claims of a session that holds for an hour; None removes one."""
    now = int(time.time())
    claims = {"sub": str(user_id), "aud": "authenticated", "role": "authenticated", "iat": now, "exp": now + 3600}
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


@dataclass
class AuthServer:
    """`keys` is published, `status` breaks every answer, `revoked` jwts are refused by `/user`.

    A jwt that ended within `leeway_seconds` is still confirmed.
    """

    base_url: str = ""

    def __post_init__(self) -> None:
        self.gate = asyncio.Event()
        """Answers wait for it; set unless a test holds it."""
        self.reset()

    def reset(self) -> None:
        """One fresh key, nothing broken, nothing counted."""
        self.keys: dict[str, PrivateKey] = {"first": ec.generate_private_key(ec.SECP256R1())}
        self.extra_keys: list[dict[str, Any]] = []
        self.status = 200
        self.key_set_fetches = 0
        self.user_lookups = 0
        self.revoked: set[str] = set()
        self.leeway_seconds = 0
        self.gate.set()

    def key_set(self) -> dict[str, Any]:
        """The public halves as a JSON Web Key Set."""
        entries: list[dict[str, Any]] = []
        for key_id, key in self.keys.items():
            if isinstance(key, rsa.RSAPrivateKey):
                public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
                entries.append({**public, "kid": key_id, "alg": "RS256", "use": "sig"})
            else:
                public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
                entries.append({**public, "kid": key_id, "alg": "ES256", "use": "sig"})
        return {"keys": entries + self.extra_keys}

    def sign(self, user_id: UUID | str, *, key_id: str = "first", key: PrivateKey | None = None, **changes: Any) -> str:
        """A jwt signed by a published key, or by `key` under its name."""
        signer = key or self.keys[key_id]
        algorithm = "RS256" if isinstance(signer, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(claims_of(user_id, **changes), signer, algorithm=algorithm, headers={"kid": key_id})

    def sign_with_secret(self, user_id: UUID | str, *, secret: str = SECRET, **changes: Any) -> str:
        """A jwt as projects with the old shared secret sign them."""
        return jwt.encode(claims_of(user_id, **changes), secret, algorithm="HS256")

    async def _key_set(self, _request: Request) -> Response:
        self.key_set_fetches += 1
        await self.gate.wait()
        return JSONResponse(self.key_set(), status_code=self.status)

    async def _user(self, request: Request) -> Response:
        self.user_lookups += 1
        await self.gate.wait()
        if self.status != 200:
            return JSONResponse({"msg": "broken"}, status_code=self.status)
        if request.headers.get("apikey") != SERVICE_KEY:
            return JSONResponse({"message": "Invalid API key"}, status_code=401)
        token = request.headers["authorization"].removeprefix("Bearer ")
        try:
            claims = jwt.decode(
                token, SECRET, algorithms=["HS256"], audience="authenticated", leeway=self.leeway_seconds
            )
        except jwt.PyJWTError:
            return JSONResponse({"msg": "invalid JWT"}, status_code=403)
        if token in self.revoked:
            return JSONResponse({"msg": "session_not_found"}, status_code=403)
        return JSONResponse({"id": claims["sub"], "aud": "authenticated"})

    def app(self) -> Starlette:
        """The routes that the API asks."""
        return Starlette(
            routes=[
                Route("/auth/v1/.well-known/jwks.json", self._key_set),
                Route("/auth/v1/user", self._user),
            ]
        )


@asynccontextmanager
async def run_auth_server() -> AsyncGenerator[AuthServer]:
    """The stand-in on a port of its own."""
    server = AuthServer()
    async with serve(server.app()) as server.base_url:
        yield server
