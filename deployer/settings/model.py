"""What the table says about one variable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Reader(StrEnum):
    """Who reads a variable."""

    API = "agent API"
    SERVER = "web server of the API"
    WORKER = "ingestion worker"
    SITE = "site"
    MIGRATE = "migration"
    CADDY = "Caddy in front"
    COMPOSE = "compose files"
    DEPLOY = "deploy.py"
    EMBEDDED = "embedded stack"


API, WORKER, SITE = Reader.API, Reader.WORKER, Reader.SITE
BOTH = (API, WORKER)

Variables = Mapping[str, str]


def has_own_database(variables: Variables) -> bool:
    """Whether Postgres and the auth service start too."""
    return "database" in variables.get("COMPOSE_PROFILES", "").split(",")


# When an operator of containers must set a variable; the words are those of the reference page.
CONDITIONS: dict[str, Callable[[Variables], bool]] = {
    "always": lambda _: True,
    "with Caddy (--type cloud)": lambda _: True,
    "unless LLM_PROVIDER=ollama": lambda variables: variables.get("LLM_PROVIDER") != "ollama",
    "where embeddings need a key that LLM_API_KEY is not": lambda variables: (
        not (
            variables.get("EMBEDDING_PROVIDER") == "ollama"
            or variables.get("EMBEDDING_BASE_URL")
            or variables.get("EMBEDDING_PROVIDER", "openai") == variables.get("LLM_PROVIDER", "openai")
        )
    ),
    "together with STRIPE_SECRET_KEY": lambda variables: "STRIPE_SECRET_KEY" in variables,
    "together with STRIPE_WEBHOOK_SECRET": lambda variables: "STRIPE_WEBHOOK_SECRET" in variables,
    "together with RERANK_BASE_URL": lambda variables: "RERANK_BASE_URL" in variables,
    "with DATABASE_URL at port 6543": lambda variables: ":6543/" in variables.get("DATABASE_URL", ""),
    "with COMPOSE_PROFILES=database": has_own_database,
    # Else nobody can confirm an address, and so nobody gets in.
    "with COMPOSE_PROFILES=database, unless AUTH_MAILER_AUTOCONFIRM=true": lambda variables: (
        has_own_database(variables) and variables.get("AUTH_MAILER_AUTOCONFIRM", "").lower() not in ("true", "t", "1")
    ),
    "together with AUTH_SMTP_HOST": lambda variables: "AUTH_SMTP_HOST" in variables,
}
PUBLIC_ONLY = "with Caddy (--type cloud)"


@dataclass(frozen=True)
class Setting:
    """One variable. Everything that names it is generated from here, or compared with it."""

    name: str
    readers: tuple[Reader, ...]
    default: str = ""
    """As it stands in an environment; empty: none."""
    text: str = ""
    """What it does, for a person."""
    worker_default: str | None = None
    """Where the worker's differs from the API's."""
    in_compose: str | None = None
    """Where containers have another default."""
    behind_caddy: str | None = None
    """Where they have yet another one in docker-compose.caddy.yml."""
    in_container: str | None = None
    """What a container always gets, whatever .env says: a path of its own."""
    example: str = ""
    """The shape of a value; where nobody could use it as one, it is refused."""
    required_by: tuple[Reader, ...] = ()
    """Who does not start without it."""
    required: str = ""
    """One of CONDITIONS: when `deploy.py` asks for it."""
    is_secret: bool = False
    is_common: bool = False
    """Stands in the .env.example of the repository."""
    is_kept: bool = False
    """Accepted from older files; nothing reads it."""

    def __post_init__(self) -> None:
        assert not self.required or self.required in CONDITIONS, self.name

    def default_for(self, reader: Reader) -> str:
        """The default in the code of one service."""
        return self.worker_default if reader is WORKER and self.worker_default is not None else self.default


@dataclass(frozen=True)
class Section:
    """Variables that belong together."""

    title: str
    settings: tuple[Setting, ...]
    text: str = ""
