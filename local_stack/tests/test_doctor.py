"""Which configuration the doctor looks at: the person's `.env`, else the stack that runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local_stack.console import StackError
from local_stack.doctor import choose_configuration
from local_stack.paths import Workspace
from local_stack.processes import ProcessIdentity, save_identities


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A stack's folder, an `.env` beside it, and nothing in the environment."""
    monkeypatch.setenv("EMBEDDED_ENV_FILE", str(tmp_path / ".env"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr("local_stack.doctor.API_DIRECTORY", tmp_path)
    workspace = Workspace(tmp_path / "state")
    workspace.prepare()
    return workspace


def pretend_it_runs(workspace: Workspace) -> None:
    save_identities(workspace.processes_file, [ProcessIdentity.of("supervisor", os.getpid())])
    workspace.ready_file.write_text(str(os.getpid()))
    workspace.env_file.write_text("DATABASE_URL=postgresql://stack/db\n")


def test_a_running_stack_is_examined_where_env_names_no_database(workspace: Workspace, tmp_path: Path) -> None:
    pretend_it_runs(workspace)
    (tmp_path / ".env").write_text("RATE_LIMIT_REQUESTS=7\n")
    what, environment = choose_configuration(workspace)
    assert "stack that runs" in what
    assert environment["DATABASE_URL"] == "postgresql://stack/db"
    assert environment["LLM_CHOICE"] == "offline-demo"
    assert environment["RATE_LIMIT_REQUESTS"] == "7"


def test_env_with_a_database_is_examined_whatever_runs(workspace: Workspace, tmp_path: Path) -> None:
    pretend_it_runs(workspace)
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://own/db\n")
    what, environment = choose_configuration(workspace)
    assert (what, environment["DATABASE_URL"]) == (".env", "postgresql://own/db")
    assert environment.get("STRIPE_API_BASE") == os.environ.get("STRIPE_API_BASE")


def test_behind_caddy_the_addresses_follow_from_the_names(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_URL", "FRONTEND_URL"):
        monkeypatch.delenv(name, raising=False)
    names = (
        "DATABASE_URL=postgresql://own/db\nAGENT_API_HOSTNAME=agent.example.com\nFRONTEND_HOSTNAME=chat.example.com\n"
    )
    (tmp_path / ".env").write_text(names)
    _, environment = choose_configuration(workspace)
    assert (environment["API_URL"], environment["FRONTEND_URL"]) == (
        "https://agent.example.com",
        "https://chat.example.com",
    )
    (tmp_path / ".env").write_text(
        f"{names}FRONTEND_URL=https://own.example.com\nVITE_AGENT_ENDPOINT=https://api.example.com\n"
    )
    _, environment = choose_configuration(workspace)
    assert environment["FRONTEND_URL"] == "https://own.example.com"
    assert "API_URL" not in environment


def test_behind_caddy_it_is_production_as_its_containers_are(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENVIRONMENT", raising=False)
    names = (
        "DATABASE_URL=postgresql://own/db\nAGENT_API_HOSTNAME=agent.example.com\nFRONTEND_HOSTNAME=chat.example.com\n"
    )
    (tmp_path / ".env").write_text(names)
    assert "ENVIRONMENT" not in choose_configuration(workspace)[1], "another Caddy: docker-compose.yml alone"
    public = f"{names}LETSENCRYPT_EMAIL=operator@example.com\n"
    (tmp_path / ".env").write_text(public)
    _, environment = choose_configuration(workspace)
    assert (environment["ENVIRONMENT"], environment["FRONTEND_URL"]) == ("production", "https://chat.example.com")
    (tmp_path / ".env").write_text(f"{public}ENVIRONMENT=development\n")
    assert choose_configuration(workspace)[1]["ENVIRONMENT"] == "development"


def test_with_nothing_to_examine_it_says_so(workspace: Workspace) -> None:
    with pytest.raises(StackError, match="nothing to examine"):
        choose_configuration(workspace)
