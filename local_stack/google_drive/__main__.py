"""`python -m local_stack.google_drive --port 54325 [--credentials-file FILE]`."""

import argparse
import json
from pathlib import Path

import uvicorn

from local_stack.google_drive.app import create_app
from local_stack.google_drive.drive import Drive
from local_stack.stripe_sandbox.settings import is_loopback

# Held requests (injected slowness) must not hold up a stop.
_SHUTDOWN_SECONDS = 1
# Longer than clients keep an idle connection (httpx: 5 s): who asks on one must not meet its end.
_KEEP_ALIVE_SECONDS = 75


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="google_drive", description="Local stand-in for Google Drive v3")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=54325)
    parser.add_argument("--credentials-file", type=Path, help="written at start: an OAuth token for a new account")
    parser.add_argument("--account", default="owner@example.com", help="the account of that file")
    parser.add_argument("--log-level", default="warning")
    arguments = parser.parse_args()
    if not is_loopback(arguments.host):
        raise SystemExit(f"google drive: --host must be a loopback address, not {arguments.host!r}")
    drive = Drive()
    if arguments.credentials_file is not None:
        credentials = drive.sign_in.add_user(arguments.account)
        credentials["token_uri"] = f"http://{arguments.host}:{arguments.port}/token"
        arguments.credentials_file.touch(mode=0o600)
        arguments.credentials_file.chmod(0o600)
        arguments.credentials_file.write_text(json.dumps(credentials))
    uvicorn.run(
        create_app(drive),
        host=arguments.host,
        port=arguments.port,
        log_level=arguments.log_level,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )


if __name__ == "__main__":
    main()
