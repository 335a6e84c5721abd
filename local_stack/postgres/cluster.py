"""A cluster that behaves as Supabase's: start, databases, scripts."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from local_stack.postgres import psql, server
from local_stack.postgres.binaries import SHARED_HOME, Installation, find_installation, is_reachable
from local_stack.postgres.roles import SUPERUSER, Credentials

BOOTSTRAP_DIRECTORY = Path(__file__).parent
BOOTSTRAP_SCRIPTS = ("bootstrap.sql", "auth_schema.sql", "auth_grants.sql")
ClusterError = server.ServerError


@dataclass
class Cluster:
    """A running server. Use as a context manager, or call `stop`."""

    installation: Installation
    process: subprocess.Popen[bytes]
    port: int
    credentials: Credentials
    log: Path
    directory: Path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def dsn(self, role: str = "postgres", database: str = "postgres") -> str:
        """A URL for one of the login roles of roles.py; `postgres` is the owner and no superuser."""
        password = quote(self.credentials.passwords[role], safe="")
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def stop(self) -> None:
        server.stop(self.process)

    def run_sql(self, sql: str, *, role: str = SUPERUSER, database: str = "postgres") -> str:
        """Run statements outside a transaction block and return the unaligned rows they print."""
        return psql.run_sql(self.psql, self.dsn(role, database), sql, single_transaction=False)

    @property
    def psql(self) -> str:
        return self.installation.program("psql")

    def create_database(self, name: str, *, template: str | None = None) -> str:
        """Create a database owned by `postgres`, bootstrapped unless its template is. Returns the owner's URL."""
        clause = f' template "{template}"' if template else ""
        self.run_sql(f'create database "{name}" owner postgres{clause};')
        if template is None:
            self.bootstrap_database(name)
        return self.dsn(database=name)

    def drop_database(self, name: str) -> None:
        self.run_sql(f'drop database if exists "{name}" with (force);')

    def bootstrap_database(self, name: str) -> None:
        """Make the roles, schema `auth`, extensions and default privileges of Supabase. Safe to repeat."""
        for script in BOOTSTRAP_SCRIPTS:
            psql.run_script(self.psql, self.dsn(SUPERUSER, name), BOOTSTRAP_DIRECTORY / script)

    def apply_sql_scripts(self, directory: Path, *, database: str = "postgres") -> None:
        """Apply the numbered scripts of `directory` as role `postgres`, each in one transaction.

        Raises psql.SqlError with psql's message, which names file and line.
        """
        apply_sql_scripts(self.psql, self.dsn(database=database), directory)


def apply_sql_scripts(psql_program: str, dsn: str, directory: Path) -> None:
    for script in psql.numbered_scripts(directory):
        psql.run_script(psql_program, dsn, script)


def start_cluster(directory: Path, port: int, settings: Mapping[str, str] | None = None) -> Cluster:
    """Start the cluster kept in `directory`, creating it first if it is not there.

    A server left over from a killed launcher is stopped first. `settings` are server parameters, such as
    {"fsync": "off"} for tests. Raises ClusterError, or BinariesMissing.
    """
    installation = find_installation()
    home = _server_home(installation, directory)
    credentials = Credentials.load_or_create(directory / "credentials.json")
    data, log = home / "data", directory / "postgres.log"
    server.initialise(installation, data, credentials.passwords[SUPERUSER])
    server.stop_leftover(installation, data)
    process = server.launch(installation, data, log, port, settings or {})
    cluster = Cluster(installation, process, port, credentials, log, directory)
    try:
        _bootstrap_once(cluster)
    except BaseException:
        cluster.stop()
        raise
    return cluster


def remove_cluster(directory: Path) -> None:
    """Delete a stopped cluster with all its data."""
    shutil.rmtree(_shared_home(directory), ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)


def _bootstrap_once(cluster: Cluster) -> None:
    digest = hashlib.sha256(cluster.credentials.password_sql().encode())
    for script in BOOTSTRAP_SCRIPTS:
        digest.update((BOOTSTRAP_DIRECTORY / script).read_bytes())
    marker = cluster.directory / "bootstrapped"
    if marker.exists() and marker.read_text() == digest.hexdigest():
        return
    cluster.bootstrap_database("postgres")
    cluster.run_sql("alter database postgres owner to postgres;" + cluster.credentials.password_sql())
    marker.write_text(digest.hexdigest())


def _server_home(installation: Installation, directory: Path) -> Path:
    """The folder that holds the data folder: `directory`, or for root in an unreachable clone one below /var/lib."""
    directory.mkdir(parents=True, exist_ok=True)
    if installation.account is None:
        directory.chmod(0o700)
        return directory.resolve()
    directory.chmod(0o711)
    if is_reachable(directory):
        home = directory.resolve() / "server"
    else:
        home = _shared_home(directory)
        if not (directory / "credentials.json").exists():
            shutil.rmtree(home, ignore_errors=True)  # left over from a clone that was at this place before
    home.mkdir(parents=True, exist_ok=True)
    for parent in (SHARED_HOME, home.parent) if home.is_relative_to(SHARED_HOME) else ():
        parent.chmod(0o755)
    server.own(installation, home, 0o700)
    return home


def _shared_home(directory: Path) -> Path:
    return SHARED_HOME / "data" / hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:16]
