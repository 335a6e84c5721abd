"""Write the API's description: `python -m agent_api.openapi [file]`; without a file, to standard output.

It depends on no environment: the same code gives the same bytes on every machine.
"""

import json
import sys
from pathlib import Path

from pydantic import SecretStr

from agent_api.main import create_app
from agent_api.settings import Settings


def render() -> str:
    """The description as JSON, ending in a newline."""
    # Nothing is connected: the addresses only satisfy the settings.
    settings = Settings.model_construct(
        database_url=SecretStr("postgresql://openapi@localhost/openapi"),
        supabase_url="http://localhost",
        supabase_service_key=SecretStr("unused"),
        cors_origins=[],
    )
    return json.dumps(create_app(settings).openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(render(), encoding="utf-8")
    else:
        sys.stdout.write(render())
