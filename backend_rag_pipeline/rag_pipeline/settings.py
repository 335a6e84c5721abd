"""Settings of the worker, read once from the environment.

`load_settings()` either returns complete settings or raises one `SettingsError` that names every variable that is
missing or wrong. Values never appear in that message: some of them are secrets.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVICE_DIRECTORY = Path(__file__).resolve().parent.parent

PROVIDER_BASE_URLS = {
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "ollama": "http://localhost:11434/v1",
}
INTERVAL_SECONDS_DEFAULTS = {"local": 10.0, "google_drive": 60.0}
TRANSACTION_POOLER_PORT = 6543
"""Supabase serves its transaction-mode pooler there."""
MEBIBYTE = 1024 * 1024


class SettingsError(Exception):
    """The environment cannot configure the worker; the text names every variable at fault."""


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


HttpUrlOrEmpty = Annotated[str, AfterValidator(lambda value: _http_url(value) if value else value)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Provider = Literal["openai", "openrouter", "ollama"]


class Settings(BaseSettings):
    """Every variable the worker reads. Units are in the names; every limit is here."""

    model_config = SettingsConfigDict(
        # Empty: only the environment is read, whatever lies in the folder.
        env_file=os.environ.get("RAG_PIPELINE_ENV_FILE", SERVICE_DIRECTORY / ".env") or None,
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    environment: Literal["development", "production"] = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    database_url: PostgresUrl
    database_session_url: PostgresUrl | None = None
    """For the queue, where DATABASE_URL leads through a pooler in transaction mode."""
    database_pool_max_size: Count = 10
    database_connect_timeout_seconds: Seconds = 5
    database_acquire_timeout_seconds: Seconds = 10
    database_statement_timeout_seconds: Seconds = 60
    database_start_deadline_seconds: Seconds = 60
    """How long a starting worker keeps trying to reach the database before it gives up."""

    rag_pipeline_type: Literal["local", "google_drive"] = "local"
    run_mode: Literal["continuous", "single"] = "continuous"
    rag_pipeline_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")] = ""
    """Names this pipeline's state, documents and queue. Empty: the type of the pipeline."""
    rag_watch_directory: Path = Path("rag-documents")
    """Relative to the folder the worker is started in, or to the repository's where only that exists."""
    rag_watch_folder_id: str = ""
    """Google Drive: the folder tree that is read. Empty: everything the account may read."""
    google_drive_credentials_json: SecretStr = SecretStr("")
    """A service account's key or an OAuth token: JSON. Empty: the files in GOOGLE_CREDENTIALS_DIRECTORY."""
    google_credentials_directory: Path = Path("google-credentials")
    google_drive_api_endpoint: HttpUrlOrEmpty = ""
    """`scheme://host[:port]`: a stand-in, or Google's own private addresses. Empty: Google's public one."""
    google_drive_timeout_seconds: Seconds = 60
    """The longest silence of one request."""
    google_drive_deadline_seconds: Seconds = 300
    """One request, further attempts included."""
    google_drive_follow_shortcuts: bool = True
    """Shortcuts in the folder lead to whatever this account may read, wherever it lies."""

    rag_interval_seconds: Annotated[float, Field(ge=0)] = 0
    """Between two looks at the source. 0: 10 locally, 60 for Google Drive."""
    rag_full_listing_seconds: Seconds = 3600
    """How often everything is listed although a feed of changes says nothing."""
    rag_sync_lease_seconds: Annotated[float, Field(ge=5)] = 30
    """How long another replica waits for one that stopped renewing its turn to sync."""
    rag_settle_seconds_max: Annotated[float, Field(ge=0)] = 60
    """How long a single run waits for files that somebody is writing."""
    rag_accept_new_folder: bool = False
    """Another folder that lacks most files is taken for a disk that is not mounted or a slip in its name, another
    Google account that sees few of them for a wrong one, and nothing is deleted; true once says that it is meant."""
    rag_worker_concurrency: Count = 12
    """Documents one process works on at the same time."""
    rag_worker_heartbeat_seconds: Seconds = 5
    rag_worker_stalled_seconds: Seconds = 30
    """A worker not heard of for this long is dead, and its documents go to another."""
    rag_worker_stop_seconds: Annotated[float, Field(ge=0)] = 20
    """After a stop signal, documents being worked on may finish for this long; the rest is given back."""
    rag_worker_poll_seconds: Seconds = 5
    """How often the queue is looked at where a notification was lost."""
    rag_heartbeat_file: Path | None = None
    """Written while the worker is well; `python -m rag_pipeline.health` reads it. Empty: in the temporary folder."""
    rag_attempts_max: Count = 6
    """How often one document is tried before it is left alone until it changes."""
    rag_retry_wait_seconds: Seconds = 5
    """Before the second attempt; doubled for each one after it."""
    rag_retry_wait_max_seconds: Seconds = 600

    rag_file_max_bytes: Count = 50 * MEBIBYTE
    rag_files_max: Count = 200_000
    """A source that lists more than this is not read: a mistaken folder, most likely."""
    rag_pages_max: Count = 3_000
    rag_archive_max_bytes: Count = 500 * MEBIBYTE
    """What a zipped format (docx, xlsx, pptx) may expand to."""
    rag_extract_timeout_seconds: Seconds = 120
    """For one file; for each of its pages that is a picture and read by OCR once more."""
    rag_extract_memory_max_bytes: Count = 2048 * MEBIBYTE
    rag_extract_processes: Count = 2
    rag_text_max_characters: Count = 20_000_000
    rag_rows_max: Count = 100_000
    """Rows of spreadsheets stored per document."""

    chunk_model_tokens_max: Count = 400
    """Size of a chunk with its context, in the embedding model's own units."""
    chunk_overlap_model_tokens: Annotated[int, Field(ge=0)] = 40

    llm_provider: Provider = "openai"
    llm_base_url: HttpUrlOrEmpty = ""
    llm_api_key: SecretStr = SecretStr("")
    vision_llm_choice: str = ""
    """Describes images. Empty: text in images is read by OCR where tesseract is installed."""
    vision_timeout_seconds: Seconds = 60
    embedding_provider: Provider = "openai"
    embedding_base_url: HttpUrlOrEmpty = ""
    embedding_api_key: SecretStr = SecretStr("")
    """Empty: LLM_API_KEY, where both providers are the same."""
    embedding_model_choice: Annotated[str, Field(min_length=1)] = "text-embedding-3-small"
    embedding_accept_new_dimensions: bool = False
    """Vectors of another length than those of the same model's name are taken for a mistaken service, and nothing is
    indexed; true once says that it is meant: everything is embedded anew."""
    embedding_tokenizer_file: Path | None = None
    """The tokenizer.json of the embedding model. Without it lengths are estimated."""
    embedding_timeout_seconds: Seconds = 60
    embedding_deadline_seconds: Seconds = 300
    """One batch, further attempts included."""
    embedding_retries_max: Annotated[int, Field(ge=0)] = 5
    embedding_batch_size: Count = 64
    embedding_concurrency: Count = 4

    supabase_url: HttpUrlOrEmpty = ""
    supabase_service_key: SecretStr = SecretStr("")
    upload_storage: Literal["postgres", "supabase"] = "postgres"
    """Where the API puts new uploads; the worker reads from both."""
    upload_bucket: Annotated[str, Field(min_length=1)] = "agent-uploads"
    upload_timeout_seconds: Seconds = 60

    @model_validator(mode="after")
    def _fill_defaults(self) -> Self:
        self.llm_base_url = self.llm_base_url or PROVIDER_BASE_URLS[self.llm_provider]
        self.embedding_base_url = self.embedding_base_url or PROVIDER_BASE_URLS[self.embedding_provider]
        if not self.embedding_api_key.get_secret_value() and self.embedding_provider == self.llm_provider:
            self.embedding_api_key = self.llm_api_key
        self.rag_interval_seconds = self.rag_interval_seconds or INTERVAL_SECONDS_DEFAULTS[self.rag_pipeline_type]
        self.rag_pipeline_id = self.rag_pipeline_id or self.rag_pipeline_type
        return self

    @property
    def queue_url(self) -> str:
        """Where a connection keeps its session: the queue listens there."""
        return (self.database_session_url or self.database_url).get_secret_value()

    @property
    def database_transaction_mode(self) -> bool:
        """Whether DATABASE_URL leads through a pooler that gives each transaction another server connection."""
        url = self.database_url.get_secret_value()
        session_url = self.database_session_url
        return urlsplit(url).port == TRANSACTION_POOLER_PORT or (
            session_url is not None and session_url.get_secret_value() != url
        )


class _Together(BaseSettings):
    """Variables whose rules hold between them, read leniently so that these rules are checked with all others."""

    model_config = Settings.model_config

    database_url: str = ""
    database_session_url: str = ""
    embedding_provider: str = "openai"
    embedding_api_key: str = ""
    embedding_base_url: str = ""
    llm_provider: str = "openai"
    llm_api_key: str = ""
    upload_storage: str = "postgres"
    supabase_url: str = ""
    supabase_service_key: str = ""
    chunk_model_tokens_max: str = "400"
    chunk_overlap_model_tokens: str = "40"
    rag_worker_heartbeat_seconds: str = "5"
    rag_worker_stalled_seconds: str = "30"


def _problems_between(values: _Together) -> list[str]:
    problems: list[str] = []
    shared_key = values.llm_api_key if values.llm_provider == values.embedding_provider else ""
    is_keyless = values.embedding_provider == "ollama" or values.embedding_base_url
    if not (values.embedding_api_key or shared_key or is_keyless):
        problems.append("EMBEDDING_API_KEY: missing")
    if f":{TRANSACTION_POOLER_PORT}/" in values.database_url and not values.database_session_url:
        problems.append("DATABASE_SESSION_URL: needed where DATABASE_URL is a pooler in transaction mode")
    if values.upload_storage == "supabase":
        needed = {"SUPABASE_URL": values.supabase_url, "SUPABASE_SERVICE_KEY": values.supabase_service_key}
        problems += [f"{name}: needed for UPLOAD_STORAGE=supabase" for name, value in needed.items() if not value]
    if _is_less(values.chunk_model_tokens_max, values.chunk_overlap_model_tokens, times=2):
        problems.append("CHUNK_OVERLAP_MODEL_TOKENS: must be at most half of CHUNK_MODEL_TOKENS_MAX")
    if _is_less(values.rag_worker_stalled_seconds, values.rag_worker_heartbeat_seconds, times=2):
        problems.append("RAG_WORKER_HEARTBEAT_SECONDS: must be at most half of RAG_WORKER_STALLED_SECONDS")
    return problems


def _is_less(larger: str, smaller: str, *, times: int) -> bool:
    try:
        return float(larger) < float(smaller) * times
    except ValueError:
        return False  # Not numbers: the fields' own check names them.


def read_config_file(path: Path) -> dict[str, str]:
    """The settings in an env file (NAME=value lines) or a JSON object of names and values.

    Names count in any case. Raises SettingsError.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise SettingsError("The file of --config cannot be read.") from None
    if path.suffix.lower() != ".json":
        return {name.lower(): value for name, value in dotenv_values(path).items() if value}
    try:
        found: object = json.loads(text)
    except ValueError:
        raise SettingsError("The file of --config is no valid JSON.") from None
    if not isinstance(found, dict):
        raise SettingsError("The file of --config must hold a JSON object of names and values.")
    return {str(name).lower(): _as_text(value) for name, value in cast("dict[object, object]", found).items() if value}


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def load_settings(config: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the environment and the service's `.env`.

    `config` (of `--config`) wins over both, keyword arguments (field names) win over all. Raises SettingsError naming
    every missing or wrong variable.
    """
    values: dict[str, Any] = {
        **{name: value for name, value in (config or {}).items() if name in Settings.model_fields},
        **overrides,
    }
    problems: list[str] = []
    settings: Settings | None = None
    try:
        settings = Settings(**values)
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            name = str(fault["loc"][0]).upper() if fault["loc"] else "settings"
            reason = "missing" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
            problems.append(f"{name}: {reason}")
    together = {
        name: str(value.get_secret_value() if isinstance(value, SecretStr) else value or "")
        for name, value in values.items()
        if name in _Together.model_fields
    }
    if "_env_file" in values:
        together["_env_file"] = values["_env_file"]
    problems += _problems_between(_Together(**together))
    if problems or settings is None:
        lines = "\n".join(f"  {problem}" for problem in sorted(set(problems)))
        raise SettingsError(f"The worker cannot start. These settings are missing or wrong:\n{lines}")
    return settings
