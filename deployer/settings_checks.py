"""Whether `.env` can work: complete, holding no example, and leading where containers and browsers can go."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deployer.docker import REPOSITORY
from deployer.problems import Problem
from deployer.settings import SETTINGS
from deployer.settings.model import CONDITIONS, PUBLIC_ONLY, Variables, has_own_database
from deployer.settings.operation import PLACES
from deployer.target import Target
from deployer.time_checks import examine_times
from local_stack.env_files import ASSIGNMENT

# What stands in examples, this product's and those of its providers. Words of real names are let by: ask-your-docs.com.
PLACEHOLDER = re.compile(
    r"""
      ^<.*>$ | ^your[-_ ] | \[your[-_ ] | yourdomain\.com | \.\.\.$ | ^change[-_ ]?me$
    | (?<![a-z0-9])your[-_ ](?:[a-z]+[-_ ])*(?:id|key|password|project|ref|secret|service|url)(?![a-z])
    | //user:pass(?:word)?@host
    | (?: (?<![a-z0-9.])x{3,} | \.x{4,} )(?![a-z0-9])
    | @example\.(?:com|net|org)(?![a-z0-9.])
    """,
    re.IGNORECASE | re.VERBOSE,
)
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104 - what an address may say
# Addresses that containers call, and those that browsers call.
FROM_CONTAINERS = (
    "DATABASE_URL",
    "DATABASE_SESSION_URL",
    "SUPABASE_URL",
    "LLM_BASE_URL",
    "EMBEDDING_BASE_URL",
    "RERANK_BASE_URL",
)
FROM_BROWSERS = ("FRONTEND_URL", "VITE_AGENT_ENDPOINT", "VITE_SUPABASE_URL")
CREDENTIALS = "google-credentials"
CONTAINER_USER = 10001
# An address may hold these as they are. The auth service's is made of the password in docker-compose.yml.
PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
JWT_SECRET_CHARACTERS_MIN = 32
OLLAMA = "http://host.docker.internal:11434/v1"


def examine_settings(target: Target) -> list[Problem]:
    """Everything that is wrong with the variables, without showing a value."""
    if not target.env_file.exists():
        name = target.env_file.name
        return [Problem(".env", f"there is no {name}", "cp .env.example .env, and fill it in: docs/settings.md")]
    variables = target.variables()
    return [
        *_own_database(variables, is_public=target.kind == "cloud"),
        *_missing(variables, is_public=target.kind == "cloud"),
        *examples(variables),
        *_loopback(variables, is_public=target.kind == "cloud"),
        *_stand_ins(variables, is_public=target.kind == "cloud"),
        *_dollars(target.env_file),
        *_folders(variables),
        *_replicas(variables),
        *examine_times(variables),
        *google_files(variables, REPOSITORY / CREDENTIALS),
    ]


def _own_database(variables: Variables, *, is_public: bool) -> Iterator[Problem]:
    if not has_own_database(variables):
        return
    if not is_public:
        detail = "COMPOSE_PROFILES=database needs the Caddy of --type cloud: it leads browsers to the auth service"
        yield Problem(".env", detail, "use --type cloud, or remove the line and name a database and a Supabase project")
    elif password := variables.get("POSTGRES_PASSWORD"):
        if not PLAIN.fullmatch(password):
            cure = "make one of letters and digits: openssl rand -hex 24; a database that has started once must be told"
            detail = "POSTGRES_PASSWORD holds what an address cannot hold as it is"
            yield Problem(".env", detail, f"{cure}: docs/operations.md, Rotating secrets")
        address = "write postgresql://postgres:<POSTGRES_PASSWORD>@database:5432/postgres"
        # The second is what is upgraded and backed up wherever it is set.
        for name, cure in (("DATABASE_URL", address), ("DATABASE_SESSION_URL", "remove the line: no pooler is there")):
            if wrong := _not_as_in_container(variables.get(name, ""), password):
                detail = f"{name} does not lead into the database of COMPOSE_PROFILES=database: {', '.join(wrong)}"
                yield Problem(".env", detail, cure)
    if is_public:
        yield from _own_sign_in(variables)


def _own_sign_in(variables: Variables) -> Iterator[Problem]:
    secret = variables.get("SUPABASE_JWT_SECRET")
    if secret and len(secret) < JWT_SECRET_CHARACTERS_MIN:
        cure = "make one: openssl rand -hex 32; whoever guesses it signs in as anybody"
        detail = f"SUPABASE_JWT_SECRET has less than {JWT_SECRET_CHARACTERS_MIN} characters"
        yield Problem(".env", detail, cure)
    # Caddy leads from there to the auth service of the profile.
    if host := variables.get("FRONTEND_HOSTNAME"):
        for name in ("SUPABASE_URL", "VITE_SUPABASE_URL"):
            if name in variables and variables[name].lower() != f"https://{host}".lower():
                detail = f"{name} does not lead to the auth service of COMPOSE_PROFILES=database"
                yield Problem(".env", detail, f"write {name}=https://<FRONTEND_HOSTNAME>: docs/compose.md")


def _not_as_in_container(url: str, password: str) -> list[str]:
    """The parts of an address that are not those of the profile's database, without their values."""
    if not url:
        return []
    try:
        parts = urlsplit(url)
        found = (parts.username, unquote(parts.password or ""), parts.hostname, parts.port or 5432, parts.path)
    except ValueError:
        return ["it is no address"]
    expected = {"user": "postgres", "password": password, "host": "database", "port": 5432, "name": "/postgres"}
    return [f"another {part}" for part, is_there in zip(expected, found, strict=True) if expected[part] != is_there]


def _missing(variables: Variables, *, is_public: bool) -> Iterator[Problem]:
    if not is_public:
        variables = {name: value for name, value in variables.items() if name != "COMPOSE_PROFILES"}
    for setting in SETTINGS.values():
        asked = setting.required and (is_public or setting.required != PUBLIC_ONLY)
        if asked and setting.name not in variables and CONDITIONS[setting.required](variables):
            when = "" if setting.required in ("always", PUBLIC_ONLY) else f" (required {setting.required})"
            yield Problem(".env", f"{setting.name} is not set{when}", f"set it in .env. {setting.text}".strip())


def examples(variables: Variables) -> Iterator[Problem]:
    """Values that nobody has made their own."""
    for name, value in variables.items():
        setting = SETTINGS.get(name)
        # Not every example is a placeholder: a model's name is a good value.
        if setting is not None and PLACEHOLDER.search(value) and not setting.is_kept:
            yield Problem(".env", f"{name} still holds an example", "put your own value there, or remove the line")


def _loopback(variables: Variables, *, is_public: bool) -> Iterator[Problem]:
    for name in FROM_CONTAINERS:
        if is_loopback(variables.get(name, "")):
            cure = "write host.docker.internal for this machine, or the name of a service in the project"
            yield Problem(".env", f"{name} leads a container to itself", cure)
    for prefix in ("LLM", "EMBEDDING"):
        if variables.get(f"{prefix}_PROVIDER") == "ollama" and f"{prefix}_BASE_URL" not in variables:
            detail = f"{prefix}_PROVIDER=ollama without {prefix}_BASE_URL looks for Ollama in the container"
            yield Problem(".env", detail, f"set {prefix}_BASE_URL={OLLAMA} where Ollama runs on this machine")
    for name in FROM_BROWSERS:
        if is_loopback(variables.get(name, "")):
            cure = "remove the line, or write the public address: https://FRONTEND_HOSTNAME or https://AGENT_API_HOSTNAME/…"
            yield Problem(".env", f"{name} is reached from this machine only", cure, is_fatal=is_public)


def is_loopback(url: str) -> bool:
    """Whether an address means the machine it is used on."""
    try:
        return urlsplit(url).hostname in LOOPBACK
    except ValueError:
        return False


def _stand_ins(variables: Variables, *, is_public: bool) -> Iterator[Problem]:
    cure = "remove STRIPE_API_BASE: it is for a stand-in on a laptop"
    if "STRIPE_API_BASE" in variables:
        if "_live_" in variables.get("STRIPE_SECRET_KEY", ""):
            yield Problem(".env", "STRIPE_API_BASE would get a live STRIPE_SECRET_KEY", cure)
        if variables.get("ENVIRONMENT", "production" if is_public else "development") == "production":
            yield Problem(".env", "with STRIPE_API_BASE the API does not start in production", cure)
    if "STRIPE_SECRET_KEY" not in variables:
        cure = "set both of Stripe's keys to sell tokens: docs/stripe-setup.md"
        yield Problem(".env", "without STRIPE_SECRET_KEY nothing is sold", cure, is_fatal=False)


def _dollars(file: Path) -> Iterator[Problem]:
    """Compose replaces $NAME in a value, unless it stands in single quotes."""
    for line in file.read_text(encoding="utf-8-sig").splitlines():
        match = ASSIGNMENT.match(line)
        if match and match[1] in SETTINGS and "$" in match[2].replace("$$", "") and not match[2].startswith("'"):
            detail = f"{match[1]} holds a $, which Compose takes for the name of a variable"
            yield Problem(".env", detail, "put the value into single quotes; in an address %24 stands for it")


def google_files(variables: Variables, folder: Path) -> Iterator[Problem]:
    """Whether the worker finds its access to Google Drive, and may read it."""
    if variables.get("RAG_PIPELINE_TYPE") != "google_drive" or "GOOGLE_DRIVE_CREDENTIALS_JSON" in variables:
        return
    files = [folder / name for name in ("token.json", "credentials.json") if (folder / name).exists()]
    if not files:
        cure = f"set GOOGLE_DRIVE_CREDENTIALS_JSON, or put the file into {folder.name}/: docs/google-drive.md"
        yield Problem(".env", "RAG_PIPELINE_TYPE=google_drive without credentials", cure)
    for file in files:
        status = file.stat()
        if not status.st_mode & stat.S_IROTH and status.st_uid != CONTAINER_USER:
            cure = f"sudo chown {CONTAINER_USER} {folder.name}/*.json"
            # Docker Desktop shows files to every user of a container.
            yield Problem("files", f"{file.name} cannot be read in a container", cure, is_fatal=False)


def _replicas(variables: Variables) -> Iterator[Problem]:
    for name, least in (("AGENT_API_REPLICAS", 1), ("RAG_PIPELINE_REPLICAS", 0)):
        value = variables.get(name, "1")
        if not re.fullmatch(r"[0-9]{1,3}", value) or int(value) < least:
            yield Problem(".env", f"{name} is no number from {least}", "write how many are to run, or remove the line")
        elif name == "AGENT_API_REPLICAS" and int(value) > PLACES and "AGENT_API_UPSTREAMS" not in variables:
            detail = f"Caddy has places for {PLACES} replicas, not for {value}"
            yield Problem(".env", detail, f"set {name}={PLACES}, or name all of them in AGENT_API_UPSTREAMS")
    # Compose starts a container that has ended again, whatever it was for.
    if variables.get("RUN_MODE") == "single" and variables.get("RAG_PIPELINE_REPLICAS") != "0":
        cure = "set RAG_PIPELINE_REPLICAS=0 and run it by cron: docs/operations.md, Capacity; or remove the line"
        yield Problem(".env", "RUN_MODE=single would start the worker again and again", cure)


def _folders(variables: Variables) -> Iterator[Problem]:
    folder = variables.get("RAG_WATCH_DIRECTORY", "./rag-documents")
    if "/" not in folder:
        detail = "RAG_WATCH_DIRECTORY is a bare name, which Compose takes for a volume"
        yield Problem(".env", detail, "write it as a path: ./ in front of it")
    elif not (REPOSITORY / Path(folder).expanduser()).is_dir():
        yield Problem(".env", "the folder of RAG_WATCH_DIRECTORY is not there", "make it, or correct the path")
