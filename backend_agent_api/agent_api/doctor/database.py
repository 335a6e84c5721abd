"""The database: reachable, of the right version, closed to browsers' keys, and its books in agreement."""

from functools import partial

import asyncpg

from agent_api.doctor.access import examine_grants, examine_row_security
from agent_api.doctor.books import (
    examine_earlier_payments,
    examine_events,
    examine_ledger,
    examine_reconciliation,
)
from agent_api.doctor.clock import Clock
from agent_api.doctor.documents import examine_documents, examine_queue
from agent_api.doctor.findings import Finding, Findings, fail, ok, run_check
from agent_api.health import REQUIRED_SCHEMA_VERSION
from agent_api.settings import Settings

CONNECT_SECONDS_MAX = 8.0
APPLY = (
    "apply sql/0-all-tables.sql to an empty database (it drops and recreates); to one with data the numbered scripts,"
    " in numeric order: sql/README.md"
)
UNEXAMINED = "look at the database's log and at the role of DATABASE_URL, which must own the tables"


async def examine_database(settings: Settings, clock: Clock) -> Findings:
    """Everything that needs a connection. Where there is none, one finding says so."""
    connection, found = await _connect("database", "DATABASE_URL", settings.database_url.get_secret_value())
    if connection is None:
        return [found]
    try:
        findings = [found, *await _examine_session_url(settings)]
        clock.compare("the database", float(await connection.fetchval("select extract(epoch from clock_timestamp())")))
        findings += await run_check("schema", lambda: _examine_schema(connection), cure=APPLY)
        if any(finding.level == "FAIL" and finding.name == "schema" for finding in findings):
            # Tables of another version would be measured by this one's rules; whether they are open is told anyway.
            checks = {"row security": examine_row_security, "grants": examine_grants}
        else:
            checks = {
                "row security": examine_row_security,
                "grants": examine_grants,
                "ledger": examine_ledger,
                "events": examine_events,
                "earlier payments": examine_earlier_payments,
                "reconciliation": partial(examine_reconciliation, settings=settings),
                "documents": examine_documents,
                "queue": examine_queue,
            }
        for name, check in checks.items():
            findings += await run_check(name, lambda check=check: check(connection), cure=UNEXAMINED)
        return findings
    finally:
        connection.terminate()


async def _connect(name: str, variable: str, url: str) -> tuple[asyncpg.Connection | None, Finding]:
    try:
        # Nothing is remembered on the server, so that a pooler in transaction mode serves as well.
        connection = await asyncpg.connect(
            url,
            timeout=CONNECT_SECONDS_MAX,
            command_timeout=CONNECT_SECONDS_MAX,
            statement_cache_size=0,
            server_settings={"application_name": "doctor"},
        )
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
        return None, fail(name, "the server refuses the user or the password", f"correct both in {variable}")
    except asyncpg.InvalidCatalogNameError:
        return None, fail(name, "the server has no database of this name", f"correct the end of {variable}")
    except (OSError, TimeoutError) as error:
        reached = f"the server is not reached ({type(error).__name__})"
        return None, fail(
            name, reached, f"correct host and port in {variable}; look whether the server runs and lets this machine in"
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        return None, fail(name, f"no connection ({type(error).__name__})", f"correct {variable}: see the server's log")
    version = connection.get_server_version()
    return connection, ok(name, f"{variable} leads to PostgreSQL {version.major}.{version.minor}")


async def _examine_session_url(settings: Settings) -> Findings:
    if settings.database_session_url is None:
        return []
    name, url = "database session", settings.database_session_url.get_secret_value()
    connection, found = await _connect(name, "DATABASE_SESSION_URL", url)
    if connection is not None:
        connection.terminate()
    return [found]


async def _examine_schema(connection: asyncpg.Connection) -> Findings:
    try:
        version: int = await connection.fetchval("select public.schema_version()")
    except asyncpg.UndefinedFunctionError:
        return [fail("schema", "the product's tables are not there, or older than version 1", APPLY)]
    except asyncpg.InsufficientPrivilegeError:
        return [fail("schema", "this role may not read it", "let DATABASE_URL name the role that owns the tables")]
    if version < REQUIRED_SCHEMA_VERSION:
        return [fail("schema", f"version {version}, the code needs {REQUIRED_SCHEMA_VERSION}", APPLY)]
    return [ok("schema", f"version {version}, the code needs {REQUIRED_SCHEMA_VERSION}")]
