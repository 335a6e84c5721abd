"""What one stack runs with: ports, addresses and secrets, with the person's own `.env` on top."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_stack.console import StackError
from local_stack.env_files import read_env_file
from local_stack.paths import EMBEDDED_HOME, REPOSITORY, Workspace
from local_stack.secrets_store import Secrets

HOST = "127.0.0.1"
DEMO_EMAIL = "demo@example.com"
ADMIN_EMAIL = "admin@example.com"
CHAT_MODEL = "offline-demo"
EMBEDDING_MODEL = "all-minilm-l6-v2"
# Addresses that answer nothing without a key; a copied `.env.example` may name them before a key is there.
KEYED_MODEL_HOSTS = ("api.openai.com", "openrouter.ai")


@dataclass(frozen=True)
class Port:
    """A port with the setting that moves it."""

    service: str
    setting: str
    number: int


PORT_DEFAULTS = {
    "site": ("site", "EMBEDDED_FRONTEND_PORT", 8082),
    "api": ("agent API", "EMBEDDED_API_PORT", 8001),
    "auth": ("authentication", "EMBEDDED_AUTH_PORT", 54321),
    "postgres": ("Postgres", "EMBEDDED_POSTGRES_PORT", 54322),
    "model": ("demo model", "EMBEDDED_MODEL_PORT", 54323),
    "stripe": ("Stripe sandbox", "EMBEDDED_STRIPE_PORT", 54324),
}


@dataclass(frozen=True)
class Configuration:
    """Everything the services of one stack are started with."""

    workspace: Workspace
    ports: dict[str, Port]
    secrets: Secrets
    own: dict[str, str]
    """What the person's `.env` sets."""

    @property
    def own_database(self) -> bool:
        """The person's own Supabase is used; the stack then starts none, and never writes to theirs."""
        return "DATABASE_URL" in self.own

    @property
    def own_chat_model(self) -> bool:
        return _own_model(self.own, "LLM")

    @property
    def own_embedding_model(self) -> bool:
        return _own_model(self.own, "EMBEDDING")

    @property
    def own_stripe(self) -> bool:
        return "STRIPE_SECRET_KEY" in self.own

    def address(self, name: str) -> str:
        return f"http://{HOST}:{self.ports[name].number}"

    def needed_ports(self) -> list[Port]:
        """The ports of what this stack starts itself."""
        unused: set[str] = set()
        if self.own_stripe:
            unused.add("stripe")
        if self.own_database:
            unused |= {"auth", "postgres"}
        if self.own_chat_model and self.own_embedding_model:
            unused.add("model")
        return [port for name, port in self.ports.items() if name not in unused]

    @property
    def site_origins(self) -> list[str]:
        return [self.address("site"), f"http://localhost:{self.ports['site'].number}"]

    def service_environment(self, database_url: str) -> dict[str, str]:
        """What every service of the product reads, as in production; only the addresses differ."""
        stand_ins = {
            "ENVIRONMENT": "development",
            "SUPABASE_URL": self.address("auth"),
            "SUPABASE_ANON_KEY": self.secrets.publishable_key,
            "SUPABASE_SERVICE_KEY": self.secrets.secret_key,
            "SUPABASE_JWT_SECRET": self.secrets.jwt_secret,
            "DATABASE_URL": database_url,
            "RAG_PIPELINE_TYPE": "local",
        }
        if self.own_database:
            for name in ("SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_KEY", "SUPABASE_JWT_SECRET"):
                stand_ins.pop(name)
        if not self.own_stripe:
            stand_ins |= {
                "STRIPE_SECRET_KEY": self.secrets.stripe_secret_key,
                "STRIPE_WEBHOOK_SECRET": self.secrets.stripe_webhook_secret,
                "STRIPE_API_BASE": self.address("stripe"),
            }
        # Where our own services are is decided by the ports.
        ours = {
            "API_URL": self.address("api"),
            "FRONTEND_URL": self.address("site"),
            "CORS_ORIGINS": ",".join(self.site_origins),
            "RAG_WATCH_DIRECTORY": str(self.watch_directory),
        }
        values = {**stand_ins, **self.own, **ours}
        # Applied last: a copied example may name a model's address without the key it needs.
        if not self.own_chat_model:
            values |= _model_environment("LLM", self.address("model"), CHAT_MODEL)
        if not self.own_embedding_model:
            values |= _model_environment("EMBEDDING", self.address("model"), EMBEDDING_MODEL)
        return values

    def exported_environment(self, services: Mapping[str, str]) -> dict[str, str]:
        """The keys of the `env` file: what tests and people need to talk to this stack."""
        accounts = {
            "DEMO_EMAIL": DEMO_EMAIL,
            "DEMO_PASSWORD": self.secrets.demo_password,
            "ADMIN_EMAIL": ADMIN_EMAIL,
            "ADMIN_PASSWORD": self.secrets.admin_password,
        }
        return {name: services.get(name, "") for name in EXPORTED} | ({} if self.own_database else accounts)

    def site_environment(self, services: Mapping[str, str]) -> dict[str, str]:
        """What the site's build needs; with `.env` on top, as everywhere."""
        return {
            "VITE_SUPABASE_URL": services["SUPABASE_URL"],
            "VITE_SUPABASE_ANON_KEY": services.get("SUPABASE_ANON_KEY", self.own.get("VITE_SUPABASE_ANON_KEY", "")),
            "VITE_AGENT_ENDPOINT": f"{self.address('api')}/api/pydantic-agent",
            "VITE_ENABLE_STREAMING": "true",
        }

    @property
    def watch_directory(self) -> Path:
        """The folder that is ingested: `.env`'s, or the one people know; another stack must not read it as well."""
        own = self.own.get("RAG_WATCH_DIRECTORY")
        if own is not None:
            return (REPOSITORY / own).resolve()
        return (REPOSITORY if self.workspace.root == EMBEDDED_HOME else self.workspace.root) / "rag-documents"


EXPORTED = (
    "API_URL",
    "FRONTEND_URL",
    "SUPABASE_URL",
    "SUPABASE_ANON_KEY",
    "SUPABASE_SERVICE_KEY",
    "SUPABASE_JWT_SECRET",
    "DATABASE_URL",
    "LLM_BASE_URL",
    "EMBEDDING_BASE_URL",
    "RAG_WATCH_DIRECTORY",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "STRIPE_API_BASE",
)


def load_configuration(workspace: Workspace, own: Mapping[str, str] | None = None) -> Configuration:
    """Read ports, `.env` and secrets. `own` replaces the person's `.env`, for tests. Raises StackError."""
    own_values = dict(own) if own is not None else read_own_env_file()
    if ("DATABASE_URL" in own_values) != ("SUPABASE_URL" in own_values):
        raise StackError(".env sets only one of DATABASE_URL and SUPABASE_URL: set both or neither")
    if "DATABASE_URL" in own_values:
        _refuse_half_a_supabase(own_values)
    ports = {
        name: Port(title, setting, _port(setting, number, own_values))
        for name, (title, setting, number) in PORT_DEFAULTS.items()
    }
    _refuse_shared_ports(ports)
    return Configuration(workspace, ports, Secrets.load_or_create(workspace.secrets_file), own_values)


def read_own_env_file() -> dict[str, str]:
    """What the person's `.env` sets; EMBEDDED_ENV_FILE names another file, for tests say."""
    return read_env_file(Path(os.environ.get("EMBEDDED_ENV_FILE") or REPOSITORY / ".env"))


def workspace_from_environment() -> Workspace:
    configured = os.environ.get("EMBEDDED_STATE_DIR") or read_own_env_file().get("EMBEDDED_STATE_DIR")
    # From the repository, whatever folder the command is given in: --down must find what was started.
    return Workspace((REPOSITORY / Path(configured).expanduser()).resolve() if configured else EMBEDDED_HOME)


def _refuse_half_a_supabase(own: Mapping[str, str]) -> None:
    missing = [] if "SUPABASE_SERVICE_KEY" in own else ["SUPABASE_SERVICE_KEY"]
    if not {"SUPABASE_ANON_KEY", "VITE_SUPABASE_ANON_KEY"} & own.keys():
        missing.append("VITE_SUPABASE_ANON_KEY")
    if missing:
        raise StackError(f".env names your own Supabase without {' and '.join(missing)}: see its API settings")


def _port(setting: str, default: int, own: Mapping[str, str]) -> int:
    text = os.environ.get(setting) or own.get(setting) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise StackError(f"{setting} must be a port number, not {text!r}")
    return int(text)


def _refuse_shared_ports(ports: Mapping[str, Port]) -> None:
    seen: dict[int, Port] = {}
    for port in ports.values():
        if port.number in seen:
            raise StackError(f"{seen[port.number].setting} and {port.setting} are both {port.number}")
        seen[port.number] = port


def _own_model(own: Mapping[str, str], prefix: str) -> bool:
    provider, address = own.get(f"{prefix}_PROVIDER"), own.get(f"{prefix}_BASE_URL", "")
    if f"{prefix}_API_KEY" in own or provider == "ollama":
        return True
    return address != "" and not any(host in address for host in KEYED_MODEL_HOSTS)


def _model_environment(prefix: str, address: str, model: str) -> dict[str, str]:
    choice = "LLM_CHOICE" if prefix == "LLM" else "EMBEDDING_MODEL_CHOICE"
    return {
        f"{prefix}_PROVIDER": "openai",
        f"{prefix}_BASE_URL": f"{address}/v1",
        f"{prefix}_API_KEY": "offline-demo",
        choice: model,
    }
