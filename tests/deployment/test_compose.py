"""The compose files: their graph, their health checks, their walls and their environment."""

import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pytest

from agent_api.settings import Settings, load_settings
from deployer.settings import SETTINGS, settings_of
from deployer.settings.model import API, WORKER, Reader
from deployer.settings.operation import PLACES
from local_stack.env_files import read_env_file
from local_stack.paths import REPOSITORY
from tests.deployment.compose import BASE, CADDY, Missing, Tree, dockerfile_of, environment_of, fill, merged, read
from tests.deployment.images import parse

SERVICES: dict[str, Tree] = merged(BASE)["services"]
PUBLIC: dict[str, Tree] = merged(BASE, CADDY)["services"]
LONG_RUNNING = {name: service for name, service in PUBLIC.items() if name != "migrate"}
# Set by the image or the file itself, none of the service's settings.
NOT_SETTINGS = {"AGENT_API_ENV_FILE", "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"}
DOT_ENV = {
    "DATABASE_URL": "postgresql://owner:pa55@db.example.com:5432/postgres",
    "SUPABASE_URL": "https://project.example.com",
    "SUPABASE_SERVICE_KEY": "sb_secret_value",
    "LLM_API_KEY": "sk-model",
    "AGENT_API_HOSTNAME": "agent.example.com",
    "FRONTEND_HOSTNAME": "chat.example.com",
    "LETSENCRYPT_EMAIL": "operator@example.com",
}


def test_the_project_and_its_services_have_the_names_that_people_know() -> None:
    assert read(BASE)["name"] == "dynamous-agent"
    assert SERVICES.keys() == {"migrate", "agent-api", "rag-pipeline", "frontend", "database", "auth"}
    assert PUBLIC.keys() - SERVICES.keys() == {"caddy"}
    assert {name for name, service in SERVICES.items() if service.get("profiles")} == {"database", "auth"}


def test_services_wait_for_the_migration_and_for_nothing_that_may_be_off() -> None:
    for name in ("agent-api", "rag-pipeline"):
        assert SERVICES[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert SERVICES["migrate"]["restart"] == "no"
    for name, service in PUBLIC.items():
        for needed in service.get("depends_on", {}):
            assert set(PUBLIC[needed].get("profiles", [])) <= set(service.get("profiles", [])), name
    _walk_to_the_end(PUBLIC)


def _walk_to_the_end(services: dict[str, Tree]) -> None:
    """Raises AssertionError for a circle."""
    left = {name: set(service.get("depends_on", {})) for name, service in services.items()}
    while left:
        ready = {name for name, needs in left.items() if not needs & left.keys()}
        assert ready, left
        left = {name: needs for name, needs in left.items() if name not in ready}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_container_can_do_as_little_as_possible(name: str) -> None:
    service = PUBLIC[name]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]  # noqa: S108 - a path of the container
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "container_name", "network_mode", "pid"}
    options = service["logging"]["options"]
    assert (options["max-size"], options["max-file"]) == ("10m", "5")
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    dockerfile = dockerfile_of(service)
    if dockerfile is None:
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), "a stock image runs as root unless told otherwise"
        assert re.search(r":[\w.-]*\d[\w.-]*$", service["image"]), "pinned to a version"
    else:
        users = re.findall(r"(?m)^USER (.+)$", dockerfile.read_text())
        assert users[-1] == "10001"


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_whoever_runs_on_has_a_health_check_and_time_to_stop(name: str) -> None:
    service = LONG_RUNNING[name]
    assert service["restart"] == "unless-stopped"
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert check.keys() >= {"interval", "timeout", "retries", "start_period"}
    assert "stop_grace_period" in service or name == "auth"


@contextmanager
def _answering(status: int) -> Generator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health/ready" else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_apis_health_check_fails_where_it_is_not_ready(status: int, healthy: bool) -> None:
    _, _, *arguments = SERVICES["agent-api"]["healthcheck"]["test"]
    with _answering(status) as port:
        command = [argument.replace(":8001", f":{port}") for argument in arguments]
        assert (subprocess.run([sys.executable, *command], stderr=subprocess.DEVNULL).returncode == 0) is healthy


def test_everything_can_be_scaled_behind_caddy() -> None:
    published = {name: service["ports"] for name, service in PUBLIC.items() if service.get("ports")}
    assert published == {"caddy": ["80:80", "443:443", "443:443/udp"]}
    assert "ports" not in SERVICES["rag-pipeline"]
    upstreams = environment_of(PUBLIC["caddy"], DOT_ENV)["AGENT_API_UPSTREAMS"].split()
    assert upstreams == [f"dynamous-agent-agent-api-{number}:8001" for number in range(1, 9)]


def test_a_backup_has_room_for_the_largest_upload_that_can_be_allowed() -> None:
    """pg_dump takes four times a value, which is written as hexadecimal digits, and 20 MB for itself."""
    limit = re.fullmatch(r"(\d+)g", SERVICES["migrate"]["deploy"]["resources"]["limits"]["memory"])
    assert limit is not None
    (largest,) = [rule.le for rule in Settings.model_fields["upload_file_max_bytes"].metadata if hasattr(rule, "le")]
    assert int(limit[1]) * 1024**3 > 4 * largest + 20 * 1024**2


def test_replicas_are_a_setting_that_a_repeated_start_keeps() -> None:
    def replicas(service: Tree, **variables: str) -> str:
        return fill(str(service["deploy"]["replicas"]), variables)

    assert replicas(PUBLIC["agent-api"]) == replicas(SERVICES["rag-pipeline"]) == "1"
    assert replicas(PUBLIC["agent-api"], AGENT_API_REPLICAS="3") == "3"
    assert replicas(PUBLIC["rag-pipeline"], RAG_PIPELINE_REPLICAS="0") == "0"
    assert "replicas" not in SERVICES["agent-api"]["deploy"], "one replica holds the port"
    upstreams = environment_of(PUBLIC["caddy"], DOT_ENV)["AGENT_API_UPSTREAMS"].split()
    assert len(upstreams) == PLACES


def test_links_in_mails_lead_to_the_site_and_attempts_are_counted() -> None:
    settings = {**DOT_ENV, "SUPABASE_URL": "https://chat.example.com"}
    auth = environment_of(PUBLIC["auth"], settings)
    # As the auth service makes them: the path replaces that of its own address.
    paths = [path for name, path in auth.items() if "URLPATHS" in name]
    assert {urljoin(auth["API_EXTERNAL_URL"], path) for path in paths} == {"https://chat.example.com/auth/v1/verify"}
    assert {name.rsplit("URLPATHS_")[1] for name in auth if "URLPATHS" in name} == {
        *("CONFIRMATION", "RECOVERY", "EMAIL_CHANGE", "INVITE")
    }
    assert auth["GOTRUE_SITE_URL"] == "https://chat.example.com"
    assert auth["GOTRUE_URI_ALLOW_LIST"] == "https://chat.example.com/auth/callback"
    assert environment_of(SERVICES["auth"], {})["GOTRUE_SITE_URL"] == "http://localhost:8082"
    assert auth["GOTRUE_RATE_LIMIT_HEADER"] == "X-Forwarded-For"


def test_no_service_gets_a_secret_that_it_does_not_read() -> None:
    readers = {"agent-api": API, "rag-pipeline": WORKER, "migrate": Reader.MIGRATE}
    for name, service in PUBLIC.items():
        if service.get("profiles"):
            continue
        read = {setting.name for setting in settings_of(readers[name])} if name in readers else set[str]()
        text = "\n".join(_strings(service))
        handed_on = {each for each in re.findall(r"\$\{(\w+)", text) if each in SETTINGS and SETTINGS[each].is_secret}
        assert handed_on <= read, name
        assert "env_file" not in service, name
        assert "args" not in service.get("build", {}), f"{name}: arguments stand in the image's history"


def test_without_caddy_the_ports_are_known_and_stay_on_this_machine() -> None:
    for name, port in {"agent-api": 8001, "frontend": 8082}.items():
        assert [fill(entry, {}) for entry in SERVICES[name]["ports"]] == [f"127.0.0.1:{port}:{port}"]
        assert [fill(entry, {"PUBLISH_ADDRESS": "0.0.0.0"}) for entry in SERVICES[name]["ports"]] == [  # noqa: S104 - what an operator may choose
            f"0.0.0.0:{port}:{port}"
        ]


@pytest.mark.parametrize("services", [SERVICES, PUBLIC], ids=["base", "with caddy"])
def test_the_api_starts_with_what_the_file_hands_it(services: dict[str, Tree], monkeypatch: pytest.MonkeyPatch) -> None:
    environment = environment_of(services["agent-api"], DOT_ENV)
    names = {name.upper() for name in Settings.model_fields}
    assert environment.keys() - NOT_SETTINGS <= names
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    assert required <= environment.keys()
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(_env_file=None)
    assert settings.supabase_url == DOT_ENV["SUPABASE_URL"]
    if services is PUBLIC:
        assert settings.environment == "production"
        assert settings.frontend_url == "https://chat.example.com"
    # A stop outlasts the longest answer, at each of the layers that could end it.
    layers = [
        settings.model_deadline_seconds,
        settings.shutdown_grace_seconds,
        float(environment["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"]),
        float(fill(services["agent-api"]["stop_grace_period"], {}).removesuffix("s")),
    ]
    assert layers == sorted(set(layers))


def test_every_setting_of_dot_env_reaches_somebody() -> None:
    handed_on = {
        name for service in PUBLIC.values() for text in _strings(service) for name in re.findall(r"\$\{(\w+)", text)
    }
    example = (REPOSITORY / ".env.example").read_text()
    named = set(re.findall(r"(?m)^#?([A-Z][A-Z0-9_]+)=", example))
    elsewhere = {name for name in named if name.startswith("EMBEDDED_")}
    # Accepted from older files, or not used by any service yet.
    kept = {name for name, setting in SETTINGS.items() if setting.is_kept}
    assert named - handed_on - elsewhere - kept == set()
    assert kept & handed_on == set()


def _strings(tree: object) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():  # pyright: ignore[reportUnknownVariableType] - whatever YAML holds
            yield from _strings(value)  # pyright: ignore[reportUnknownArgumentType] - whatever YAML holds
    elif isinstance(tree, list):
        for value in tree:  # pyright: ignore[reportUnknownVariableType] - whatever YAML holds
            yield from _strings(value)  # pyright: ignore[reportUnknownArgumentType] - whatever YAML holds


def test_caddys_limits_are_those_of_the_api() -> None:
    fields = Settings.model_fields
    environment = environment_of(PUBLIC["caddy"], DOT_ENV)
    assert int(environment["REQUEST_BODY_MAX_BYTES"]) == fields["request_body_max_bytes"].default
    assert int(environment["WEBHOOK_BODY_MAX_BYTES"]) == fields["webhook_body_max_bytes"].default
    config = (REPOSITORY / "Caddyfile").read_text()
    assert set(re.findall(r"BODY_MAX_BYTES:(\d+)}", config)) == {
        environment[f"{what}_BODY_MAX_BYTES"] for what in ("REQUEST", "WEBHOOK", "UPLOAD")
    }
    waits = environment["AGENT_API_RESPONSE_SECONDS"]
    assert int(waits) > fields["model_deadline_seconds"].default
    assert f"response_header_timeout {{$AGENT_API_RESPONSE_SECONDS:{waits}}}s\n" in config
    assert f"response_header_timeout {waits}s\n" in (REPOSITORY / "caddy-addon.conf").read_text()


def test_caddy_gets_what_its_configuration_reads() -> None:
    config = (REPOSITORY / "Caddyfile").read_text()
    read_there = dict(re.findall(r"{\$(\w+)(:?)", config))
    passed = PUBLIC["caddy"]["environment"].keys() - {"XDG_DATA_HOME"}
    assert passed <= read_there.keys()
    assert {name for name, default in read_there.items() if not default} <= passed


def test_caddy_may_write_its_certificates() -> None:
    # A new volume takes over what the image has there, folders below it and their owners too.
    (target,) = {volume.split(":")[1] for volume in PUBLIC["caddy"]["volumes"] if volume.startswith("caddy-data:")}
    assert PUBLIC["caddy"]["environment"]["XDG_DATA_HOME"] == target
    steps = parse(REPOSITORY / "deploy" / "caddy" / "Dockerfile")[-1].steps
    (user,) = (arguments for instruction, arguments in steps if instruction == "USER")
    assert any(instruction == "RUN" and f"chown -R {user} {target}" in arguments for instruction, arguments in steps)


def test_the_site_gets_what_its_image_hands_out() -> None:
    template = (REPOSITORY / "frontend" / "config.js.template").read_text()
    assert set(re.findall(r'env "(\w+)"', template)) == SERVICES["frontend"]["environment"].keys()
    environment = environment_of(PUBLIC["frontend"], DOT_ENV)
    assert environment["VITE_AGENT_ENDPOINT"] == "https://agent.example.com/api/pydantic-agent"


@pytest.mark.parametrize("name", ["AGENT_API_HOSTNAME", "FRONTEND_HOSTNAME", "LETSENCRYPT_EMAIL"])
def test_a_public_site_without_its_names_is_refused(name: str) -> None:
    with pytest.raises(Missing, match=name):
        environment_of(PUBLIC["caddy"], {**DOT_ENV, name: ""})


def test_a_release_reaches_what_runs_already() -> None:
    """`up` replaces a container for another image or other settings, never for the bytes of a file it has mounted."""
    for name, service in LONG_RUNNING.items():
        for volume in service.get("volumes", []):
            source, target, *_ = fill(volume, {}).split(":")
            # Read once, when the volume is empty.
            first_start_only = target.startswith("/docker-entrypoint-initdb.d/")
            assert first_start_only or not (REPOSITORY / source).is_file(), f"{name} has {source} mounted"


def test_what_is_mounted_is_there() -> None:
    named: set[str] = set(merged(BASE, CADDY)["volumes"])
    for service in PUBLIC.values():
        for volume in service.get("volumes", []):
            source, _target, *mode = fill(volume, {}).split(":")
            if source in named:
                continue
            # Docker makes what is missing; deploy.py makes this one first.
            assert source == "./google-credentials" or (REPOSITORY / source).exists(), volume
            assert mode == ["ro"], volume


def test_the_migration_is_the_script_of_the_repository() -> None:
    migrate = SERVICES["migrate"]
    assert migrate["volumes"] == ["./sql:/sql:ro"]
    (command,) = migrate["command"]
    script = fill(command, {}).replace("/sql/migrate.sh", "-c 'echo migrating'")

    def run(url: str) -> str:
        environment = {"PATH": "/usr/bin:/bin", "DATABASE_URL": url}
        return subprocess.check_output([*migrate["entrypoint"], script], env=environment, text=True)

    assert run("") == "migrate: DATABASE_URL is not set\n"
    assert run("postgresql://somewhere") == "migrating\n"


def test_the_worker_starts_with_what_the_file_hands_it(tmp_path: Path) -> None:
    environment = environment_of(PUBLIC["rag-pipeline"], DOT_ENV)
    # In a process of its own: the worker's settings belong to another service.
    program = (
        "import json, os; from rag_pipeline.settings import Settings, load_settings; load_settings();"
        " print(json.dumps([name.upper() for name in Settings.model_fields]))"
    )
    printed = subprocess.check_output(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(REPOSITORY / "backend_rag_pipeline"), **environment},
        cwd=tmp_path,
        text=True,
    )
    assert environment.keys() - {"RAG_PIPELINE_ENV_FILE"} <= set(json.loads(printed))


def test_embedded_settings_are_read_the_same_way(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("env") / ".env"
    file.write_text("LLM_CHOICE=a-model\n")
    assert environment_of(SERVICES["agent-api"], read_env_file(file))["LLM_CHOICE"] == "a-model"
