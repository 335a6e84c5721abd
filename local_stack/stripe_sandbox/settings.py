"""What can be set from outside, the pinned API version, and the limits."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

# The version that stripe-python 16.1 declares; a test compares both.
API_VERSION = "2026-10-28.endive"

BODY_BYTES_MAX = 1024 * 1024
LIST_LIMIT_DEFAULT = 10
LIST_LIMIT_MAX = 100
IDEMPOTENCY_KEY_CHARACTERS_MAX = 255
IDEMPOTENCY_KEPT_SECONDS = 24 * 3600
SESSION_SECONDS_MIN = 30 * 60
SESSION_SECONDS_MAX = 24 * 3600
# Stripe's smallest charge in most currencies, in minor units.
AMOUNT_MIN = 50
AMOUNT_MAX = 99_999_999
RETRY_SECONDS_DEFAULT = (5.0, 30.0, 120.0, 600.0, 3600.0)


@dataclass(frozen=True)
class Settings:
    """Read once at start. `webhook_secrets` holds two while a secret is being rotated."""

    state: Path
    secret_key: str
    webhook_url: str | None
    webhook_secrets: tuple[str, ...]
    retry_seconds: tuple[float, ...] = RETRY_SECONDS_DEFAULT


def faults_of(settings: Settings, host: str) -> list[str]:
    """Every reason not to start, in words."""
    faults: list[str] = []
    if not is_loopback(host):
        faults.append(f"--host must be a loopback address, not {host!r}")
    if not settings.secret_key.startswith("sk_test_") or len(settings.secret_key) < 16:
        faults.append("--secret-key (STRIPE_SECRET_KEY) must be a test key: sk_test_ and at least 8 characters")
    if settings.webhook_url is not None and not is_loopback_url(settings.webhook_url):
        faults.append("--webhook-url (STRIPE_SANDBOX_WEBHOOK_URL) must be an http address on this machine")
    if settings.webhook_url is not None and not settings.webhook_secrets:
        faults.append("--webhook-secret (STRIPE_WEBHOOK_SECRET) is needed to sign deliveries")
    if any(not secret.startswith("whsec_") for secret in settings.webhook_secrets):
        faults.append("--webhook-secret (STRIPE_WEBHOOK_SECRET) must start with whsec_")
    return faults


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_loopback_url(url: str) -> bool:
    """Whether requests to this address stay on this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and is_loopback(parts.hostname or "")
    except ValueError:
        return False
