"""The HTTP surface: Drive, the sign-in, and the controls."""

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from local_stack.google_drive import api, content, control
from local_stack.google_drive.drive import Drive
from local_stack.google_drive.errors import DriveError, Json, SignInError, not_simulated
from local_stack.google_drive.failing import failing_response, spoil
from local_stack.stripe_sandbox.guard import LoopbackOnly
from local_stack.stripe_sandbox.settings import is_loopback_url

Handle: TypeAlias = Callable[[Request], Awaitable[Response]]
Answer: TypeAlias = Callable[[Request, str, dict[str, str]], Response]

_BODY_BYTES_MAX = 128 * 1024 * 1024
_REQUESTS_KEPT_MAX = 10_000


def create_app(drive: Drive) -> Starlette:
    """The whole server."""
    return Starlette(
        routes=[
            Route("/health", _health),
            Route("/token", _token(drive), methods=["POST"]),
            Route("/auth", _consent(drive)),
            *_drive_routes(drive),
            *_control_routes(drive),
        ],
        middleware=[Middleware(LoopbackOnly, name="Google Drive stand-in")],
        exception_handlers={DriveError: _on_error, SignInError: _on_error},
    )


def _drive_routes(drive: Drive) -> list[Route]:
    def file(request: Request, account: str, parameters: dict[str, str]) -> Response:
        id = request.path_params["id"]
        if parameters.get("alt") == "media":
            return content.media(drive, account, parameters, id, request.headers.get("range"))
        return JSONResponse(api.get_file(drive, account, parameters, id))

    def export(request: Request, account: str, parameters: dict[str, str]) -> Response:
        return content.export(drive, account, parameters, request.path_params["id"])

    def listing(answer: Callable[[Drive, str, dict[str, str]], Json]) -> Answer:
        return lambda request, account, parameters: JSONResponse(answer(drive, account, parameters))

    def shared_drive(request: Request, account: str, parameters: dict[str, str]) -> Response:
        return JSONResponse(api.get_drive(drive, account, parameters, request.path_params["id"]))

    paths: dict[str, Answer] = {
        "/about": listing(api.about),
        "/files": listing(api.list_files),
        "/files/{id}": file,
        "/files/{id}/export": export,
        "/drives": listing(api.list_drives),
        "/drives/{id}": shared_drive,
        "/changes/startPageToken": listing(api.start_of_changes),
        "/changes": listing(api.list_changes),
    }
    return [Route(f"/drive/v3{path}", _guarded(drive, answer)) for path, answer in paths.items()]


def _guarded(drive: Drive, answer: Answer) -> Handle:
    """Every request to Drive: recorded, signed in, and failing where a fault was planned."""

    async def handle(request: Request) -> Response:
        parameters = dict(request.query_params)
        path = request.url.path
        if len(drive.requests) < _REQUESTS_KEPT_MAX:
            drive.requests.append({"method": request.method, "path": path, "parameters": parameters})
        fault = drive.faults.take(path, parameters)
        if fault is not None and fault.kind == "expired":
            drive.sign_in.expire_all()
        account = drive.sign_in.account_of(request.headers.get("authorization", "").removeprefix("Bearer "))
        if account is None:
            raise DriveError(401, "authError", "Invalid Credentials", location="Authorization")
        if fault is not None:
            await drive.faults.pause(fault)
        if fault is not None and (failure := failing_response(fault)) is not None:
            return failure
        response = answer(request, account, parameters)
        return response if fault is None else spoil(fault, response)

    return handle


def _token(drive: Drive) -> Handle:
    async def token(request: Request) -> Response:
        form = _client_of(request) | dict(parse_qsl((await _body(request)).decode(errors="replace")))
        fault = drive.faults.take(request.url.path, form)
        if fault is not None and (failure := failing_response(fault)) is not None:
            return failure
        return JSONResponse(drive.sign_in.exchange(form, str(request.url)))

    return token


def _client_of(request: Request) -> dict[str, str]:
    """A client may name itself in the header instead of the body."""
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        id, _, secret = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return {}
    return {"client_id": unquote(id), "client_secret": unquote(secret)} if kind == "Basic" else {}


def _consent(drive: Drive) -> Handle:
    """Everybody agrees at once: the browser is sent back with a code. `login_hint` says who it is."""

    async def consent(request: Request) -> Response:
        parameters = request.query_params
        back = parameters.get("redirect_uri", "")
        if not is_loopback_url(back) or parameters.get("client_id") != drive.sign_in.client_id:
            raise SignInError("redirect_uri_mismatch", "The address or the client is unknown.")
        if parameters.get("code_challenge_method") != "S256":
            raise SignInError("invalid_request", "Missing code challenge.")
        code = drive.sign_in.consent(parameters.get("login_hint", "owner@example.com"), parameters["code_challenge"])
        query = urlencode({"code": code, "state": parameters.get("state", ""), "scope": parameters.get("scope", "")})
        return RedirectResponse(urlsplit(back)._replace(query=query).geturl(), 302)

    return consent


def _control_routes(drive: Drive) -> list[Route]:
    whole: list[tuple[str, str, Callable[[Drive, Json], Json]]] = [
        ("POST", "/accounts", control.add_account),
        ("POST", "/items", control.add_item),
        ("POST", "/drives", control.add_drive),
        ("POST", "/access", control.change_access),
        ("POST", "/settings", control.change_settings),
        ("POST", "/faults", control.add_fault),
        ("DELETE", "/faults", control.clear_faults),
        ("POST", "/release", control.release),
        ("GET", "/requests", control.show_requests),
        ("POST", "/reset", control.reset),
    ]
    of_item: list[tuple[str, Callable[[Drive, Json, str], Json]]] = [
        ("PATCH", control.change_item),
        ("DELETE", control.delete_item),
    ]

    def handler(act: Callable[[Drive, Json], Json]) -> Handle:
        async def handle(request: Request) -> Response:
            return JSONResponse(act(drive, await _values(request)))

        return handle

    def item_handler(act: Callable[[Drive, Json, str], Json]) -> Handle:
        async def handle(request: Request) -> Response:
            return JSONResponse(act(drive, await _values(request), request.path_params["id"]))

        return handle

    return [
        *(Route(f"/control{path}", handler(act), methods=[method]) for method, path, act in whole),
        Route("/control/held", _held(drive)),
        *(Route("/control/items/{id}", item_handler(act), methods=[method]) for method, act in of_item),
    ]


def _held(drive: Drive) -> Handle:
    async def held(_: Request) -> Response:
        """Answers once a request is held."""
        await drive.faults.wait_until_held()
        return JSONResponse({"held": True})

    return held


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _values(request: Request) -> Json:
    try:
        values: Any = json.loads(await _body(request) or b"{}")
    except ValueError:
        raise DriveError(400, "parseError", "The body is not JSON.") from None
    if not isinstance(values, dict):
        raise DriveError(400, "parseError", "The body must be a JSON object.")
    return values  # pyright: ignore[reportUnknownVariableType] - JSON from outside, checked by each act


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _BODY_BYTES_MAX:
            raise not_simulated(f"bodies above {_BODY_BYTES_MAX} bytes")
    return bytes(body)


async def _on_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, DriveError | SignInError)
    return JSONResponse(error.body(), error.status)
