"""`python -m local_stack.stripe_sandbox --host 127.0.0.1 --port 54324 --state FILE`."""

import argparse
import os
from pathlib import Path

import uvicorn

from local_stack.stripe_sandbox.app import create_app
from local_stack.stripe_sandbox.settings import RETRY_SECONDS_DEFAULT, Settings, faults_of

# Held requests (injected timeouts) must not hold up a stop.
_SHUTDOWN_SECONDS = 1
# Longer than clients keep an idle connection (httpx: 5 s): who asks on one must not meet its end.
_KEEP_ALIVE_SECONDS = 75


def main() -> None:
    """Serve until stopped; ends at once, naming every fault, when a setting is wrong."""
    parser = argparse.ArgumentParser(prog="stripe_sandbox", description="Local stand-in for Stripe")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=54324)
    parser.add_argument("--state", type=Path, required=True, help="SQLite file, created if missing")
    parser.add_argument("--secret-key", default=os.environ.get("STRIPE_SECRET_KEY", ""))
    parser.add_argument("--webhook-url", default=os.environ.get("STRIPE_SANDBOX_WEBHOOK_URL", ""))
    parser.add_argument(
        "--webhook-secret",
        default=os.environ.get("STRIPE_WEBHOOK_SECRET", ""),
        help="two, separated by a comma, while a secret is rotated",
    )
    parser.add_argument(
        "--retry-seconds",
        type=_seconds_list,
        default=os.environ.get("STRIPE_SANDBOX_RETRY_SECONDS") or RETRY_SECONDS_DEFAULT,
        help="waits between delivery attempts, separated by commas",
    )
    parser.add_argument("--log-level", default="warning")
    arguments = parser.parse_args()
    settings = Settings(
        state=arguments.state,
        secret_key=arguments.secret_key.strip(),
        webhook_url=arguments.webhook_url.strip() or None,
        webhook_secrets=tuple(part.strip() for part in arguments.webhook_secret.split(",") if part.strip()),
        retry_seconds=arguments.retry_seconds,
    )
    if faults := faults_of(settings, arguments.host):
        raise SystemExit("stripe sandbox: " + "; ".join(faults))
    uvicorn.run(
        create_app(settings),
        host=arguments.host,
        port=arguments.port,
        log_level=arguments.log_level,
        access_log=False,
        # The peer's own address decides, never a header.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )


def _seconds_list(text: str) -> tuple[float, ...]:
    seconds = tuple(float(part) for part in text.split(",") if part.strip())
    if any(not 0 <= wait <= 86_400 for wait in seconds):
        raise ValueError("a wait is 0 to 86400 seconds")
    return seconds


if __name__ == "__main__":
    main()
