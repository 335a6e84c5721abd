"""What the routes of documents ask for."""

from typing import Annotated

from fastapi import Depends, Request

from agent_api.documents.uploads import Uploads


def get_uploads(request: Request) -> Uploads:
    """The process's uploads."""
    uploads: Uploads = request.app.state.uploads
    return uploads


UploadsOf = Annotated[Uploads, Depends(get_uploads)]
