"""The caller is known before the body is read: who is nobody does not get megabytes parsed."""

import structlog
from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_api.auth.verifier import AuthenticatedUser, JwtVerifier
from agent_api.errors import Unauthorized

PROTECTED_PREFIX = "/api/"
UNPROTECTED_PREFIX = "/api/webhook/"
"""Whoever delivers there signs the body instead."""


class Authentication:
    """Verify the Authorization header of every `/api/*` request, also where no route is; leave the user in the scope.

    Raises Unauthorized or AuthUnavailable, so it stands inside ErrorBoundary.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_protected(scope):
            await authenticate(scope)
        await self._app(scope, receive, send)


def _is_protected(scope: Scope) -> bool:
    path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
    return (
        path.startswith(PROTECTED_PREFIX)
        and not path.startswith(UNPROTECTED_PREFIX)
        # Browsers ask what is allowed without the header.
        and scope["method"] != "OPTIONS"
    )


async def authenticate(scope: Scope) -> AuthenticatedUser:
    """The verified caller of a request; verified once, however often it is asked. Raises Unauthorized."""
    known: AuthenticatedUser | None = scope["state"].get("user")
    if known is not None:
        return known
    scheme, token = get_authorization_scheme_param(Headers(scope=scope).get("authorization"))
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized
    verifier: JwtVerifier = scope["app"].state.verifier
    user = await verifier.verify(token)
    scope["state"] |= {"user": user, "user_id": str(user.id)}
    structlog.contextvars.bind_contextvars(user_id=str(user.id))
    return user
