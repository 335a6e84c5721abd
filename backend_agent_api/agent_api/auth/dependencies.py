"""The caller as a route dependency."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from agent_api.auth.middleware import authenticate
from agent_api.auth.verifier import AuthenticatedUser

bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="The access_token of a Supabase session.")


async def get_current_user(request: Request, _documented: Annotated[object, Depends(bearer)]) -> AuthenticatedUser:
    """The caller that the middleware has verified. Raises Unauthorized or AuthUnavailable."""
    return await authenticate(request.scope)


CurrentUser = Annotated[AuthenticatedUser, Depends(get_current_user)]
