"""`python -m rag_pipeline.sources.google_drive.authorize`: once, on a machine with a browser, so that this service may
read a person's Drive. Writes `token.json` beside `credentials.json`."""

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from google_auth_oauthlib.flow import InstalledAppFlow  # pyright: ignore[reportMissingTypeStubs] - none exist

from rag_pipeline.sources.google_drive.credentials import CREDENTIALS_FILE, SCOPE, TOKEN_FILE, check_address
from rag_pipeline.sources.source import ConfigurationError

_WAIT_SECONDS = 600


def main() -> int:
    """0: written; 2: the files do not allow it; 3: nobody gave consent."""
    parser = argparse.ArgumentParser(prog="authorize", description="Let this service read your Google Drive")
    parser.add_argument("--directory", type=Path, default=Path("google-credentials"), help="holds credentials.json")
    parser.add_argument("--port", type=int, default=0, help="where the browser comes back to; 0: any free one")
    parser.add_argument("--no-browser", action="store_true", help="only print the address to open")
    parser.add_argument("--timeout-seconds", type=int, default=_WAIT_SECONDS)
    arguments = parser.parse_args()
    try:
        flow = _flow(arguments.directory / CREDENTIALS_FILE)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        granted: Any = flow.run_local_server(
            host="127.0.0.1",
            port=arguments.port,
            open_browser=not arguments.no_browser,
            authorization_prompt_message="Open this address in a browser on this machine:\n{url}",
            success_message="Done. You may close this window.",
            timeout_seconds=arguments.timeout_seconds,
            # Otherwise Google gives access for an hour only, to somebody who agreed before.
            access_type="offline",
            prompt="consent",
        )
    except Exception as error:
        print(f"Nothing was granted ({type(error).__name__}). Run the command again.", file=sys.stderr)
        return 3
    path = arguments.directory / TOKEN_FILE
    _write(path, granted.to_json())
    print(f"Written: {path}. Keep it secret; it lets its holder read your Drive until you withdraw it.")
    return 0


def _flow(path: Path) -> Any:
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        application: Any = values["installed"]
        for name in ("auth_uri", "token_uri"):
            check_address(str(application[name]), f"{name} in {path}")
        if application["token_uri"].startswith("http://"):
            # Only this machine passes the check above; oauthlib wants to be told.
            os.environ.setdefault("OAUTHLIB_INSECURE_TRANSPORT", "1")
        maker: Any = InstalledAppFlow
        return maker.from_client_config(values, scopes=[SCOPE], autogenerate_code_verifier=True)
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist. Download it from the Google Cloud console.") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{path} is no OAuth client of the type 'Desktop app'") from None


def _write(path: Path, content: str) -> None:
    """For the owner's eyes only, and whole or not at all."""
    beside = path.with_suffix(".part")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    beside.replace(path)


if __name__ == "__main__":
    sys.exit(main())
