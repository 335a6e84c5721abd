"""A pooler in transaction mode, as small as one can be: each transaction gets another server connection.

It speaks enough of Postgres' protocol for asyncpg (no TLS, no COPY, no cancel): it logs in to its servers by SCRAM,
lets every client in, and gives a server back as soon as that reports that no transaction is open. What relies on a
session (a prepared statement, LISTEN, SET) then breaks as it does behind Supavisor or PgBouncer.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import secrets
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

SSL_REQUEST = 80877103
PROTOCOL_VERSION = 196608


def _message(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("!i", len(payload) + 4) + payload


async def _read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    kind, length = struct.unpack("!ci", await reader.readexactly(5))
    return kind, await reader.readexactly(length - 4)


@dataclass
class _Server:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    parameters: bytes = b""


async def _log_in(dsn: str) -> _Server:
    address = urlsplit(dsn)
    password = unquote(address.password or "").encode()
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    server = _Server(reader, writer)
    names = {"user": unquote(address.username or ""), "database": unquote(address.path[1:])}
    startup = struct.pack("!i", PROTOCOL_VERSION) + b"".join(f"{k}\0{v}\0".encode() for k, v in names.items()) + b"\0"
    writer.write(struct.pack("!i", len(startup) + 4) + startup)
    client_first = f"n=,r={secrets.token_urlsafe(18)}"
    while True:
        kind, payload = await _read_message(reader)
        if kind == b"E":
            raise ConnectionError(payload)
        if kind == b"R":
            step = struct.unpack("!i", payload[:4])[0]
            if step == 10:
                first = f"n,,{client_first}".encode()
                writer.write(_message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first))
            elif step == 11:
                writer.write(_message(b"p", _scram_proof(password, client_first, payload[4:].decode())))
        elif kind == b"S":
            server.parameters += _message(kind, payload)
        elif kind == b"Z":
            return server


def _scram_proof(password: bytes, client_first: str, server_first: str) -> bytes:
    values = dict(part.split("=", 1) for part in server_first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(values["s"]), int(values["i"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c=biws,r={values['r']}"
    signed = hmac.digest(
        hashlib.sha256(client_key).digest(), f"{client_first},{server_first},{final}".encode(), "sha256"
    )
    proof = bytes(a ^ b for a, b in zip(client_key, signed, strict=True))
    return f"{final},p={base64.b64encode(proof).decode()}".encode()


class _Lease:
    """One server in the hands of one client, until it reports that no transaction is open."""

    def __init__(self, server: _Server, client: asyncio.StreamWriter, free: asyncio.Queue[_Server]) -> None:
        self._server = server
        self._client = client
        self._free = free
        self._unanswered = 0
        self.ended = False
        self._answers = asyncio.create_task(self._pass_answers_on())

    def send(self, kind: bytes, payload: bytes) -> None:
        self._unanswered += kind in (b"Q", b"S")
        self._server.writer.write(_message(kind, payload))

    async def _pass_answers_on(self) -> None:
        while not self.ended:
            kind, payload = await _read_message(self._server.reader)
            self._client.write(_message(kind, payload))
            if kind == b"Z":
                self._unanswered -= 1
                if payload == b"I" and self._unanswered == 0:
                    self._give_back()

    def _give_back(self) -> None:
        self.ended = True
        self._free.put_nowait(self._server)

    async def roll_back(self) -> None:
        """The client left inside a transaction, which the next one must not inherit."""
        self.send(b"Q", b"rollback\0")
        await self._answers


@dataclass
class TransactionPooler:
    """Rotates `servers`; `handovers` counts how often one was given to a client."""

    servers: asyncio.Queue[_Server] = field(default_factory=asyncio.Queue[_Server])
    all_servers: list[_Server] = field(default_factory=list[_Server])
    clients: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    handovers: int = 0

    async def serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client from its start to its end."""
        task = asyncio.current_task()
        assert task is not None
        self.clients.add(task)
        try:
            await self._greet(reader, writer)
            await self._relay(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The client left.
        finally:
            self.clients.discard(task)
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            length, code = struct.unpack("!ii", await reader.readexactly(8))
            await reader.readexactly(length - 8)
            if code != SSL_REQUEST:
                break
            writer.write(b"N")
        writer.write(_message(b"R", struct.pack("!i", 0)) + self.all_servers[0].parameters)
        writer.write(_message(b"K", struct.pack("!ii", 0, 0)) + _message(b"Z", b"I"))

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lease: _Lease | None = None
        try:
            while True:
                kind, payload = await _read_message(reader)
                if kind == b"X":
                    return
                if lease is None or lease.ended:
                    lease = _Lease(await self.servers.get(), writer, self.servers)
                    self.handovers += 1
                lease.send(kind, payload)
        finally:
            if lease is not None and not lease.ended:
                await lease.roll_back()


@asynccontextmanager
async def run_transaction_pooler(dsn: str, *, servers: int = 3) -> AsyncGenerator[tuple[TransactionPooler, str]]:
    """The pooler on a port while the block runs; gives it and the address that leads through it."""
    pooler = TransactionPooler()
    for _ in range(servers):
        server = await _log_in(dsn)
        pooler.all_servers.append(server)
        pooler.servers.put_nowait(server)
    listener = await asyncio.start_server(pooler.serve_client, "127.0.0.1", 0)
    address = urlsplit(dsn)
    through = f"postgresql://{address.username}:unused@127.0.0.1:{listener.sockets[0].getsockname()[1]}{address.path}"
    try:
        yield pooler, through
    finally:
        listener.close()
        await asyncio.gather(*pooler.clients)
        for server in pooler.all_servers:
            server.writer.close()
            with contextlib.suppress(ConnectionError):
                await server.writer.wait_closed()
