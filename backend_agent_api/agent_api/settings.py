"""Settings of the service, read once from the environment.

`load_settings()` either returns complete settings or raises one `SettingsError` that names every variable that is
missing or wrong. Values never appear in that message: some of them are secrets.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SERVICE_DIRECTORY = Path(__file__).resolve().parent.parent

PROVIDER_BASE_URLS = {
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "ollama": "http://localhost:11434/v1",
}
TRANSACTION_POOLER_PORT = 6543
"""Supabase serves its transaction-mode pooler there."""


class SettingsError(Exception):
    """The environment cannot configure the service; the text names every variable at fault."""


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("must be an http:// or https:// address")
    return value.rstrip("/")


def _postgres_url(value: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(value.get_secret_value())
        port = parts.port
    except ValueError:
        raise ValueError("must be postgresql://user:password@host:port/database") from None
    if parts.scheme not in ("postgresql", "postgres") or not parts.netloc or port == 0:
        raise ValueError("must be postgresql://user:password@host:port/database")
    return value


def _webhook_secrets(value: SecretStr) -> SecretStr:
    secrets = split_secrets(value)
    if not 1 <= len(secrets) <= 2 or not all(secret.startswith("whsec_") for secret in secrets):
        raise ValueError("must be whsec_..., or two of them separated by a comma")
    return value


def split_secrets(value: SecretStr) -> list[str]:
    """The parts of a comma-separated secret."""
    return [part.strip() for part in value.get_secret_value().split(",") if part.strip()]


HttpUrl = Annotated[str, AfterValidator(_http_url)]
HttpUrlOrEmpty = Annotated[str, AfterValidator(lambda value: _http_url(value) if value else value)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
WebhookSecrets = Annotated[SecretStr, AfterValidator(_webhook_secrets)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Provider = Literal["openai", "openrouter", "ollama"]


class Settings(BaseSettings):
    """Every variable the service reads. Units are in the names; every limit is here."""

    model_config = SettingsConfigDict(
        # Empty: only the environment is read, whatever lies in the folder.
        env_file=os.environ.get("AGENT_API_ENV_FILE", SERVICE_DIRECTORY / ".env") or None,
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    environment: Literal["development", "production"] = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    frontend_url: HttpUrl = "http://localhost:8082"
    cors_origins: Annotated[list[str], NoDecode] = []
    """Comma-separated. Empty: only FRONTEND_URL."""

    database_url: PostgresUrl
    database_session_url: PostgresUrl | None = None
    """For LISTEN, where DATABASE_URL leads through a pooler in transaction mode."""
    database_pool_min_size: Annotated[int, Field(ge=0)] = 2
    database_pool_max_size: Count = 20
    database_acquire_timeout_seconds: Seconds = 5
    database_connect_timeout_seconds: Seconds = 5
    database_command_timeout_seconds: Seconds = 15
    database_start_deadline_seconds: Seconds = 60
    """How long a starting service keeps trying to reach the database before it gives up."""

    supabase_url: HttpUrl
    supabase_service_key: SecretStr
    supabase_jwt_secret: SecretStr | None = None
    jwt_leeway_seconds: Annotated[float, Field(ge=0, le=60)] = 10
    jwks_refresh_seconds: Seconds = 300
    jwks_refetch_interval_seconds: Seconds = 10
    """An unknown key id fetches the key set again at most this often, whoever asks."""
    auth_timeout_seconds: Seconds = 5
    auth_cache_seconds: Annotated[float, Field(ge=0, le=60)] = 60
    auth_cache_max_entries: Count = 10_000
    auth_concurrent_lookups_max: Count = 20
    auth_waiting_lookups_max: Count = 200
    """Further jwts may wait to be asked about; beyond it the answer is 503."""

    llm_provider: Provider = "openai"
    llm_base_url: HttpUrlOrEmpty = ""
    """Empty: the provider's own address."""
    llm_api_key: SecretStr = SecretStr("")
    llm_choice: Annotated[str, Field(min_length=1)] = "gpt-4o-mini"
    model_deadline_seconds: Seconds = 300
    """One answer, tools included, may take this long."""
    model_idle_timeout_seconds: Seconds = 60
    """A model that sends nothing for this long has failed."""
    model_connect_timeout_seconds: Seconds = 10
    model_retries_max: Annotated[int, Field(ge=0)] = 1
    """Further attempts after a refused connection, 429 or 5xx, before any output."""
    model_requests_per_answer_max: Count = 8
    model_join_window_seconds: Annotated[float, Field(ge=0, le=1)] = 0.04
    """Text chunks of a model that arrive within this time are handed on as one; 0 hands on each."""
    embedding_provider: Provider = "openai"
    embedding_base_url: HttpUrlOrEmpty = ""
    embedding_api_key: SecretStr = SecretStr("")
    """Empty: LLM_API_KEY, where both providers are the same."""
    embedding_model_choice: Annotated[str, Field(min_length=1)] = "text-embedding-3-small"
    embedding_timeout_seconds: Seconds = 30
    query_embedding_deadline_seconds: Seconds = 5
    """A question that has no vector by then is searched for by its words alone."""
    rerank_base_url: HttpUrlOrEmpty = ""
    """POST {base}/rerank, as Cohere, Jina and local servers understand it. Empty: the fused order stays."""
    rerank_api_key: SecretStr = SecretStr("")
    rerank_model: str = ""
    rerank_deadline_seconds: Seconds = 3
    """Passages that are not put in order by then stay as they are."""
    rerank_candidates_max: Annotated[int, Field(ge=8, le=50)] = 24

    upload_storage: Literal["postgres", "supabase"] = "postgres"
    """Where new uploads are kept; older ones are read from where they are."""
    upload_bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$")] = "agent-uploads"
    """Of this installation alone: files in it that the database does not know are removed."""
    upload_file_max_bytes: Annotated[int, Field(gt=0, le=200 * 1024 * 1024)] = 20 * 1024 * 1024
    uploads_per_user_max: Count = 200
    upload_bytes_per_user_max: Count = 500 * 1024 * 1024
    upload_receive_timeout_seconds: Seconds = 300
    """How long one file may take to arrive."""
    uploads_at_once_max: Count = 4
    """Files that a process holds in memory at once; others wait."""
    upload_wait_seconds: Seconds = 30
    """How long they wait; then the answer is 503."""
    downloads_per_user_max: Count = 3
    downloads_per_process_max: Count = 20
    """Files that are being sent; each is in memory until its reader has it."""
    storage_timeout_seconds: Seconds = 20
    """One request to Supabase Storage."""
    upload_sweep_interval_seconds: Seconds = 3600
    """How often files in the bucket that no upload owns are looked for."""
    upload_sweep_grace_seconds: Annotated[float, Field(ge=0)] = 3600
    """Younger ones may belong to an upload that is being stored."""
    upload_sweep_share_max: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Where no upload owns a larger share of the bucket, it is more likely the wrong database: none is removed."""

    rate_limit_requests: Count = 5
    rate_limit_window_seconds: Count = 60
    request_body_max_bytes: Count = 2 * 1024 * 1024
    request_body_timeout_seconds: Seconds = 60
    """A body that takes longer to arrive is refused; uploads have UPLOAD_RECEIVE_TIMEOUT_SECONDS."""
    message_max_characters: Count = 200_000

    run_lease_seconds: Seconds = 30
    run_lease_renew_seconds: Seconds = 10
    shutdown_grace_seconds: Annotated[float, Field(ge=0)] = 20
    """Running answers may finish for this long after a stop signal; the rest is settled."""

    runs_per_process_max: Count = 2_000
    run_flush_interval_seconds: Seconds = 0.25
    """How often what running answers have sent is stored for other replicas."""
    run_sweep_interval_seconds: Seconds = 5
    """How often turns whose process was lost are looked for."""
    settle_deadline_seconds: Seconds = 60
    """How long settling a turn is retried while the database is away; then its lease runs out."""
    stream_keep_alive_seconds: Seconds = 15
    answer_streams_per_user_max: Count = 300
    answer_streams_per_process_max: Count = 5_000
    answer_max_characters: Count = 400_000
    answer_events_max_bytes: Count = 16 * 1024 * 1024
    """Everything one answer sends, inputs and outputs of tools too. A token's event has some 80 bytes."""
    history_messages_max: Count = 40
    history_max_characters: Count = 200_000
    title_timeout_seconds: Seconds = 20
    titles_at_once_max: Count = 8

    balance_notify_interval_seconds: Seconds = 0.2
    balance_reread_seconds: Seconds = 30
    balance_keep_alive_seconds: Seconds = 15
    balance_streams_per_user_max: Count = 20
    balance_streams_per_process_max: Count = 5_000

    stripe_secret_key: SecretStr | None = None
    """Without it and STRIPE_WEBHOOK_SECRET nothing is sold; everything else works."""
    stripe_webhook_secret: WebhookSecrets | None = None
    """Two, separated by a comma, while a secret is being replaced."""
    stripe_api_base: HttpUrl | None = None
    stripe_app_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")] = "agent-api"
    """Marks what this installation makes in the Stripe account; what is marked otherwise is ignored."""
    stripe_connect_timeout_seconds: Seconds = 4
    stripe_timeout_seconds: Seconds = 8
    """One attempt at Stripe."""
    stripe_deadline_seconds: Seconds = 18
    """One request to Stripe, further attempts included."""
    stripe_retries_max: Annotated[int, Field(ge=0, le=5)] = 2
    stripe_requests_at_once_max: Count = 20
    webhook_body_max_bytes: Count = 256 * 1024
    webhook_tolerance_seconds: Count = 300
    """How old a signature may be."""
    purchases_per_window_max: Count = 20
    """New purchases one person may begin within PURCHASE_WINDOW_SECONDS."""
    purchase_window_seconds: Count = 3600
    reconcile_interval_seconds: Seconds = 300
    reconcile_grace_seconds: Annotated[float, Field(ge=0)] = 120
    """What is younger is left to its webhook."""
    reconcile_recheck_seconds: Annotated[float, Field(ge=0)] = 3600
    """How often Stripe is asked about a purchase that stays unpaid."""
    reconcile_lease_seconds: Count = 120
    reconcile_window_hours: Count = 24
    """Payments of this long are compared in every run; in a full one, once a day, those of RECONCILE_FULL_DAYS."""
    reconcile_full_days: Count = 90
    reconcile_audit_timeout_seconds: Seconds = 300
    stripe_ignored_events_keep_days: Count = 30

    @model_validator(mode="before")
    @classmethod
    def _split_origins(cls, values: dict[str, Any]) -> dict[str, Any]:
        origins: Any = values.get("cors_origins")
        if isinstance(origins, str):
            values["cors_origins"] = [origin.strip().rstrip("/") for origin in origins.split(",") if origin.strip()]
        return values

    @model_validator(mode="after")
    def _fill_provider_defaults(self) -> Self:
        self.llm_base_url = self.llm_base_url or PROVIDER_BASE_URLS[self.llm_provider]
        self.embedding_base_url = self.embedding_base_url or PROVIDER_BASE_URLS[self.embedding_provider]
        if not self.embedding_api_key.get_secret_value() and self.embedding_provider == self.llm_provider:
            self.embedding_api_key = self.llm_api_key
        self.cors_origins = self.cors_origins or [self.frontend_url]
        return self

    @property
    def database_transaction_mode(self) -> bool:
        """Whether DATABASE_URL leads through a pooler that gives each transaction another server connection."""
        url = self.database_url.get_secret_value()
        session_url = self.database_session_url
        return urlsplit(url).port == TRANSACTION_POOLER_PORT or (
            session_url is not None and session_url.get_secret_value() != url
        )

    @property
    def listen_url(self) -> str:
        """Where a connection keeps its session."""
        return (self.database_session_url or self.database_url).get_secret_value()


class _Together(BaseSettings):
    """Variables whose rules hold between them, read leniently so that these rules are checked with all others."""

    model_config = Settings.model_config

    environment: str = "development"
    llm_provider: str = "openai"
    llm_api_key: str = ""
    stripe_secret_key: str = ""
    stripe_api_base: str = ""
    run_lease_seconds: str = "30"
    run_lease_renew_seconds: str = "10"
    rerank_base_url: str = ""
    rerank_model: str = ""


def _problems_between(values: _Together) -> list[str]:
    problems: list[str] = []
    if not values.llm_api_key and values.llm_provider != "ollama":
        problems.append("LLM_API_KEY: missing")
    if values.stripe_api_base and "_live_" in values.stripe_secret_key:
        problems.append("STRIPE_API_BASE: must not be set together with a live STRIPE_SECRET_KEY")
    if values.stripe_api_base and values.environment == "production":
        problems.append("STRIPE_API_BASE: must not be set with ENVIRONMENT=production")
    if values.rerank_base_url and not values.rerank_model:
        problems.append("RERANK_MODEL: missing, RERANK_BASE_URL is set")
    try:
        if float(values.run_lease_renew_seconds) * 2 > float(values.run_lease_seconds):
            problems.append("RUN_LEASE_RENEW_SECONDS: must be at most half of RUN_LEASE_SECONDS")
    except ValueError:
        pass  # Not numbers: the fields' own check names them.
    return problems


def load_settings(**overrides: Any) -> Settings:
    """Read the environment and the service's `.env`; keyword arguments (field names) win over both.

    Raises SettingsError naming every missing or wrong variable.
    """
    problems: list[str] = []
    settings: Settings | None = None
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            name = str(fault["loc"][0]).upper() if fault["loc"] else "settings"
            reason = "missing" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
            problems.append(f"{name}: {reason}")
    together = {
        name: str(value.get_secret_value() if isinstance(value, SecretStr) else value or "")
        for name, value in overrides.items()
        if name in _Together.model_fields
    }
    if "_env_file" in overrides:
        together["_env_file"] = overrides["_env_file"]
    problems += _problems_between(_Together(**together))
    if problems or settings is None:
        lines = "\n".join(f"  {problem}" for problem in sorted(set(problems)))
        raise SettingsError(f"The service cannot start. These environment variables are missing or wrong:\n{lines}")
    return settings
