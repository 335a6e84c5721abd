"""What the routes of documents ask for."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends, Request

from agent_api.auth import CurrentUser
from agent_api.documents.uploads import Uploads


def get_uploads(request: Request) -> Uploads:
    """The process's uploads."""
    uploads: Uploads = request.app.state.uploads
    return uploads


UploadsOf = Annotated[Uploads, Depends(get_uploads)]


async def take_seat(user: CurrentUser, uploads: UploadsOf) -> AsyncGenerator[None]:
    """Count a download until its reader has it all. Raises RateLimited or ServerBusy."""
    with uploads.downloads.taken_by(user.id):
        yield
