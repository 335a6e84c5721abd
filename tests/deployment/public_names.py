"""What browsers meet at the public names: a server with TLS, and an authority that only who is told of it trusts."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass
class PublicNames:
    """A server at 127.0.0.1 that can be told how it fails."""

    port: int
    authority: Path
    handshakes_refused: int = 0
    """How many more come to nothing, as Caddy ends them while it has no certificate."""
    status: int = 200
    asked: list[str] = field(default_factory=list[str])
    """The host of each question that was answered."""

    @property
    def environment(self) -> dict[str, str]:
        """Of somebody who trusts it and asks there."""
        return {"SSL_CERT_FILE": str(self.authority), "DEPLOY_HTTPS_PORT": str(self.port)}


@contextmanager
def run_public_names(folder: Path) -> Generator[PublicNames]:
    """The server while the block runs."""
    certificate = folder / "certificate.pem"
    certificate.write_bytes(_certificate())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    authority = folder / "authority.pem"
    authority.write_bytes(certificate.read_bytes()[: certificate.read_bytes().index(b"-----BEGIN PRIVATE")])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            names.asked.append(self.headers["Host"])
            self.send_response(names.status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    def refuse_some(_socket: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> int | None:
        if names.handshakes_refused == 0:
            return None
        names.handshakes_refused -= 1
        return ssl.AlertDescription.ALERT_DESCRIPTION_INTERNAL_ERROR

    context.sni_callback = refuse_some
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    names = PublicNames(server.server_port, authority)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield names
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _certificate() -> bytes:
    """One for this machine that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority of a test")])
    now = datetime.datetime.now(datetime.UTC)
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "127.0.0.2")]
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), *addresses]
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = (
        builder.not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + written
