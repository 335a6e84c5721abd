"""Only this machine, and only its own pages: peers, host names and origins are checked before anything else."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from local_stack.stripe_sandbox.settings import is_loopback

_SAFE = ("GET", "HEAD")


class LoopbackOnly:
    """Refuses other peers, host names of other machines (a rebound DNS name) and forms of other sites."""

    def __init__(self, app: ASGIApp, name: str = "Stripe sandbox") -> None:
        self._app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (fault := _fault(scope)) is not None:
            await PlainTextResponse(f"The local {self._name} refuses this: {fault}.\n", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _fault(scope: Scope) -> str | None:
    peer = scope.get("client")
    if peer is None or not is_loopback(peer[0]):
        return "it answers this machine only"
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if not is_loopback(urlsplit(f"//{host}").hostname or ""):
        return "the host name is not one of this machine"
    origin = headers.get("origin")
    if scope["method"] not in _SAFE and origin is not None and urlsplit(origin).netloc != host:
        return "it comes from a page of another site"
    return None
