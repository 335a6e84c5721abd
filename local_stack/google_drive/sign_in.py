"""Google's token endpoint: service accounts (signed assertions), refresh tokens, and a consent that everybody gives."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local_stack.google_drive.errors import Json, SignInError

_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPES = {
    "https://www.googleapis.com/auth/drive.readonly",
    "https://www.googleapis.com/auth/drive",
}
_GOOGLES_ADDRESS = "https://oauth2.googleapis.com/token"
_LEEWAY_SECONDS = 60
_ASSERTION_SECONDS_MAX = 3600
# DER of "the following 32 bytes are a SHA-256 digest", RFC 8017, 9.2.
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


@dataclass(frozen=True)
class PublicKey:
    """An RSA key as a JWK gives it."""

    modulus: int
    exponent: int

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, str]) -> "PublicKey":
        return cls(_number(jwk["n"]), _number(jwk["e"]))

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """RSASSA-PKCS1-v1_5 with SHA-256."""
        length = (self.modulus.bit_length() + 7) // 8
        if len(signature) != length:
            return False
        found = pow(int.from_bytes(signature), self.exponent, self.modulus).to_bytes(length)
        digest = _SHA256_PREFIX + hashlib.sha256(message).digest()
        expected = b"\x00\x01" + b"\xff" * (length - len(digest) - 3) + b"\x00" + digest
        return hmac.compare_digest(found, expected)


@dataclass
class SignIn:
    """Who may come in, and what was handed out."""

    access_seconds: int = 3600
    """What an answer promises; `expire_all` ends it earlier."""
    service_accounts: dict[str, PublicKey] = field(default_factory=dict[str, PublicKey])
    refresh_grants: dict[str, str] = field(default_factory=dict[str, str])
    codes: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    refused: set[str] = field(default_factory=set[str])
    """Accounts that get nothing new."""
    handed_out: int = 0
    _access: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    client_id: str = "stand-in.apps.example.com"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def add_user(self, account: str) -> Json:
        """A person who has given consent; the answer is what Google's libraries store, without `token_uri`."""
        refresh = f"1//{secrets.token_urlsafe(24)}"
        self.refresh_grants[refresh] = account
        return {
            "type": "authorized_user",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": refresh,
        }

    def expire_all(self) -> None:
        self._access.clear()

    def account_of(self, access: str) -> str | None:
        account, ends_at = self._access.get(access, ("", 0.0))
        return account if time.time() < ends_at else None

    def consent(self, account: str, challenge: str) -> str:
        """A code for the token endpoint, as a person's browser would carry it back."""
        code = f"4/{secrets.token_urlsafe(24)}"
        self.codes[code] = (account, challenge)
        return code

    def exchange(self, form: Mapping[str, str], address: str) -> Json:
        """Answer the token endpoint. Raises SignInError."""
        grant = form.get("grant_type")
        if grant == _JWT_GRANT:
            return self._hand_out(self._asserted(form.get("assertion", ""), address))
        if grant not in ("refresh_token", "authorization_code"):
            raise SignInError("unsupported_grant_type", f"Invalid grant_type: {grant}")
        if form.get("client_id") != self.client_id or form.get("client_secret") != self.client_secret:
            raise SignInError("invalid_client", "The OAuth client was not found.", 401)
        if grant == "authorization_code":
            return self._from_code(form)
        account = self.refresh_grants.get(form.get("refresh_token", ""))
        if account is None:
            raise SignInError("invalid_grant", "Token has been expired or revoked.")
        return self._hand_out(account)

    def _from_code(self, form: Mapping[str, str]) -> Json:
        account, challenge = self.codes.pop(form.get("code", ""), ("", ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if not account or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
            raise SignInError("invalid_grant", "Malformed auth code.")
        return self._hand_out(account) | {"refresh_token": self.add_user(account)["refresh_token"]}

    def _asserted(self, assertion: str, address: str) -> str:
        try:
            head, claims, signature = assertion.split(".")
            header, body = json.loads(_bytes(head)), json.loads(_bytes(claims))
            account, key = body["iss"], self.service_accounts[body["iss"]]
            is_signed = header["alg"] == "RS256" and key.has_signed(f"{head}.{claims}".encode(), _bytes(signature))
        except (ValueError, KeyError, TypeError):
            raise SignInError("invalid_grant", "Invalid grant: account not found") from None
        if not is_signed:
            raise SignInError("invalid_grant", "Invalid JWT Signature.")
        _check_claims(body, address)
        return account

    def _hand_out(self, account: str) -> Json:
        if account in self.refused:
            raise SignInError("invalid_grant", "Token has been expired or revoked.")
        access = f"ya29.{secrets.token_urlsafe(24)}"
        self._access[access] = (account, time.time() + self.access_seconds)
        self.handed_out += 1
        return {
            "access_token": access,
            "expires_in": self.access_seconds,
            "token_type": "Bearer",
            "scope": "https://www.googleapis.com/auth/drive.readonly",
        }


def _check_claims(body: Any, address: str) -> None:
    now = time.time()
    # google-auth names Google's own endpoint, whatever address the key file gives.
    if body.get("aud") not in (address, _GOOGLES_ADDRESS):
        raise SignInError("invalid_grant", "Invalid JWT: audience is wrong.")
    issued, ends = float(body.get("iat", 0)), float(body.get("exp", 0))
    if not (issued - _LEEWAY_SECONDS <= now < ends) or ends - issued > _ASSERTION_SECONDS_MAX:
        raise SignInError("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes).")
    if not _SCOPES & set(str(body.get("scope", "")).split()):
        raise SignInError("invalid_scope", "Empty or missing scope not allowed.")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text))
