"""SQL through the bundled psql: no driver is needed, so every environment can use the launcher."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

STATEMENT_TIMEOUT_SECONDS = 120
SCRIPT_NAME = re.compile(r"^(\d+)-.+\.sql$")


class SqlError(RuntimeError):
    """psql refused a script; the message is what psql printed."""


def run_sql(psql: str, dsn: str, sql: str, *, single_transaction: bool = True) -> str:
    """Run `sql` and return the unaligned rows it printed. The first error ends it and raises SqlError."""
    return _run(psql, dsn, ["-1", "-f", "-"] if single_transaction else ["-f", "-"], stdin=sql)


def run_script(psql: str, dsn: str, script: Path) -> None:
    """Run one file as one transaction, as the Supabase SQL editor does."""
    _run(psql, dsn, ["-1", "-f", str(script)], stdin=None)


def numbered_scripts(directory: Path) -> list[Path]:
    """The scripts `<number>-<name>.sql` in numeric order; number 0 is the generated sum of the others."""
    numbered = [(int(match[1]), path) for path in directory.iterdir() if (match := SCRIPT_NAME.match(path.name))]
    return [path for number, path in sorted(numbered) if number > 0]


def _run(psql: str, dsn: str, arguments: list[str], *, stdin: str | None) -> str:
    address = urlsplit(dsn)
    environment = os.environ | {
        "PGPASSWORD": unquote(address.password or ""),
        "PGOPTIONS": f"-c client_min_messages=warning -c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s",
        "PGCONNECT_TIMEOUT": "30",
        "PGCLIENTENCODING": "UTF8",
    }
    connection = [
        *("-h", address.hostname or "127.0.0.1", "-p", str(address.port or 5432)),
        *("-U", unquote(address.username or ""), "-d", unquote(address.path.lstrip("/"))),
    ]
    result = subprocess.run(
        [psql, "-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", *connection, *arguments],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    if result.returncode != 0:
        raise SqlError(result.stderr.strip())
    return result.stdout.strip()
