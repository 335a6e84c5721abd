"""The agent API. `uvicorn agent_api:app` serves it."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    app: FastAPI


def __getattr__(name: str) -> object:
    # Built on first use, so that importing a submodule (a test, `python -m agent_api.openapi`) neither reads the
    # environment nor imports in a circle.
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agent_api.main import create_app
    from agent_api.settings import SettingsError, load_settings

    try:
        application = create_app(load_settings())
    except SettingsError as error:
        # Whoever starts the service needs the list of variables, not the stack that led here.
        sys.exit(str(error))
    globals()["app"] = application
    return application
