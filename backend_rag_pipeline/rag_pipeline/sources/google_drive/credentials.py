"""Google credentials from a setting or a file, for reading Drive and nothing else."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

from google.oauth2 import credentials as oauth_credentials
from google.oauth2 import service_account

from rag_pipeline.sources.source import ConfigurationError

SCOPE = "https://www.googleapis.com/auth/drive.readonly"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
CREDENTIALS_FILE = "credentials.json"
TOKEN_FILE = "token.json"  # noqa: S105 - a file name
_AUTHORIZE_COMMAND = "python -m rag_pipeline.sources.google_drive.authorize"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

GoogleCredentials: TypeAlias = service_account.Credentials | oauth_credentials.Credentials


@dataclass(frozen=True)
class Identity:
    """Who reads the Drive. `make` gives each thread credentials of its own: they keep the access to themselves."""

    account: str | None
    """The address a folder has to be shared with; known for a service account only."""
    mark: str
    """Differs between accounts: each has a log of changes of its own."""
    make: Callable[[], GoogleCredentials]


class _ServiceAccount(service_account.Credentials):
    """Without the look-up of allowed regions.

    google-auth starts a thread for it that asks another Google service, with retries, while requests are made. Drive
    has no regions.
    """

    def before_request(self, request: Any, method: str, url: str, headers: dict[str, str]) -> None:
        untyped: Any = self
        if not self.valid:
            untyped.refresh(request)
        untyped.apply(headers)


def load_identity(credentials_json: str, directory: Path) -> Identity:
    """Read `credentials_json`, or else the files in `directory`. Raises ConfigurationError, which quotes no content."""
    if credentials_json.strip():
        name = "GOOGLE_DRIVE_CREDENTIALS_JSON"
        values = _parse(credentials_json, name)
    else:
        name = str(directory / CREDENTIALS_FILE)
        values = _read(directory / CREDENTIALS_FILE)
        if values is None:
            values, name = _read(directory / TOKEN_FILE), str(directory / TOKEN_FILE)
        if values is None:
            raise ConfigurationError(
                "Google Drive needs credentials: set GOOGLE_DRIVE_CREDENTIALS_JSON, or put a service account's key or "
                f"an OAuth client into {directory / CREDENTIALS_FILE}"
            )
    if "installed" in values or "web" in values:
        # The file names an application; what it was allowed to read stands in the other one.
        name, values = str(directory / TOKEN_FILE), _read(directory / TOKEN_FILE)
        if values is None:
            raise ConfigurationError(
                f"The credentials name an OAuth application, and {name} does not exist yet: nobody has given it access "
                f"to a Drive. Run once: {_AUTHORIZE_COMMAND}"
            )
    return _identity_of(values, name)


def _identity_of(values: Mapping[str, Any], name: str) -> Identity:
    check_address(str(values.get("token_uri") or TOKEN_URI), f"token_uri in {name}")
    if values.get("type") == "service_account":
        return _service_account(values, name)
    # Files written by Google's libraries after a consent carry no type.
    if values.get("type", "authorized_user") == "authorized_user":
        return _authorized_user(values, name)
    raise ConfigurationError(
        f"{name} holds credentials of the type {str(values['type'])[:40]!r}; "
        "a service account's key or an OAuth token is needed"
    )


def _service_account(values: Mapping[str, Any], name: str) -> Identity:
    def make() -> GoogleCredentials:
        found: Any = _ServiceAccount.from_service_account_info(  # pyright: ignore[reportUnknownMemberType] - untyped
            values, scopes=[SCOPE]
        )
        return cast(GoogleCredentials, found)

    try:
        make()
    except (ValueError, KeyError, TypeError):
        # The library's own words may quote the key.
        raise ConfigurationError(
            f"{name} is no complete key of a service account; download it again from the Google Cloud console"
        ) from None
    return Identity(str(values["client_email"]), str(values["client_email"]), make)


def _authorized_user(values: Mapping[str, Any], name: str) -> Identity:
    needed = ("refresh_token", "client_id", "client_secret")
    if missing := [field for field in needed if not isinstance(values.get(field), str) or not values[field]]:
        raise ConfigurationError(f"{name} lacks {', '.join(missing)}. Write it anew: {_AUTHORIZE_COMMAND}")

    def make() -> GoogleCredentials:
        return oauth_credentials.Credentials(
            token=None,
            refresh_token=values["refresh_token"],
            token_uri=values.get("token_uri") or TOKEN_URI,
            client_id=values["client_id"],
            client_secret=values["client_secret"],
        )

    # Long and random: a part of its digest tells nothing about it.
    mark = hashlib.sha256(values["refresh_token"].encode()).hexdigest()[:16]
    return Identity(None, mark, make)


def check_address(address: str, name: str) -> None:
    """Secrets travel there: encrypted, or on this machine. Raises ConfigurationError."""
    try:
        parts = urlsplit(address)
        is_safe = bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        )
    except ValueError:
        is_safe = False
    if not is_safe:
        raise ConfigurationError(f"{name} must be an https:// address, or http:// on this machine")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path} cannot be read") from None
    return _parse(text, str(path))


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        values: object = json.loads(text)
    except ValueError:
        raise ConfigurationError(f"{name} is no valid JSON") from None
    if not isinstance(values, dict):
        raise ConfigurationError(f"{name} must hold a JSON object")
    return cast("dict[str, Any]", values)
