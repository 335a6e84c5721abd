"""What `deploy.py` looks at before it starts anything: `.env`, the clone, and the machine."""

from __future__ import annotations

import re
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from deployer import machine_checks
from deployer.docker import Docker
from deployer.machine_checks import FOR_CONTAINERS, examine_files, examine_machine, is_taken
from deployer.settings_checks import examples, google_files
from deployer.target import Target
from local_stack.paths import REPOSITORY
from tests.deployment.compose import BASE, CADDY, dockerfile_of, merged
from tests.deployment.deploying import COMPLETE, Operator
from tests.deployment.images import parse

OWN_DATABASE = {
    "COMPOSE_PROFILES": "database",
    "POSTGRES_PASSWORD": "pa55-s3cret",
    "DATABASE_URL": "postgresql://postgres:pa55-s3cret@database:5432/postgres",
    "SUPABASE_JWT_SECRET": "s3cret" * 6,
    # A name of this machine that does not say so: a container that was led to `localhost` would be led to itself.
    "FRONTEND_HOSTNAME": "127.0.0.2",
    "SUPABASE_URL": "https://127.0.0.2",
    "VITE_SUPABASE_URL": "https://127.0.0.2",
}


def test_numbers_of_replicas_that_cannot_be_are_named(operator: Operator) -> None:
    operator.variables |= {"AGENT_API_REPLICAS": "0", "RAG_PIPELINE_REPLICAS": "many"}
    ended = operator.run("--type", "cloud")
    assert (ended.status, ended.changes) == (2, [])
    assert "remove the line" in ended.cure_of("FAIL", ".env", "AGENT_API_REPLICAS is no number from 1")
    assert "remove the line" in ended.cure_of("FAIL", ".env", "RAG_PIPELINE_REPLICAS is no number from 0")
    operator.variables |= {"AGENT_API_REPLICAS": "9", "RAG_PIPELINE_REPLICAS": "2"}
    ended = operator.run("--type", "cloud")
    assert "AGENT_API_UPSTREAMS" in ended.cure_of("FAIL", ".env", "Caddy has places for 8 replicas, not for 9")
    operator.variables["AGENT_API_UPSTREAMS"] = "one:8001 another:8001"
    assert operator.run("--type", "cloud").status == 0


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("DATABASE_URL", "postgresql://postgres:[YOUR-PASSWORD]@db.abcdefgh.supabase.co:5432/postgres"),
        ("DATABASE_URL", "postgresql://postgres.your-project-ref:s3cret@pooler.supabase.com:5432/postgres"),
        ("DATABASE_URL", "postgresql://postgres:s3cret@db.xxxxxxxxxxxx.supabase.co:5432/postgres"),
        ("LLM_API_KEY", "sk-your-key-here"),
        ("LLM_API_KEY", "sk-proj-xxxxxxxx"),
        ("SUPABASE_SERVICE_KEY", "sb_secret_xxx"),
        ("SUPABASE_SERVICE_KEY", "<the secret key>"),
        ("SUPABASE_URL", "https://xxxx.supabase.co"),
        ("SUPABASE_URL", "https://your-project-id.supabase.co"),
        ("STRIPE_SECRET_KEY", "sk_test_..."),
        ("LETSENCRYPT_EMAIL", "you@example.com"),
        ("FRONTEND_HOSTNAME", "chat.yourdomain.com"),
    ],
)
def test_an_example_left_in_is_named(name: str, example: str) -> None:
    assert [problem.detail for problem in examples({name: example})] == [f"{name} still holds an example"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("FRONTEND_HOSTNAME", host) for host in ("ask-your-docs.com", "chat.company.xxx", "xxxl-shop.com")),
        ("SUPABASE_SERVICE_KEY", "sb_secret_h3xXxQwertY-aXXXb_xx"),
        ("LETSENCRYPT_EMAIL", "operator@example.company.com"),
        ("DATABASE_URL", "postgresql://owner:Abc-your1@db.example.com:5432/postgres"),
        ("BRAVE_API_KEY", "your-key"),
    ],
)
def test_a_value_of_ones_own_is_no_example(name: str, value: str) -> None:
    assert list(examples({name: value})) == []


def test_the_own_database_is_for_the_public_site_alone(operator: Operator) -> None:
    operator.variables |= OWN_DATABASE
    operator.variables["AUTH_MAILER_AUTOCONFIRM"] = "true"
    assert operator.run("--type", "cloud").status == 0
    ended = operator.run("--type", "local")
    assert (ended.status, ended.changes) == (2, [])
    assert "use --type cloud" in ended.cure_of("FAIL", ".env", "COMPOSE_PROFILES=database needs the Caddy of")
    del operator.variables["POSTGRES_PASSWORD"]
    assert "POSTGRES_PASSWORD" not in operator.run("--type", "local").output


# `openssl rand -base64` gives the first three; the auth service's address is made of the password as it stands.
@pytest.mark.parametrize(
    "password", ["s3cret/1", "s3cret+1", "s3cret==", "s3cret@1", "s3cret:1", "s3cret%2F", "s3cret 1"]
)
def test_a_password_that_breaks_an_address_is_named(operator: Operator, password: str) -> None:
    address = f"postgresql://postgres:{quote(password, safe='')}@database:5432/postgres"
    operator.variables |= {**OWN_DATABASE, "POSTGRES_PASSWORD": password, "DATABASE_URL": address}
    operator.variables["AUTH_MAILER_AUTOCONFIRM"] = "true"
    ended = operator.run("--type", "cloud")
    assert (ended.status, ended.changes) == (2, [])
    assert "openssl rand -hex 24" in ended.cure_of("FAIL", ".env", "POSTGRES_PASSWORD holds what an address cannot")
    assert "does not lead" not in ended.output


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("postgresql://postgres:another-s3cret@database:5432/postgres", "another password"),
        ("postgresql://postgres:pa55-s3cret@localhost.example.com/postgres", "another host"),
        ("postgresql://supabase_admin:pa55-s3cret@database:6543/app", "another user, another port, another name"),
        ("postgresql://postgres:pa55-s3cret@database:port/postgres", "it is no address"),
    ],
)
def test_an_address_of_another_database_than_the_own_one_is_named(operator: Operator, address: str, wrong: str) -> None:
    operator.variables |= {**OWN_DATABASE, "DATABASE_URL": address, "AUTH_MAILER_AUTOCONFIRM": "true"}
    ended = operator.run("--type", "cloud")
    assert (ended.status, ended.changes) == (2, [])
    detail = f"DATABASE_URL does not lead into the database of COMPOSE_PROFILES=database: {wrong}"
    assert "@database:5432/postgres" in ended.cure_of("FAIL", ".env", detail)


def test_a_session_address_left_from_another_database_is_named(operator: Operator) -> None:
    operator.variables |= {**OWN_DATABASE, "AUTH_MAILER_AUTOCONFIRM": "true"}
    operator.variables["DATABASE_SESSION_URL"] = OWN_DATABASE["DATABASE_URL"]
    assert operator.run("--type", "cloud").status == 0
    operator.variables["DATABASE_SESSION_URL"] = "postgresql://postgres:pa55-s3cret@db.example.com:5432/postgres"
    ended = operator.run("--type", "cloud")
    assert (ended.status, ended.changes) == (2, [])
    detail = "DATABASE_SESSION_URL does not lead into the database of COMPOSE_PROFILES=database: another host"
    assert "remove the line" in ended.cure_of("FAIL", ".env", detail)


@pytest.mark.parametrize(
    ("name", "value", "detail", "cure"),
    [
        ("SUPABASE_JWT_SECRET", "s3cret", "SUPABASE_JWT_SECRET has less than 32 characters", "openssl rand -hex 32"),
        *(
            (name, value, f"{name} does not lead to the auth service", f"{name}=https://<FRONTEND_HOSTNAME>")
            for name in ("SUPABASE_URL", "VITE_SUPABASE_URL")
            for value in ("https://project.example.com", "http://127.0.0.2", "https://127.0.0.2/auth/v1")
        ),
    ],
)
def test_a_sign_in_of_another_project_than_the_own_one_is_named(
    operator: Operator, name: str, value: str, detail: str, cure: str
) -> None:
    operator.variables |= {**OWN_DATABASE, "AUTH_MAILER_AUTOCONFIRM": "true", name: value}
    ended = operator.run("--type", "cloud")
    assert (ended.status, ended.changes) == (2, [])
    assert cure in ended.cure_of("FAIL", ".env", detail)
    assert "1 to mend first" in ended.output
    # Elsewhere it is the project's own business.
    operator.variables |= {
        "FRONTEND_HOSTNAME": "localhost",
        "COMPOSE_PROFILES": "",
        "DATABASE_URL": COMPLETE["DATABASE_URL"],
    }
    assert operator.run("--type", "cloud").status == 0


def test_somebody_must_be_able_to_confirm_an_address(operator: Operator) -> None:
    operator.variables |= OWN_DATABASE
    ended = operator.run("--type", "cloud")
    assert (ended.status, ended.changes) == (2, [])
    assert "confirm an address" in ended.cure_of("FAIL", ".env", "AUTH_SMTP_HOST is not set")
    operator.variables["AUTH_SMTP_HOST"] = "mail.example.com"
    operator.run("--type", "cloud").cure_of("FAIL", ".env", "AUTH_SMTP_SENDER is not set")
    operator.variables["AUTH_SMTP_SENDER"] = "chat@mail.example.com"
    assert operator.run("--type", "cloud").status == 0


def test_a_clone_that_only_its_owner_may_read_is_named(tmp_path: Path) -> None:
    for name in FOR_CONTAINERS:
        whole = REPOSITORY / name
        inside = tmp_path / name / "deep" / "file" if whole.is_dir() else tmp_path / name
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.write_text("")
        assert whole.exists()
    subprocess.run(["chmod", "-R", "u=rwX,go=rX", tmp_path], check=True)
    assert list(examine_files(tmp_path)) == []
    for closed in (tmp_path / "sql" / "deep", tmp_path / "Caddyfile"):
        closed.chmod(0o700 if closed.is_dir() else 0o600)
    (problem,) = examine_files(tmp_path)
    assert problem.detail == "Caddyfile, sql cannot be read in a container"
    subprocess.run(problem.cure, shell=True, cwd=tmp_path, check=True)  # noqa: S602 - as a person would type it
    assert list(examine_files(tmp_path)) == []


def test_what_containers_are_given_of_the_clone_is_looked_at() -> None:
    services = merged(BASE, CADDY)["services"].values()
    mounted = {volume.split(":")[0] for service in services for volume in service.get("volumes", [])}
    copied = {
        str(Path(service["build"]["context"]) / source)
        for service in services
        if (dockerfile := dockerfile_of(service))
        for instruction, arguments in parse(dockerfile)[-1].steps
        if instruction == "COPY" and "--from" not in arguments
        for source in arguments.split()[:-1]
    }
    ours = {name.removeprefix("./") for name in mounted if name.startswith("./")} - {"google-credentials"}
    assert ours | copied <= set(FOR_CONTAINERS)


def test_credentials_for_google_that_the_worker_lacks_or_may_not_read_are_named(tmp_path: Path) -> None:
    def found(**variables: str) -> list[str]:
        return [
            problem.detail for problem in google_files({"RAG_PIPELINE_TYPE": "google_drive", **variables}, tmp_path)
        ]

    assert found() == ["RAG_PIPELINE_TYPE=google_drive without credentials"]
    assert found(RAG_PIPELINE_TYPE="local") == found(GOOGLE_DRIVE_CREDENTIALS_JSON="{}") == []
    for name in ("credentials.json", "token.json"):
        (tmp_path / name).write_text("{}")
        (tmp_path / name).chmod(0o644)
    assert found() == []
    (tmp_path / "token.json").chmod(0o600)
    assert found() == ["token.json cannot be read in a container"]


def test_everything_that_is_missing_is_named_at_once(operator: Operator) -> None:
    operator.answers |= {"daemon": False, "compose": "2.29.7"}
    operator.variables = {
        "DATABASE_URL": "postgresql://user:password@host:5432/postgres",
        "SUPABASE_URL": "http://localhost:54321",
        "SUPABASE_SERVICE_KEY": "your-service-key",
        "LLM_PROVIDER": "ollama",
        "STRIPE_SECRET_KEY": "sk_live_s3cret",
        "STRIPE_API_BASE": "http://stripe.example.com",
        "AGENT_API_HOSTNAME": "agent.yourdomain.com",
        "FRONTEND_HOSTNAME": "chat.nowhere.invalid",
        "VITE_AGENT_ENDPOINT": "http://localhost:8001/api/pydantic-agent",
        "RAG_WATCH_DIRECTORY": "documents",
        "POSTGRES_PASSWORD": "s3cret$1",
        "LANGFUSE_HOST": "'https://$'",
    }
    ended = operator.run("--type", "cloud")
    assert ended.status == 2
    assert ended.changes == []
    for name, detail, cure in (
        ("docker", "the daemon does not answer", "systemctl start docker"),
        ("compose", "is 2.29.7, 2.30 or later", "docker-compose-plugin"),
        (".env", "DATABASE_URL still holds an example", "your own value"),
        (".env", "SUPABASE_SERVICE_KEY still holds an example", "your own value"),
        (".env", "AGENT_API_HOSTNAME still holds an example", "your own value"),
        (".env", "VITE_SUPABASE_URL is not set", "set it in .env"),
        (".env", "VITE_SUPABASE_ANON_KEY is not set", "publishable"),
        (".env", "LETSENCRYPT_EMAIL is not set", "Let's Encrypt"),
        (".env", "STRIPE_WEBHOOK_SECRET is not set", "set it in .env"),
        (".env", "EMBEDDING_API_KEY is not set", "LLM_API_KEY"),
        (".env", "SUPABASE_URL leads a container to itself", "host.docker.internal"),
        (".env", "LLM_PROVIDER=ollama without LLM_BASE_URL", "host.docker.internal:11434/v1"),
        (".env", "VITE_AGENT_ENDPOINT is reached from this machine only", "remove the line"),
        (".env", "STRIPE_API_BASE would get a live", "remove STRIPE_API_BASE"),
        (".env", "with STRIPE_API_BASE the API does not start in production", "remove STRIPE_API_BASE"),
        (".env", "POSTGRES_PASSWORD holds a $", "single quotes"),
        (".env", "RAG_WATCH_DIRECTORY is a bare name", "./"),
        ("names", "chat.nowhere.invalid (FRONTEND_HOSTNAME) is unknown to DNS", "an A record (and no AAAA)"),
    ):
        assert cure in ended.cure_of("FAIL", name, detail)
    for fine in ("LLM_API_KEY is not set", "LANGFUSE_HOST"):
        assert fine not in ended.output


def test_every_page_names_the_oldest_compose_that_does() -> None:
    named = {
        found
        for name in ("docs/compose.md", "docs/deployment.md", "deploy/compose/smoke.sh", "docker-compose.caddy.yml")
        for found in re.findall(r"Compose (\d+\.\d+) or later", (REPOSITORY / name).read_text(encoding="utf-8"))
    }
    assert named == {".".join(map(str, machine_checks.COMPOSE_MIN))}


def test_without_docker_and_env_both_are_named(operator: Operator) -> None:
    operator.has_docker = False
    ended = operator.run("--type", "cloud", env_file=False)
    assert ended.status == 2
    assert "docs.docker.com" in ended.cure_of("FAIL", "docker", "not installed")
    assert "cp .env.example .env" in ended.cure_of("FAIL", ".env", "there is no .env")


def test_a_copied_example_is_refused(operator: Operator) -> None:
    example = (Path(__file__).resolve().parents[2] / ".env.example").read_text()
    (operator.folder / ".env").write_text(example.replace("\n#", "\n").replace("\n ", "\n# "))
    ended = operator.run("--type", "cloud", env_file=False)
    assert ended.status == 2
    for name in ("DATABASE_URL", "SUPABASE_URL", "STRIPE_SECRET_KEY", "FRONTEND_HOSTNAME", "VITE_SUPABASE_URL"):
        ended.cure_of("FAIL", ".env", f"{name} still holds an example")


def test_a_taken_port_is_named_unless_it_is_our_own(operator: Operator) -> None:
    operator.answers["published"] = ""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert is_taken(listener.getsockname()[1])
    # Whoever holds it, this test or another program: it is taken.
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            holder.bind(("127.0.0.1", 8082))
            holder.listen()
        ended = operator.run("--type", "local")
        assert "ss -ltnp" in ended.cure_of("FAIL", "ports", "port 8082 is taken")
        operator.answers["published"] = "127.0.0.1:8001->8001/tcp, 127.0.0.1:8082->8082/tcp"
        assert operator.run("--type", "local").status == 0


def test_too_little_room_is_named(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.run("--type", "cloud")
    monkeypatch.setattr(machine_checks, "DISK_GIB_MIN", 10**6)
    docker = Docker(environment={"PATH": f"{operator.folder / 'bin'}:/usr/bin:/bin"})
    (problem,) = examine_machine(Target("cloud", env_file=operator.folder / ".env"), docker)
    assert "1000000 are needed" in problem.detail
    assert "docker system prune" in problem.cure
