"""Render, Google Cloud and the smoke test: each names only what exists, and hands each service what it needs."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_api.settings import load_settings as load_api_settings
from deployer.settings import SETTINGS, settings_of
from deployer.settings.model import API, SITE, WORKER, Reader
from local_stack.env_files import read_env_file
from local_stack.paths import REPOSITORY
from rag_pipeline.settings import load_settings as load_worker_settings
from tests.deployment.blueprint import check_image, read_yaml
from tests.deployment.compose import BASE, CADDY, environment_of, merged
from tests.deployment.images import parse
from tests.deployment.terraform import Module, plain, read_module

Tree = dict[str, Any]
GOOGLE = REPOSITORY / "deploy" / "gcp"
READERS: dict[str, tuple[Reader, ...]] = {
    "agent-api": (API, Reader.SERVER),
    "rag-pipeline": (WORKER,),
    "migrate": (Reader.MIGRATE,),
    "frontend": (SITE,),
}
# Not ours: where Render looks for a service, and with what it builds.
PLATFORM = {"agent-api": {"PORT"}, "frontend": {"NODE_VERSION"}}
# With the provider that the Blueprint names.
ALWAYS_FILLED_IN = ("always", "unless LLM_PROVIDER=ollama")
EXAMPLES = {
    "DATABASE_URL": "postgresql://user:secret@db.example.com:5432/postgres",
    "SUPABASE_URL": "https://project.example.com",
    "FRONTEND_URL": "https://chat.example.com",
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
    "RAG_WATCH_FOLDER_ID": "folder",
    "GOOGLE_DRIVE_CREDENTIALS_JSON": "{}",
}


BLUEPRINT: dict[str, Tree] = {each["name"]: each for each in read_yaml(REPOSITORY / "render.yaml")["services"]}
SERVICE = pytest.mark.parametrize("name", BLUEPRINT)


def variables_of(name: str) -> dict[str, Tree]:
    return {each["key"]: each for each in BLUEPRINT[name]["envVars"]}


def names(readers: tuple[Reader, ...]) -> set[str]:
    return {setting.name for reader in readers for setting in settings_of(reader)}


def required(readers: tuple[Reader, ...]) -> set[str]:
    # One key for both, where one provider serves both.
    return {setting.name for setting in SETTINGS.values() if set(readers) & set(setting.required_by)} - {
        "EMBEDDING_API_KEY"
    }


# --- Render


def test_render_runs_each_service() -> None:
    kinds = {name: (each["type"], each["runtime"]) for name, each in BLUEPRINT.items()}
    assert kinds == {
        "agent-api": ("web", "docker"),
        "migrate": ("cron", "docker"),
        "rag-pipeline": ("cron", "docker"),
        "frontend": ("web", "static"),
    }
    assert len({each["region"] for each in BLUEPRINT.values() if "region" in each}) == 1


@SERVICE
def test_a_service_on_render_is_given_what_it_reads(name: str) -> None:
    given = set(variables_of(name)) - PLATFORM.get(name, set())
    assert given <= names(READERS[name])
    assert required(READERS[name]) <= given


@SERVICE
def test_render_holds_no_secret(name: str) -> None:
    for key, variable in variables_of(name).items():
        sources = [source for source in ("value", "sync", "fromService") if source in variable]
        assert len(sources) == 1, key
        assert variable.get("sync", "false") == "false"
        if key in SETTINGS and SETTINGS[key].is_secret:
            assert "value" not in variable, key
        if source := variable.get("fromService"):
            assert source["type"] == BLUEPRINT[source["name"]]["type"]
            assert source["envVarKey"] == key
            origin = variables_of(source["name"])[key]
            assert "value" in origin or SETTINGS[key].required in ALWAYS_FILLED_IN, f"{key} may be left empty there"


def filled(name: str) -> dict[str, Any]:
    """What the service would get, with examples for what is asked for."""
    values: dict[str, Any] = {}
    for key, variable in variables_of(name).items():
        origin = variables_of(variable["fromService"]["name"])[key] if "fromService" in variable else variable
        value = origin.get("value", EXAMPLES.get(key, "example"))
        if key not in PLATFORM.get(name, set()) and key != "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN" and value:
            values[key.lower()] = value
    return values


def test_the_services_start_with_what_render_gives_them() -> None:
    api = load_api_settings(_env_file=None, **filled("agent-api"))
    worker = load_worker_settings(**filled("rag-pipeline"))
    assert (api.environment, worker.environment) == ("production", "production")
    assert (worker.run_mode, worker.rag_pipeline_type) == ("single", "google_drive")
    assert api.upload_storage == worker.upload_storage
    assert api.embedding_model_choice == worker.embedding_model_choice


def test_an_answer_may_end_before_render_stops_its_process() -> None:
    variables = {key: variable.get("value") for key, variable in variables_of("agent-api").items()}
    keys = ("MODEL_DEADLINE_SECONDS", "SHUTDOWN_GRACE_SECONDS", "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN")
    limits = [*(int(variables[key] or 0) for key in keys), int(BLUEPRINT["agent-api"]["maxShutdownDelaySeconds"])]
    assert limits == sorted(set(limits))
    assert limits[-1] <= 300, "Render's longest"


@SERVICE
def test_render_builds_from_what_is_there(name: str) -> None:
    service = BLUEPRINT[name]
    if service["runtime"] == "static":
        scripts = json.loads((REPOSITORY / service["rootDir"] / "package.json").read_text())["scripts"]
        assert set(re.findall(r"npm run (\S+)", service["buildCommand"])) <= scripts.keys()
        assert service["staticPublishPath"] == "./dist"
        assert {"type": "rewrite", "source": "/*", "destination": "/index.html"} in service["routes"]
    else:
        check_image(REPOSITORY / service["dockerfilePath"], REPOSITORY / service["dockerContext"])


def test_the_health_checks_are_routes() -> None:
    paths = json.loads((REPOSITORY / "frontend" / "openapi.json").read_text())["paths"]
    assert BLUEPRINT["agent-api"]["healthCheckPath"] in paths
    probes = re.findall(r"(?m)^\"(/health\S*)\"$", MODULE.text_of("google_cloud_run_v2_service.api"))
    assert len(probes) == 2
    assert set(probes) <= paths.keys()


def headers_of_the_image() -> dict[str, str]:
    """What the site's own server says of every file, without the policy: it depends on two addresses."""
    text = (REPOSITORY / "frontend" / "Caddyfile").read_text(encoding="utf-8")
    block = text[text.index("\theader {") : text.index("\theader -Server")]
    lines = re.findall(r'(?m)^\t\t([A-Z][\w-]+) (?:"([^"]*)"|(\S+))$', block)
    return {name: quoted or bare for name, quoted, bare in lines if name != "Content-Security-Policy"}


def test_the_site_is_as_guarded_as_in_its_image() -> None:
    expected = headers_of_the_image() | {
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "Content-Security-Policy": "frame-ancestors 'none'",
    }
    assert len(expected) >= 7
    on_render = {each["name"]: each["value"] for each in BLUEPRINT["frontend"]["headers"] if each["path"] == "/*"}
    assert on_render == expected
    lines = MODULE.resources["google_compute_backend_bucket.site"]["custom_response_headers"]
    assert dict(plain(line).split(": ", 1) for line in lines) == expected


# --- Google Cloud

MODULE: Module = read_module(GOOGLE)


def test_what_terraform_refers_to_is_declared() -> None:
    assert MODULE.references("var") == MODULE.variables.keys()
    assert MODULE.references("local") == MODULE.locals.keys()
    assert MODULE.resource_references() <= MODULE.resources.keys()
    for name, body in MODULE.variables.items():
        assert body["description"], name


def test_in_a_new_project_everything_waits_for_its_api() -> None:
    switched_on = "google_project_service.needed"
    made = MODULE.resources.keys() - {switched_on}
    assert len(made) > 25
    assert {address for address in made if not MODULE.waits_for(address, switched_on)} == set()
    apis = set(re.findall(r"[\w-]+(?=\.googleapis\.com)", MODULE.text_of(switched_on)))
    used = {"service_account": "iam", "cloud_run": "run", "compute": "compute", "sql": "sqladmin"}
    assert {kind for kind in used if any(address.startswith(f"google_{kind}") for address in made)} == used.keys()
    assert set(used.values()) <= apis


def test_the_orders_in_the_readme_of_google_name_what_is_there() -> None:
    text = (GOOGLE / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"-target=(\S+)", text)
    assert len(targets) >= 4
    assert set(targets) <= MODULE.resources.keys()
    # Terraform asks after the project before it can switch on an API.
    assert text.index("services enable cloudresourcemanager.googleapis.com") < text.index("terraform init")
    alone = text[text.index("## Cloud SQL") :]
    order = (
        "create_database = true",
        "-target=google_sql_database_instance.main",
        "-f bootstrap.sql",
        "secrets create AUTH_DATABASE_URL",
        "gcloud run deploy auth",
        "`migrate` finds",
    )
    assert [alone.index(step) for step in order] == sorted(alone.index(step) for step in order)
    assert f"--image=docker.io/{merged(BASE)['services']['auth']['image']} " in alone


@pytest.mark.parametrize(
    ("address", "name"),
    [("google_cloud_run_v2_service.api", "agent-api"), ("google_cloud_run_v2_job.ingestion", "rag-pipeline")],
)
def test_a_service_on_google_is_given_what_it_reads(address: str, name: str) -> None:
    own = set(re.findall(r"\b([A-Z][A-Z0-9_]+) = ", MODULE.text_of(address)))
    shared = set(re.findall(r"\b([A-Z][A-Z0-9_]+) = ", MODULE.locals["shared_settings"]))
    secret = {plain(value) for value in MODULE.variables["secrets"]["default"]}
    assert own
    assert own <= names(READERS[name])
    assert shared <= names(READERS["agent-api"]) | names(READERS["rag-pipeline"])
    assert required(READERS[name]) <= own | shared | secret
    assert not {key for key in own | shared if SETTINGS[key].is_secret}
    assert {key for key in secret if SETTINGS[key].is_secret} == secret


def test_google_migrates_with_the_database_alone() -> None:
    text = MODULE.text_of("google_cloud_run_v2_job.migrate")
    assert set(re.findall(r"(?m)^\"([A-Z_]+)\"$", text)) & SETTINGS.keys() == {"DATABASE_URL"}


# --- Shell scripts, and the image that compose has no need of


def test_the_image_of_the_upgrade_passes_its_linter() -> None:
    dockerfile = REPOSITORY / "deploy" / "migrate" / "Dockerfile"
    hadolint = Path(sys.executable).with_name("hadolint")
    linted = subprocess.run([hadolint, dockerfile], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert ("USER", "10001") in parse(dockerfile)[-1].steps


def test_shell_scripts_pass_their_linter() -> None:
    listed = subprocess.check_output(["git", "ls-files", "*.sh", ".ci/run"], cwd=REPOSITORY, text=True).split()
    shellcheck = Path(sys.executable).with_name("shellcheck")
    follow = ("--external-sources", "--source-path=SCRIPTDIR")
    linted = subprocess.run([shellcheck, *follow, *listed], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


def smoke_variables(folder: Path) -> dict[str, str]:
    """What the script writes, without what it makes up."""
    script = (REPOSITORY / "deploy" / "compose" / "smoke.sh").read_text(encoding="utf-8")
    written = script[script.index("<<ENV\n") + len("<<ENV\n") : script.index("\nENV\n")]
    (folder / "env").write_text(re.sub(r"\$\(random\)|\$password", "0123456789abcdef0123456789abcdef", written))
    return read_env_file(folder / "env")


def test_the_smoke_test_sets_what_is_asked_for_and_nothing_unknown(tmp_path: Path) -> None:
    given = smoke_variables(tmp_path)
    asked = ("always", "with Caddy (--type cloud)", "with COMPOSE_PROFILES=database")
    assert (
        {setting.name for setting in SETTINGS.values() if setting.required in asked} <= given.keys() <= SETTINGS.keys()
    )


@pytest.mark.parametrize("files", [(BASE,), (BASE, CADDY)], ids=["inside", "public"])
def test_the_services_start_with_what_the_smoke_test_gives_them(files: tuple[Path, ...], tmp_path: Path) -> None:
    given = smoke_variables(tmp_path)
    services = merged(*files)["services"]
    for name, load in (("agent-api", load_api_settings), ("rag-pipeline", load_worker_settings)):
        environment = environment_of(services[name], given)
        known: dict[str, Any] = {
            key.lower(): value for key, value in environment.items() if value and key in names(READERS[name])
        }
        known.pop("uvicorn_timeout_graceful_shutdown", None)
        settings = load(**known)
        assert settings.database_url.get_secret_value() == given["DATABASE_URL"]
