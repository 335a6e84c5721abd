"""The caller as a route dependency."""

from typing import Annotated

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from agent_api.auth.verifier import AuthenticatedUser, JwtVerifier
from agent_api.errors import Unauthorized

bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="The access_token of a Supabase session.")


async def get_current_user(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> AuthenticatedUser:
    """Verify the Authorization header. Raises Unauthorized or AuthUnavailable."""
    if credentials is None:
        raise Unauthorized
    verifier: JwtVerifier = request.app.state.verifier
    user = await verifier.verify(credentials.credentials)
    request.scope["state"]["user_id"] = str(user.id)
    structlog.contextvars.bind_contextvars(user_id=str(user.id))
    return user


CurrentUser = Annotated[AuthenticatedUser, Depends(get_current_user)]
