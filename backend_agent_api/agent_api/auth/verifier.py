"""From a jwt to a user."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import jwt

from agent_api.auth.keys import ASYMMETRIC_ALGORITHMS, KeySet
from agent_api.auth.lookup import UserLookup
from agent_api.background import running_jobs
from agent_api.errors import Unauthorized
from agent_api.settings import Settings

JWT_MAX_CHARACTERS = 16_384
AUDIENCE = "authenticated"
REQUIRED_CLAIMS = ["exp", "sub", "aud"]


@dataclass(frozen=True, slots=True)
class AuthenticatedUser:
    """The caller. `expires_at` is the end of their jwt, in seconds since 1970."""

    id: UUID
    expires_at: float


class JwtVerifier:
    """Verifies jwts one of three ways; see the package's docstring."""

    def __init__(self, *, keys: KeySet, lookup: UserLookup, secret: str | None, leeway_seconds: float) -> None:
        self.keys = keys
        self._lookup = lookup
        self._secret = secret
        self._leeway_seconds = leeway_seconds

    async def verify(self, token: str) -> AuthenticatedUser:
        """The user the jwt was given to.

        Raises Unauthorized, or AuthUnavailable where that cannot be found out right now.
        """
        if len(token) > JWT_MAX_CHARACTERS:
            raise Unauthorized
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm in ASYMMETRIC_ALGORITHMS:
                return self._user(await self._claims_by_key(token, header))
            if algorithm == "HS256" and self._secret is not None:
                return self._user(self._decode(token, self._secret, "HS256"))
            if algorithm == "HS256":
                return await self._user_by_lookup(token)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            # The reason stays here: telling it apart helps only whoever forges one.
            raise Unauthorized from error
        raise Unauthorized

    async def _claims_by_key(self, token: str, header: dict[str, Any]) -> dict[str, Any]:
        key_id = header.get("kid")
        if not isinstance(key_id, str):
            raise Unauthorized
        key = await self.keys.key(key_id)
        if key is None or key.algorithm_name != header["alg"]:
            raise Unauthorized
        return self._decode(token, key, key.algorithm_name)

    async def _user_by_lookup(self, token: str) -> AuthenticatedUser:
        # Not verified, only read: what is expired or not for us need not be asked about.
        claimed = self._user(self._decode(token, None, "HS256"))
        confirmed = await self._lookup.user_id(token, expires_at=claimed.expires_at)
        if confirmed != str(claimed.id):
            raise Unauthorized
        return claimed

    def _decode(self, token: str, key: jwt.PyJWK | str | None, algorithm: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            key=key or "",
            algorithms=[algorithm],
            audience=AUDIENCE,
            leeway=self._leeway_seconds,
            options={
                "require": REQUIRED_CLAIMS,
                "verify_signature": key is not None,
                "verify_exp": True,
                "verify_nbf": True,
                "verify_iat": False,
                "verify_aud": True,
            },
        )

    def _user(self, claims: dict[str, Any]) -> AuthenticatedUser:
        try:
            return AuthenticatedUser(id=UUID(claims["sub"]), expires_at=float(claims["exp"]))
        except (ValueError, TypeError, AttributeError):
            raise Unauthorized from None


@asynccontextmanager
async def open_verifier(settings: Settings) -> AsyncGenerator[JwtVerifier]:
    """A verifier whose keys stay fresh while the block runs."""
    secret = settings.supabase_jwt_secret
    async with httpx.AsyncClient(timeout=settings.auth_timeout_seconds, follow_redirects=False) as client:
        keys = KeySet(
            client,
            url=f"{settings.supabase_url}/auth/v1/.well-known/jwks.json",
            refresh_seconds=settings.jwks_refresh_seconds,
            refetch_interval_seconds=settings.jwks_refetch_interval_seconds,
        )
        lookup = UserLookup(
            client,
            url=f"{settings.supabase_url}/auth/v1/user",
            service_key=settings.supabase_service_key.get_secret_value(),
            cache_seconds=settings.auth_cache_seconds,
            cache_max_entries=settings.auth_cache_max_entries,
            concurrent_max=settings.auth_concurrent_lookups_max,
            waiting_max=settings.auth_waiting_lookups_max,
        )
        verifier = JwtVerifier(
            keys=keys,
            lookup=lookup,
            secret=secret.get_secret_value() if secret else None,
            leeway_seconds=settings.jwt_leeway_seconds,
        )
        try:
            async with running_jobs(jwks_refresh=keys.keep_fresh):
                yield verifier
        finally:
            await keys.close()
            await lookup.close()
