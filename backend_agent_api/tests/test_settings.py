"""A service that cannot be configured says so once, completely, and without its secrets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from agent_api_support.api import make_settings

from agent_api.settings import Settings, SettingsError, load_settings

SERVICE = Path(__file__).resolve().parents[1]
COMPLETE = {
    "DATABASE_URL": "postgresql://owner:pa55word@db.example.com:5432/postgres",
    "SUPABASE_URL": "https://project.supabase.example.com/",
    "SUPABASE_SERVICE_KEY": "sb_secret_value",
    "LLM_API_KEY": "sk-model",
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in {**COMPLETE, **variables}.items():
        monkeypatch.setenv(name, value)
    return load_settings(_env_file=None)


def test_every_missing_and_wrong_variable_is_named_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_URL", "not-an-address-s3cret")
    monkeypatch.setenv("RATE_LIMIT_REQUESTS", "many-s3cret")
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("STRIPE_API_BASE", "http://stripe.example.com")
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_live_s3cret")
    with pytest.raises(SettingsError) as raised:
        load_settings(_env_file=None)
    message = str(raised.value)
    for name in (
        "DATABASE_URL: missing",
        "SUPABASE_SERVICE_KEY: missing",
        "LLM_API_KEY: missing",
        "SUPABASE_URL: ",
        "RATE_LIMIT_REQUESTS: ",
        "STRIPE_API_BASE: must not be set together with a live STRIPE_SECRET_KEY",
        "STRIPE_API_BASE: must not be set with ENVIRONMENT=production",
    ):
        assert name in message
    assert "s3cret" not in message


def test_the_command_of_the_readme_prints_that_message_and_no_stack(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    started = subprocess.run(
        [sys.executable, "-m", "uvicorn", "agent_api:app", "--port", "0"],
        cwd=SERVICE,
        env=environment | {"DATABASE_URL": "mysql://nope"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert started.returncode != 0
    assert "DATABASE_URL: " in started.stderr
    assert "SUPABASE_URL: missing" in started.stderr
    assert "Traceback" not in started.stderr


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        ({"STRIPE_API_BASE": "http://stripe.example.com", "STRIPE_SECRET_KEY": "sk_live_1"}, True),
        ({"STRIPE_API_BASE": "http://stripe.example.com", "STRIPE_SECRET_KEY": "rk_live_1"}, True),
        ({"STRIPE_API_BASE": "http://stripe.example.com", "ENVIRONMENT": "production"}, True),
        ({"STRIPE_API_BASE": "http://stripe.example.com", "STRIPE_SECRET_KEY": "sk_test_1"}, False),
        ({"STRIPE_SECRET_KEY": "sk_live_1", "ENVIRONMENT": "production"}, False),
    ],
)
def test_a_stand_in_for_stripe_never_meets_a_live_key_or_production(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], refused: bool
) -> None:
    if refused:
        with pytest.raises(SettingsError, match="STRIPE_API_BASE"):
            load(monkeypatch, **variables)
    else:
        load(monkeypatch, **variables)


def test_empty_variables_count_as_not_set_and_providers_have_their_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, LLM_PROVIDER="ollama", LLM_API_KEY="", LLM_BASE_URL="", CORS_ORIGINS="")
    assert settings.llm_base_url == "http://localhost:11434/v1"
    assert settings.embedding_base_url == "https://api.openai.com/v1"
    assert settings.cors_origins == [settings.frontend_url]
    assert settings.supabase_url == "https://project.supabase.example.com"


def test_origins_are_a_comma_separated_list(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, CORS_ORIGINS="https://a.example.com/, https://b.example.com")
    assert settings.cors_origins == ["https://a.example.com", "https://b.example.com"]


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = repr(load(monkeypatch))
    assert "pa55word" not in shown
    assert "sb_secret_value" not in shown
    assert "sk-model" not in shown


@pytest.mark.parametrize(
    ("url", "session_url", "expected"),
    [
        ("postgresql://u:p@h:5432/d", None, False),
        ("postgresql://u:p@h:6543/d", None, True),
        ("postgresql://u:p@pooler:5432/d", "postgresql://u:p@direct:5432/d", True),
        ("postgresql://u:p@h:5432/d", "postgresql://u:p@h:5432/d", False),
    ],
)
def test_transaction_mode_is_told_by_the_port_or_by_a_second_address(
    url: str, session_url: str | None, expected: bool
) -> None:
    settings = make_settings(url, database_session_url=session_url)
    assert settings.database_transaction_mode is expected
