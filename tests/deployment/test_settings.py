"""The table of settings against the code that reads them, and against everything that is written from it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from agent_api.settings import Settings as ApiSettings
from deployer import generate
from deployer.settings import SETTINGS, settings_of
from deployer.settings.model import API, SITE, WORKER, Reader
from local_stack.configuration import PORT_DEFAULTS
from local_stack.paths import REPOSITORY
from rag_pipeline.settings import Settings as WorkerSettings
from tests.deployment.compose import BASE, CADDY

RENDER = REPOSITORY / "render.yaml"
SERVICES: list[tuple[Reader, dict[str, FieldInfo]]] = [
    (API, ApiSettings.model_fields),
    (WORKER, WorkerSettings.model_fields),
]
PER_SERVICE = pytest.mark.parametrize(("reader", "fields"), SERVICES, ids=["api", "worker"])


@PER_SERVICE
def test_the_table_lists_what_a_service_reads_and_no_more(reader: Reader, fields: dict[str, FieldInfo]) -> None:
    assert {setting.name for setting in settings_of(reader)} == {name.upper() for name in fields}


def _as_written(value: Any) -> str:
    """A default of the code as it would stand in an environment."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.10g}"
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list):
        return ",".join(str(each) for each in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any list
    # Compose takes a bare name for a volume.
    return f"./{value}" if value == Path("rag-documents") else str(value)


@PER_SERVICE
def test_defaults_and_secrets_are_those_of_the_code(reader: Reader, fields: dict[str, FieldInfo]) -> None:
    shown = {setting.name: setting.default_for(reader) for setting in settings_of(reader)}
    meant = {name.upper(): "" if field.is_required() else _as_written(field.default) for name, field in fields.items()}
    assert shown == meant
    secret = {name.upper() for name, field in fields.items() if "SecretStr" in repr(field.annotation)}
    assert {setting.name for setting in settings_of(reader) if setting.is_secret} == secret
    required = {name.upper() for name, field in fields.items() if field.is_required()}
    assert required <= {setting.name for setting in settings_of(reader) if reader in setting.required_by}


def test_what_is_generated_is_up_to_date() -> None:
    stale = [
        str(path)
        for path, text in generate.outputs().items()
        if (REPOSITORY / path).read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run: python3 -m deployer.generate"


def test_compose_and_caddy_use_nothing_that_the_table_lacks() -> None:
    used = set(re.findall(r"\$\{(\w+)", BASE.read_text() + CADDY.read_text())) - {"COMPOSE_PROJECT_NAME"}
    assert used <= SETTINGS.keys()
    for name, setting in SETTINGS.items():
        elsewhere = setting.is_kept or setting.in_container or name == "COMPOSE_PROFILES"
        assert name in used or elsewhere or set(setting.readers) <= {Reader.DEPLOY, Reader.EMBEDDED}, name
    for name, default in re.findall(r"\$\{(\w+):-([^${}\s]+)\}", BASE.read_text()):
        assert default in (SETTINGS[name].in_compose, SETTINGS[name].default) or name == "FRONTEND_URL", name


def test_the_migration_waits_as_long_as_the_table_says() -> None:
    script = (REPOSITORY / "sql" / "migrate.sh").read_text()
    defaults = dict(re.findall(r"(?m)^(MIGRATE_\w+)=\$\{\1:-(\d+)\}", script))
    assert defaults == {s.name: s.default for s in settings_of(Reader.MIGRATE) if s.name.startswith("MIGRATE_")}


def test_the_site_and_the_embedded_stack_read_what_the_table_says() -> None:
    template = (REPOSITORY / "frontend" / "config.js.template").read_text()
    code = (REPOSITORY / "frontend" / "src" / "lib" / "config.ts").read_text()
    schema = code[code.index("const environmentSchema") : code.index("\n})")]
    of_the_site = {setting.name for setting in settings_of(SITE)}
    assert set(re.findall(r"(?m)^  (VITE_\w+):", schema)) == of_the_site
    assert set(re.findall(r'env "(\w+)"', template)) == of_the_site
    ports = {setting: str(number) for _, setting, number in PORT_DEFAULTS.values()}
    assert {s.name: s.default for s in settings_of(Reader.EMBEDDED) if s.name.endswith("_PORT")} == ports


@pytest.mark.parametrize(
    ("file", "written", "drifted"),
    [
        (BASE, "      LLM_CHOICE: ", "      LLM_CHOISE: "),
        (CADDY, "      FRONTEND_URL: ", "      FRONTEND_URI: "),
        (CADDY, "      UPLOAD_BODY_MAX_BYTES: ", "      UPLOAD_BODY_MAX: "),
        (RENDER, "{ key: VITE_SUPABASE_URL, sync: false }", "{ key: VITE_SUPABASE_URL, value: here }"),
        (RENDER, "      - { key: RUN_MODE, ", "      - { key: RUN_MODUS, "),
        (RENDER, "fromService: { type: web, name: agent-api, envVarKey: DATABASE_URL }", "sync: false"),
    ],
)
def test_an_environment_written_by_hand_is_replaced(file: Path, written: str, drifted: str, tmp_path: Path) -> None:
    for each in (BASE, CADDY, RENDER):
        shutil.copyfile(each, tmp_path / each.name)
    text = file.read_text()
    assert written in text
    (tmp_path / file.name).write_text(text.replace(written, drifted))
    assert generate.outputs(tmp_path)[Path(file.name)] == text


def test_the_table_needs_only_the_standard_library() -> None:
    program = "import deployer.generate, deployer.settings; print(len(deployer.settings.SETTINGS))"
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); {program}"]
    assert int(subprocess.check_output(command, text=True)) == len(SETTINGS)
