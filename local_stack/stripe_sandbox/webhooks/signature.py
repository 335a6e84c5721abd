"""The `Stripe-Signature` header."""

import hashlib
import hmac
from collections.abc import Sequence


def signature_header(payload: bytes, secrets: Sequence[str], timestamp: int) -> str:
    """Signed with every secret in use: two while one is being rotated."""
    signed = f"{timestamp}.".encode() + payload
    marks = [f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}" for secret in secrets]
    return ",".join([f"t={timestamp}", *marks])
