"""What a person's `.env` changes, and what is written for others to read."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from local_stack.configuration import Configuration, load_configuration, workspace_from_environment
from local_stack.console import StackError
from local_stack.env_files import read_env_file, write_env_file
from local_stack.node import Node
from local_stack.paths import REPOSITORY, Workspace
from local_stack.stack import Stack


def configure(directory: Path, **own: str) -> Configuration:
    workspace = Workspace(directory)
    workspace.prepare()
    return load_configuration(workspace, own)


def test_without_an_own_env_the_stand_ins_are_used(tmp_path: Path) -> None:
    environment = configure(tmp_path).service_environment("postgresql://local")
    assert environment["LLM_BASE_URL"] == "http://127.0.0.1:54323/v1"
    assert environment["EMBEDDING_BASE_URL"] == "http://127.0.0.1:54323/v1"
    assert environment["STRIPE_API_BASE"] == "http://127.0.0.1:54324"
    assert environment["DATABASE_URL"] == "postgresql://local"
    assert len(environment["SUPABASE_JWT_SECRET"]) >= 32


def test_one_edit_points_the_chat_at_a_real_model(tmp_path: Path) -> None:
    configuration = configure(tmp_path, LLM_API_KEY="sk-mine")
    environment = configuration.service_environment("")
    assert environment["LLM_API_KEY"] == "sk-mine"
    assert "LLM_BASE_URL" not in environment, "the provider's own address"
    assert environment["EMBEDDING_BASE_URL"] == "http://127.0.0.1:54323/v1", "embeddings still come from the stand-in"


def test_an_own_address_wins(tmp_path: Path) -> None:
    environment = configure(tmp_path, LLM_BASE_URL="http://10.0.0.2:8000/v1").service_environment("")
    assert environment["LLM_BASE_URL"] == "http://10.0.0.2:8000/v1"


def test_a_model_is_not_started_when_both_are_the_persons_own(tmp_path: Path) -> None:
    configuration = configure(tmp_path, LLM_API_KEY="sk-mine", EMBEDDING_API_KEY="sk-mine")
    assert "EMBEDDED_MODEL_PORT" not in [port.setting for port in configuration.needed_ports()]


def test_a_copied_example_without_a_key_still_starts_the_demo_model(tmp_path: Path) -> None:
    environment = configure(tmp_path, LLM_BASE_URL="https://api.openai.com/v1", LLM_CHOICE="gpt-4o-mini")
    assert environment.service_environment("")["LLM_BASE_URL"] == "http://127.0.0.1:54323/v1"


def test_an_own_stripe_key_never_meets_the_sandbox(tmp_path: Path) -> None:
    configuration = configure(tmp_path, STRIPE_SECRET_KEY="sk_test_mine")
    assert "EMBEDDED_STRIPE_PORT" not in [port.setting for port in configuration.needed_ports()]
    environment = configuration.service_environment("")
    assert environment["STRIPE_SECRET_KEY"] == "sk_test_mine"
    assert "STRIPE_API_BASE" not in environment


def test_an_own_database_brings_its_own_supabase(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="set both or neither"):
        configure(tmp_path, DATABASE_URL="postgresql://mine")
    own = {"DATABASE_URL": "postgresql://mine", "SUPABASE_URL": "https://mine.example"}
    with pytest.raises(StackError, match="without SUPABASE_SERVICE_KEY and VITE_SUPABASE_ANON_KEY"):
        configure(tmp_path, **own)
    configuration = configure(tmp_path, **own, SUPABASE_SERVICE_KEY="secret", VITE_SUPABASE_ANON_KEY="public")
    environment = configuration.service_environment("")
    assert environment["DATABASE_URL"] == "postgresql://mine"
    assert "SUPABASE_JWT_SECRET" not in environment
    assert "DEMO_PASSWORD" not in configuration.exported_environment(environment)


def test_a_relative_state_folder_is_the_same_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDED_STATE_DIR", "some/state")
    monkeypatch.chdir(tmp_path)
    assert workspace_from_environment().root == REPOSITORY / "some" / "state"


def test_services_get_the_machines_variables_and_no_settings_of_the_callers_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LLM_API_KEY", "ENVIRONMENT", "RATE_LIMIT_REQUESTS", "OPENAI_API_KEY", "PYTHONPATH"):
        monkeypatch.setenv(name, "of-the-shell")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com")
    configuration = configure(tmp_path, RATE_LIMIT_REQUESTS="7")
    stack = Stack(configuration, Node("node", "/programs"))
    seen: dict[str, str] = {}

    def start(command: object, *, cwd: Path, environment: Mapping[str, str], log: Path) -> None:
        seen.update(environment)

    monkeypatch.setattr("local_stack.stack.start_process", start)
    stack.api(configuration.service_environment("postgresql://local")).start()
    assert "of-the-shell" not in seen.values()
    assert (seen["RATE_LIMIT_REQUESTS"], seen["ENVIRONMENT"]) == ("7", "development")
    assert (seen["HTTPS_PROXY"], seen["PATH"]) == ("http://proxy.example.com", "/programs")
    assert seen["AGENT_API_ENV_FILE"] == ""


def test_secrets_stay_from_start_to_start(tmp_path: Path) -> None:
    assert configure(tmp_path).secrets == configure(tmp_path).secrets
    assert stat.S_IMODE(Workspace(tmp_path).secrets_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["eighty", "0", "65536", "-1", "8.5", "\uff18\uff10"])
def test_a_port_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("EMBEDDED_API_PORT", text)
    with pytest.raises(StackError, match="EMBEDDED_API_PORT must be a port number"):
        configure(tmp_path)


def test_two_services_on_one_port_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDED_API_PORT", "8082")
    with pytest.raises(StackError, match="EMBEDDED_FRONTEND_PORT and EMBEDDED_API_PORT are both 8082"):
        configure(tmp_path)


def test_the_env_file_means_the_same_to_a_shell(tmp_path: Path) -> None:
    values = {
        "PLAIN": "http://127.0.0.1:8001",
        "DIRECTORY": "/home/a b/documents",
        "AWKWARD": """$HOME `id` "x" 'y' \\ ; & | ( ) # * ? ! é""",
        "EMPTY": "",
    }
    path = tmp_path / "env"
    write_env_file(path, values)
    script = 'set -a; . "$1"; for name in PLAIN DIRECTORY AWKWARD EMPTY; do printf "%s\\0" "${!name}"; done'
    printed = subprocess.run(["bash", "-c", script, "bash", str(path)], capture_output=True, text=True, check=True)
    assert printed.stdout.split("\0")[:-1] == list(values.values())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert '"' not in path.read_text().split("AWKWARD")[0]


def test_an_own_env_file_is_read_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "\ufeff# comment\nLLM_API_KEY=sk-1 # mine\nexport LLM_CHOICE = 'gpt 4'\nEMPTY=\nCOMMENTED=   # nothing\n"
        'QUOTED="a # b"\nURL=postgresql://u:p#w@h/db\nnot a line\n'
    )
    assert read_env_file(path) == {
        "LLM_API_KEY": "sk-1",
        "LLM_CHOICE": "gpt 4",
        "QUOTED": "a # b",
        "URL": "postgresql://u:p#w@h/db",
    }
