"""What a fresh database of the stack gets: the product's schema, the sign-up bonus and two accounts."""

from __future__ import annotations

import hashlib
import json
import shutil
import urllib.error
import urllib.request

from local_stack.configuration import ADMIN_EMAIL, DEMO_EMAIL, Configuration
from local_stack.console import Console, StackError
from local_stack.paths import REPOSITORY
from local_stack.postgres import Cluster
from local_stack.postgres.binaries import find_installation
from local_stack.postgres.psql import SqlError, numbered_scripts, run_sql

SQL_DIRECTORY = REPOSITORY / "sql"
SAMPLE_DOCUMENTS = REPOSITORY / "local_stack" / "sample_documents"
# On Supabase it is 0 until the operator sets it.
SIGNUP_BONUS_SQL = """
insert into public.app_settings (key, value) values ('signup_bonus_tokens', '10')
on conflict (key) do update set value = excluded.value;
"""
ADMIN_SQL = f"""
update public.user_profiles set is_admin = true
where not is_admin and id = (select id from auth.users where email = '{ADMIN_EMAIL}');
"""  # noqa: S608 - a constant of ours
SIGNUP_TIMEOUT_SECONDS = 20
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def apply_schema(cluster: Cluster, configuration: Configuration, console: Console) -> None:
    """Apply the numbered scripts to a new database, and again whenever one of them changed. They keep the data."""
    marker = configuration.workspace.postgres / "schema-applied"
    digest = hashlib.sha256()
    for script in numbered_scripts(SQL_DIRECTORY):
        digest.update(f"{script.name}\0".encode() + script.read_bytes())
    if marker.exists() and marker.read_text() == digest.hexdigest():
        return
    first_time = not marker.exists()
    with console.step("database schema"):
        try:
            cluster.apply_sql_scripts(SQL_DIRECTORY)
        except SqlError as error:
            raise StackError(f"database schema failed: {error}") from None
        if first_time:
            set_signup_bonus(cluster)
        marker.write_text(digest.hexdigest())


def check_own_schema(database_url: str) -> None:
    """Raise StackError, in one line, if the person's own database cannot be reached or lacks the product's schema."""
    try:
        found = run_sql(
            find_installation().program("psql"),
            database_url,
            "select to_regprocedure('public.schema_version()') is not null;",
        )
    except SqlError as error:
        raise StackError(f"DATABASE_URL of .env cannot be used: {' '.join(str(error).split())}") from None
    if found != "t":
        raise StackError(
            "the database of DATABASE_URL lacks the schema: apply the scripts of sql/ to it first, see sql/README.md"
        )


def add_sample_documents(configuration: Configuration) -> None:
    """Put the samples into the watched folder, once per database; what is there stays as it is.

    Who deleted one does not get it back, and a folder that `.env` names gets none.
    """
    marker = configuration.workspace.postgres / "samples-added"
    if marker.exists() or "RAG_WATCH_DIRECTORY" in configuration.own:
        return
    folder = configuration.watch_directory
    folder.mkdir(parents=True, exist_ok=True)
    for sample in sorted(SAMPLE_DOCUMENTS.glob("*")):
        target = folder / sample.name
        if sample.is_file() and not target.exists():
            # In one step: the worker may be looking.
            partial = target.with_name(f".{target.name}.partial")
            shutil.copyfile(sample, partial)
            partial.replace(target)
    marker.write_text("")


def set_signup_bonus(cluster: Cluster) -> None:
    cluster.run_sql(SIGNUP_BONUS_SQL, role="postgres")


def create_accounts(cluster: Cluster, configuration: Configuration) -> None:
    """Make the two ready-made accounts through the real sign-up; accounts that are there stay as they are."""
    known = set(cluster.run_sql("select email from auth.users;", role="postgres").splitlines())
    secrets = configuration.secrets
    accounts = ((DEMO_EMAIL, secrets.demo_password, "Demo"), (ADMIN_EMAIL, secrets.admin_password, "Admin"))
    for email, password, name in accounts:
        if email not in known:
            _sign_up(configuration, email, password, name)
    cluster.run_sql(ADMIN_SQL, role="postgres")


def _sign_up(configuration: Configuration, email: str, password: str, name: str) -> None:
    body = json.dumps({"email": email, "password": password, "data": {"full_name": name}}).encode()
    request = urllib.request.Request(  # noqa: S310 - the address is our own, on loopback
        f"{configuration.address('auth')}/auth/v1/signup",
        data=body,
        headers={"content-type": "application/json", "apikey": configuration.secrets.publishable_key},
    )
    try:
        with _opener.open(request, timeout=SIGNUP_TIMEOUT_SECONDS):
            return
    except urllib.error.HTTPError as error:
        answer = error.read(500).decode(errors="replace")
        raise StackError(f"the account {email} could not be made: {error.code} {answer}") from None
    except OSError as error:
        raise StackError(f"the account {email} could not be made: {error}") from None
