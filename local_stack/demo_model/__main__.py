"""`python -m local_stack.demo_model --host 127.0.0.1 --port 54323`."""

import argparse

import uvicorn

from local_stack.demo_model.app import create_app
from local_stack.demo_model.settings import settings_from_environment

# Hanging answers must not hold up a stop.
_SHUTDOWN_SECONDS = 1
# Longer than clients keep an idle connection (httpx: 5 s): who asks on one must not meet its end.
_KEEP_ALIVE_SECONDS = 75


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="demo_model", description="Offline OpenAI-compatible demo model")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=54323)
    parser.add_argument("--log-level", default="warning")
    arguments = parser.parse_args()
    uvicorn.run(
        create_app(settings_from_environment()),
        host=arguments.host,
        port=arguments.port,
        log_level=arguments.log_level,
        access_log=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )


if __name__ == "__main__":
    main()
