"""The whole stack through its command, as a person uses it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from local_stack.configuration import PORT_DEFAULTS
from local_stack.env_files import read_env_file
from local_stack.paths import REPOSITORY, Workspace
from local_stack.postgres.binaries import find_installation
from local_stack.postgres.cluster import remove_cluster
from local_stack.postgres.psql import run_sql
from local_stack.processes import ProcessIdentity, free_ports, load_identities
from local_stack.seeding import SAMPLE_DOCUMENTS

START_SECONDS_MAX = 300
RECOVERY_SECONDS_MAX = 150
ANSWER_SECONDS_MAX = 60
# DESIGN.md promises them to people and scripts.
ENV_NAMES = {
    *("API_URL", "FRONTEND_URL", "DATABASE_URL", "LLM_BASE_URL", "EMBEDDING_BASE_URL", "RAG_WATCH_DIRECTORY"),
    *("SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_KEY", "SUPABASE_JWT_SECRET"),
    *("DEMO_EMAIL", "DEMO_PASSWORD", "ADMIN_EMAIL", "ADMIN_PASSWORD"),
    *("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE"),
}


@dataclass(frozen=True)
class Embedded:
    """A stack with its own state folder and ports, driven by the command."""

    workspace: Workspace
    environment: dict[str, str]

    def deploy(self, *arguments: str, **overrides: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "deploy.py", "--type", "embedded", *arguments],
            cwd=REPOSITORY,
            env=self.environment | overrides,
            capture_output=True,
            text=True,
            timeout=START_SECONDS_MAX,
            check=False,
        )

    def start(self) -> str:
        started = self.deploy("--detach")
        assert started.returncode == 0, started.stdout + started.stderr
        return started.stdout

    def env(self) -> dict[str, str]:
        return read_env_file(self.workspace.env_file)

    def processes(self) -> dict[str, ProcessIdentity]:
        return {identity.name: identity for identity in load_identities(self.workspace.processes_file)}

    def sign_in(self, email: str, password: str) -> dict[str, str]:
        env = self.env()
        answer = httpx.post(
            f"{env['SUPABASE_URL']}/auth/v1/token?grant_type=password",
            json={"email": email, "password": password},
            headers={"apikey": env["SUPABASE_ANON_KEY"]},
            timeout=ANSWER_SECONDS_MAX,
        )
        assert answer.status_code == 200, answer.text
        return {"authorization": f"Bearer {answer.json()['access_token']}"}

    def sql(self, query: str) -> str:
        return run_sql(find_installation().program("psql"), self.env()["DATABASE_URL"], query)

    def profile(self, account: str = "DEMO") -> dict[str, object]:
        env = self.env()
        headers = self.sign_in(env[f"{account}_EMAIL"], env[f"{account}_PASSWORD"])
        answer = httpx.get(f"{env['API_URL']}/api/profile", headers=headers, timeout=ANSWER_SECONDS_MAX)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def is_well(self) -> bool:
        env = self.env()
        addresses = (
            f"{env['API_URL']}/health/ready",
            env["FRONTEND_URL"],
            f"{env['SUPABASE_URL']}/health",
            env["LLM_BASE_URL"].removesuffix("/v1") + "/health",
            env["STRIPE_API_BASE"] + "/health",
        )
        if not self.workspace.heartbeat_file.exists():
            return False
        try:
            return all(httpx.get(address, timeout=ANSWER_SECONDS_MAX).status_code == 200 for address in addresses)
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    workspace = Workspace(tmp_path_factory.mktemp("embedded") / "state")
    settings = [setting for _, setting, _ in PORT_DEFAULTS.values()]
    environment = os.environ | {
        "EMBEDDED_STATE_DIR": str(workspace.root),
        "EMBEDDED_ENV_FILE": os.devnull,
        **dict(zip(settings, map(str, free_ports(len(settings))), strict=True)),
    }
    stack = Embedded(workspace, environment)
    try:
        stack.start()
        yield stack
    finally:
        stack.deploy("--down")
        remove_cluster(workspace.postgres)


def test_the_env_file_holds_every_promised_name(embedded: Embedded) -> None:
    assert set(embedded.env()) >= ENV_NAMES
    assert all("'" not in line and '"' not in line for line in embedded.workspace.env_file.read_text().splitlines())
    assert Path(embedded.env()["RAG_WATCH_DIRECTORY"]).is_absolute()


def test_the_ready_made_accounts_have_tokens_and_one_of_them_is_the_operator(embedded: Embedded) -> None:
    assert embedded.profile("DEMO")["tokens"] == 10
    assert embedded.profile("DEMO")["is_admin"] is False
    assert embedded.profile("ADMIN")["is_admin"] is True


def test_the_services_own_role_is_no_superuser(embedded: Embedded) -> None:
    assert embedded.env()["DATABASE_URL"].startswith("postgresql://postgres:")


def test_a_second_start_is_refused_in_one_line(embedded: Embedded) -> None:
    log = embedded.workspace.log("supervisor")
    before = log.read_text()
    refused = embedded.deploy("--detach")
    assert log.read_text().startswith(before), "it is the running stack's log"
    lines = (refused.stdout + refused.stderr).splitlines()
    assert refused.returncode == 1
    assert len(lines) == 1
    assert "already running" in lines[0]
    assert embedded.is_well()


def test_a_taken_port_is_named_with_the_setting_that_moves_it(embedded: Embedded, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = embedded.deploy(EMBEDDED_STATE_DIR=str(tmp_path / "other"), EMBEDDED_API_PORT=port, **_other_ports())
    lines = (refused.stdout + refused.stderr).splitlines()
    assert refused.returncode == 1
    assert lines == [f"port {port} (agent API) is taken: set EMBEDDED_API_PORT to a free one"]


def test_a_file_in_the_watched_folder_is_indexed_beside_the_samples(embedded: Embedded) -> None:
    folder = Path(embedded.env()["RAG_WATCH_DIRECTORY"])
    assert folder == embedded.workspace.root / "rag-documents"
    samples = {path.name for path in SAMPLE_DOCUMENTS.iterdir()}
    assert samples <= {path.name for path in folder.iterdir()}
    (folder / "cellar.md").write_text("# The cellar\n\nThe key of the cellar hangs behind the clock.\n")
    indexed = "select count(*) from public.document_metadata where status = 'indexed' and chunk_count > 0;"
    _wait_for(lambda: int(embedded.sql(indexed)) > len(samples))


def test_a_first_question_is_answered_from_the_samples_with_the_page(embedded: Embedded) -> None:
    guide = "select count(*) from public.document_metadata where file_name = 'user-guide.pdf' and status = 'indexed';"
    _wait_for(lambda: embedded.sql(guide) == "1")
    env = embedded.env()
    answer = httpx.post(
        f"{env['API_URL']}/api/pydantic-agent?stream=false",
        json={
            "id": "",
            "request_id": str(uuid4()),
            "messages": [{"id": "1", "role": "user", "parts": [{"type": "text", "text": "How do I buy tokens?"}]}],
        },
        # The other account's balance is compared elsewhere.
        headers=embedded.sign_in(env["ADMIN_EMAIL"], env["ADMIN_PASSWORD"]),
        timeout=ANSWER_SECONDS_MAX,
    )
    assert answer.status_code == 200, answer.text
    parts = answer.json()["message"]["parts"]
    passages = [part["providerMetadata"]["passage"] for part in parts if part["type"] == "source-document"]
    text = "".join(part["text"] for part in parts if part["type"] == "text")
    cited = [each for each in passages if "Choose Buy tokens in the menu" in each["excerpt"]]
    assert [each.get("page") for each in cited] == [3], passages
    assert f"[{cited[0]['number']}]" in text, text


@pytest.mark.parametrize("name", ["auth", "model", "api", "rag", "site", "postgres", "stripe"])
def test_a_killed_part_comes_back_by_itself(embedded: Embedded, name: str) -> None:
    killed = embedded.processes()[name]
    _kill(killed)
    _wait_for(lambda: embedded.processes()[name] != killed and embedded.is_well())
    assert embedded.profile()["tokens"] == 10


def test_after_everything_was_killed_a_start_brings_it_back_with_its_data(embedded: Embedded) -> None:
    before = (embedded.env(), embedded.profile())
    _kill(*embedded.processes().values())
    embedded.start()
    assert (embedded.env(), embedded.profile()) == before


def test_after_the_supervisor_alone_was_killed_a_start_brings_it_back(embedded: Embedded) -> None:
    orphans = embedded.processes()
    _kill(orphans["supervisor"])
    printed = embedded.start()
    assert "database schema" not in printed, "nothing had changed"
    assert embedded.profile()["tokens"] == 10
    assert not any(identity.is_alive() for identity in orphans.values())


def test_down_leaves_no_process_and_may_be_repeated(embedded: Embedded) -> None:
    running = embedded.processes()
    assert embedded.deploy("--down").returncode == 0
    assert not any(identity.is_alive() for identity in running.values())
    assert not embedded.workspace.ready_file.exists()
    repeated = embedded.deploy("--down")
    assert (repeated.returncode, repeated.stdout) == (0, "nothing is running\n")


def test_ctrl_c_stops_everything_that_runs_in_the_foreground(embedded: Embedded) -> None:
    process = subprocess.Popen(
        [sys.executable, "deploy.py", "--type", "embedded"],
        cwd=REPOSITORY,
        env=embedded.environment,
        stdout=subprocess.DEVNULL,
    )
    _wait_for(embedded.workspace.ready_file.exists, START_SECONDS_MAX)
    running = embedded.processes()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=START_SECONDS_MAX) == 0
    assert not any(identity.is_alive() for identity in running.values())


def test_fresh_starts_with_new_data_and_new_secrets(embedded: Embedded) -> None:
    before = embedded.env()
    embedded.deploy("--down")
    started = embedded.deploy("--detach", "--fresh")
    assert started.returncode == 0, started.stdout + started.stderr
    assert "Ready after" in embedded.workspace.log("supervisor").read_text().rpartition("starting Postgres")[2]
    assert embedded.env()["SUPABASE_JWT_SECRET"] != before["SUPABASE_JWT_SECRET"]
    assert embedded.profile()["tokens"] == 10


def _other_ports() -> dict[str, str]:
    settings = [setting for _, setting, _ in PORT_DEFAULTS.values() if setting != "EMBEDDED_API_PORT"]
    return dict(zip(settings, map(str, free_ports(len(settings))), strict=True))


def _kill(*identities: ProcessIdentity) -> None:
    """Return once they are gone, and with them what they held: on a busy machine that takes a moment."""
    for identity in identities:
        # One may have ended with the one before it.
        with suppress(ProcessLookupError):
            os.kill(identity.pid, signal.SIGKILL)
    _wait_for(lambda: not any(identity.is_alive() for identity in identities))


def _wait_for(condition: Callable[[], bool], seconds_max: float = RECOVERY_SECONDS_MAX) -> None:
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
