"""The stand-in as its users run it: a process of its own, with a key that only the test knows."""

import asyncio
import base64
import json
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local_stack.processes import free_ports

REPOSITORY = Path(__file__).resolve().parents[3]
SERVICE_ACCOUNT = "reader@project.example.com"
OWNER = "owner@example.com"
FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
DOCUMENT = "application/vnd.google-apps.document"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_START_SECONDS = 120


class RunningDrive:
    """Starts on entry, ends on exit. The owner has a folder `watched`, shared with the service account."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.AsyncClient(base_url=self.url, timeout=300)
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    async def control(self, method: str, path: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
        response = await self.http.request(method, f"/control{path}", json=values)
        assert response.status_code == 200, response.text
        return response.json()

    async def begin(self) -> None:
        """Nothing but the watched folder."""
        await self.control("POST", "/reset")
        await self.control("POST", "/accounts", {"account": SERVICE_ACCOUNT, "public_key": self._jwk()})
        await self.control("POST", "/accounts", {"account": OWNER})
        await self.add("watched", mime_type=FOLDER, readers=[SERVICE_ACCOUNT])

    async def add(self, id: str, parent: str | None = "watched", **fields: Any) -> str:
        """A file, named after its id unless told otherwise; `parent` None: My Drive of the owner."""
        values = {"id": id, "name": fields.pop("name", id), "owner": OWNER, **fields}
        if parent is not None and id != "watched":
            values["parents"] = [parent]
        if "mime_type" not in fields:
            values.setdefault("text", f"the text of {id}")
        return (await self.control("POST", "/items", values))["id"]

    async def folder(self, id: str, parent: str | None = "watched", **fields: Any) -> str:
        return await self.add(id, parent, mime_type=FOLDER, **fields)

    async def change(self, id: str, **fields: Any) -> None:
        await self.control("PATCH", f"/items/{id}", fields)

    async def delete(self, id: str) -> None:
        await self.control("DELETE", f"/items/{id}")

    async def fault(self, kind: str, **fields: Any) -> None:
        await self.control("POST", "/faults", {"kind": kind, **fields})

    @asynccontextmanager
    async def holding(self, **fields: Any) -> AsyncGenerator[Callable[[], Coroutine[Any, Any, Any]]]:
        """Within, the first matching request waits; call what is yielded to wait until it does."""
        await self.fault("hold", **fields)
        try:
            yield lambda: self.control("GET", "/held")
        finally:
            await self.control("POST", "/release")

    async def requests(self) -> list[dict[str, Any]]:
        """What was asked since the last time."""
        return (await self.control("GET", "/requests"))["requests"]

    def service_account_json(self, **changed: Any) -> str:
        """What an operator downloads from Google, with our token endpoint."""
        private = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        values = {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": "1",
            "private_key": private.decode(),
            "client_email": SERVICE_ACCOUNT,
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }
        return json.dumps(values | changed)

    async def oauth_json(self, account: str = OWNER) -> str:
        """What is stored after a person has given consent."""
        answer = await self.control("POST", "/accounts", {"account": account})
        return json.dumps(answer["credentials"] | {"token_uri": f"{self.url}/token"})

    async def assert_account(self, claims: dict[str, Any], *, spoil_signature: bool = False) -> httpx.Response:
        """Ask for access as a service account that claims this."""
        claims = {"iss": SERVICE_ACCOUNT, "aud": f"{self.url}/token"} | claims
        parts = [_url_safe(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
        signature = self._key.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
        if spoil_signature:
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}
        return await self.http.post("/token", data=form | {"assertion": ".".join([*parts, _url_safe(signature)])})

    async def __aenter__(self) -> Self:
        options = ["--port", str(self.port), "--log-level", "error", *self._options]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "local_stack.google_drive", *options, cwd=REPOSITORY
        )
        async with asyncio.timeout(_START_SECONDS):
            while not await self._is_healthy():
                assert self._process.returncode is None, "the stand-in ended while it started"
                await asyncio.sleep(0.02)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        self._process.terminate()
        await self._process.wait()

    async def _is_healthy(self) -> bool:
        try:
            return (await self.http.get("/health")).status_code == 200
        except httpx.TransportError:
            return False

    def _jwk(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        return {"n": _text(numbers.n), "e": _text(numbers.e)}


def _text(number: int) -> str:
    return _url_safe(number.to_bytes((number.bit_length() + 7) // 8))


def _url_safe(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
