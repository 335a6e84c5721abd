"""A worker that cannot be configured says so once, completely, and without its secrets."""

import json
import re
from pathlib import Path

import pytest

from rag_pipeline.settings import Settings, SettingsError, load_settings, read_config_file

SERVICE = Path(__file__).resolve().parents[1]
ASSIGNMENT = re.compile(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)
COMPLETE = {"DATABASE_URL": "postgresql://owner:pa55word@db.example.com:5432/postgres", "LLM_API_KEY": "sk-model"}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in {**COMPLETE, **variables}.items():
        monkeypatch.setenv(name, value)
    return load_settings(_env_file=None)


def test_every_missing_and_wrong_variable_is_named_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDING_BATCH_SIZE", "many-s3cret")
    monkeypatch.setenv("UPLOAD_STORAGE", "supabase")
    monkeypatch.setenv("DATABASE_URL", "mysql://pooler.example.com:6543/s3cret")
    monkeypatch.setenv("CHUNK_OVERLAP_MODEL_TOKENS", "300")
    with pytest.raises(SettingsError) as raised:
        load_settings(_env_file=None)
    message = str(raised.value)
    for line in (
        "DATABASE_URL: must be",
        "DATABASE_SESSION_URL: needed",
        "EMBEDDING_API_KEY: missing",
        "EMBEDDING_BATCH_SIZE: ",
        "SUPABASE_URL: needed for UPLOAD_STORAGE=supabase",
        "SUPABASE_SERVICE_KEY: needed for UPLOAD_STORAGE=supabase",
        "CHUNK_OVERLAP_MODEL_TOKENS: must be at most half",
    ):
        assert line in message
    assert "s3cret" not in message


def test_a_pipeline_is_named_and_paced_by_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    local = load(monkeypatch)
    assert (local.rag_pipeline_id, local.rag_interval_seconds) == ("local", 10)
    drive = load(monkeypatch, RAG_PIPELINE_TYPE="google_drive")
    assert (drive.rag_pipeline_id, drive.rag_interval_seconds) == ("google_drive", 60)


def test_the_key_of_the_chat_model_serves_the_embeddings_of_the_same_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch).embedding_api_key.get_secret_value() == "sk-model"


@pytest.mark.parametrize("form", ["json", "env"])
def test_a_file_of_settings_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    path = tmp_path / f"config.{form}"
    values = {"RAG_PIPELINE_ID": "from-file", "rag_interval_seconds": 7, "UNKNOWN": "ignored"}
    path.write_text(
        json.dumps(values) if form == "json" else "".join(f"{name}={value}\n" for name, value in values.items())
    )
    for name, value in {**COMPLETE, "RAG_PIPELINE_ID": "from-environment"}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(read_config_file(path), _env_file=None)
    assert (settings.rag_pipeline_id, settings.rag_interval_seconds) == ("from-file", 7)


@pytest.mark.parametrize("text", ["[1, 2]", "{broken"])
def test_a_file_of_settings_that_is_none_is_refused_without_being_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(SettingsError) as raised:
        read_config_file(path)
    assert text not in str(raised.value)


def test_the_example_names_every_setting_and_no_other() -> None:
    named = [name for name, _ in ASSIGNMENT.findall((SERVICE / ".env.example").read_text())]
    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)


def test_the_defaults_that_the_example_shows_are_the_defaults(tmp_path: Path) -> None:
    text = (SERVICE / ".env.example").read_text().replace("EMBEDDING_API_KEY=\n", "EMBEDDING_API_KEY=key\n", 1)
    bare, shown = tmp_path / "bare", tmp_path / "shown"
    bare.write_text(text)
    shown.write_text(re.sub(r"^#(?=[A-Z])", "", text, flags=re.MULTILINE))
    assert load_settings(_env_file=shown) == load_settings(_env_file=bare)
