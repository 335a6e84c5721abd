"""The pages: their links lead somewhere, and what their commands name exists."""

import ast
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from deployer.settings import SETTINGS, settings_of
from deployer.settings.model import Reader
from local_stack.paths import REPOSITORY
from rag_pipeline.settings import load_settings
from tests.deployment.compose import BASE, CADDY, environment_of, merged

PAGES = sorted(
    REPOSITORY / name
    for name in subprocess.check_output(["git", "ls-files", "*.md"], cwd=REPOSITORY, text=True).split()
)
OPERATIONS = REPOSITORY / "docs" / "operations.md"
# Those whose commands people follow on their servers.
FOLLOWED = [
    REPOSITORY / name
    for name in (
        *("README.md", "deploy/gcp/README.md", "docs/compose.md", "docs/deployment.md", "docs/google-drive.md"),
        *("docs/operations.md", "docs/stripe-setup.md"),
    )
]
FENCE = re.compile(r"(?ms)^ *```(\w*)\n(.*?)^ *```$")
LINK = re.compile(r"(?<!!)\[[^\]\n]+(?:\n[^\]\n]+)?\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
# Not the product's: what other programs read, and what a page makes up on the spot.
OTHER_VARIABLES = {
    *("API_URL", "PROJECT", "REGION", "RELEASE", "IMAGES", "VALUE", "OLLAMA_HOST"),
    *("AUTH_DATABASE_URL", "ON_ERROR_STOP", "BACKUP_PASSPHRASE", "BACKUP_DIRECTORY"),
}
page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
followed = pytest.mark.parametrize("path", FOLLOWED, ids=lambda path: str(path.relative_to(REPOSITORY)))


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """As GitHub makes them out of headings."""
    seen: dict[str, int] = {}
    found: set[str] = set()
    for heading in re.findall(r"(?m)^#{1,6} +(.+?) *#*$", FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found


@page
def test_a_page_links_only_to_what_exists(path: Path) -> None:
    broken: list[str] = []
    for match in LINK.finditer(without_code(path.read_text(encoding="utf-8"))):
        target = match[1] or match[2]
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / unquote(name)).resolve() if name else path
        if not file.exists() or (
            anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8"))
        ):
            broken.append(target)
    assert broken == []


def commands(path: Path) -> str:
    """What stands in its blocks of commands and settings, and between backticks."""
    text = path.read_text(encoding="utf-8")
    blocks = [block for language, block in FENCE.findall(text) if language not in ("sql", "mermaid", "json")]
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))])


@followed
def test_the_files_that_a_page_names_exist(path: Path) -> None:
    folders = "sql|scripts|deploy|docs|deployer|frontend|backend_agent_api|backend_rag_pipeline|local_stack|tests|bench"
    named = set(re.findall(rf"(?<![\w./-])((?:\.\./)*(?:{folders})/[\w./-]*\w)", commands(path)))
    missing = {
        name
        for name in named
        # Relative to the repository, or to the page's folder where its commands are typed. dist is built.
        if not any((folder / name).exists() for folder in (REPOSITORY, path.parent)) and "dist" not in name
    }
    assert missing == set()


@followed
def test_the_modules_that_a_page_runs_exist(path: Path) -> None:
    roots = (REPOSITORY, REPOSITORY / "backend_agent_api", REPOSITORY / "backend_rag_pipeline")
    for module in re.findall(r"python3? -m ([\w.]+)", commands(path)):
        file = Path(*module.split("."))
        assert module in sys.stdlib_module_names or any(
            (root / file.with_suffix(".py")).exists() or (root / file / "__main__.py").exists() for root in roots
        )


@pytest.fixture(scope="module")
def options_of_deploy() -> str:
    return subprocess.check_output([sys.executable, REPOSITORY / "deploy.py", "--help"], text=True)


@followed
def test_the_options_of_deploy_exist(path: Path, options_of_deploy: str) -> None:
    for line in re.findall(r"deploy\.py ([^\n#|`;]+)", commands(path)):
        for option in re.findall(r"--[\w-]+", line):
            assert option in options_of_deploy, line
        for kind in re.findall(r"--type (\w+)", line):
            assert re.search(rf"\b{kind}\b", options_of_deploy), line


@followed
def test_the_options_of_migrate_exist(path: Path) -> None:
    script = (REPOSITORY / "sql" / "migrate.sh").read_text(encoding="utf-8")
    for option in re.findall(r"migrate\.sh (--[\w-]+)", commands(path)):
        assert f"migrate.sh {option} " in script, option


@followed
def test_the_services_of_compose_exist(path: Path) -> None:
    services = merged(BASE, CADDY)["services"].keys()
    text = commands(path)
    for line in re.findall(r"(?m)(?:docker compose|(?<![\w-])compose)((?: +[^\n#;&|`)]*)?)", text):
        words = re.sub(
            r" (?:-[vep]|-f(?= \S+\.yml)|--entrypoint|--profile|--scale|--wait-timeout) \S+", "", line
        ).split()
        for verb in ("logs", "restart", "exec", "run", "ps", "up", "stop", "rm"):
            if verb in words:
                named = [word for word in words[words.index(verb) + 1 :] if not word.startswith("-")]
                # After the service that runs it comes what it runs.
                for service in named[:1] if verb in ("exec", "run") else named:
                    assert service in services, line
        for scaled in re.findall(r"--scale ([\w-]+)=", line):
            assert scaled in services, line


@followed
def test_what_a_page_runs_in_a_services_folder_it_also_runs_in_its_container(path: Path) -> None:
    """On a server there are neither its packages nor its environment."""
    text = commands(path)
    for program in re.findall(r"cd backend_\w+ && python (?:docker_entrypoint\.py )?([^\n#]+?) *(?:\n|#)", text):
        assert re.search(rf"compose run --rm --no-deps [\w-]+ (?:python )?{re.escape(program)}", text), program


@followed
def test_the_settings_that_a_page_names_exist(path: Path) -> None:
    named = set(re.findall(r"(?m)(?<![\w$-])([A-Z][A-Z0-9]+_[A-Z0-9_]+)(?=[=:` ]|$)", commands(path)))
    # The auth service is not ours, and has variables of its own.
    of_auth = merged(BASE, CADDY)["services"]["auth"]["environment"].keys()
    assert named <= SETTINGS.keys() | OTHER_VARIABLES | of_auth


@followed
def test_the_routes_that_a_page_names_exist(path: Path) -> None:
    routes = json.loads((REPOSITORY / "frontend" / "openapi.json").read_text())["paths"]
    known = {re.sub(r"\{[^}]+\}", "{}", route) for route in routes}
    for route in re.findall(r"(?:GET|POST|PATCH|DELETE) (?:https://agent[\w.]+)?(/[\w/{}-]+)", commands(path)):
        assert re.sub(r"\{[^}]+\}", "{}", route) in known, route


def test_what_the_page_says_to_fill_in_is_all_that_is_asked_for(tmp_path: Path) -> None:
    """`deploy.py --dry-run` with the settings of the page, examples replaced, has nothing to say about them."""
    blocks = [block for _, block in FENCE.findall((REPOSITORY / "docs" / "deployment.md").read_text(encoding="utf-8"))]
    (listed,) = [textwrap.dedent(block) for block in blocks if "FRONTEND_HOSTNAME=" in block]
    filled = listed.replace("postgresql://...", "postgresql://postgres:secret@db.example.org:5432/postgres")
    filled = (
        filled.replace("yourdomain.com", "site.test").replace("your-project.", "abc.").replace("...", "k3y-0f-m1ne")
    )
    (tmp_path / "env").write_text(filled)
    (tmp_path / "half").write_text(filled.replace("LLM_API_KEY=", "#LLM_API_KEY="))
    said = {
        name: subprocess.run(
            [sys.executable, REPOSITORY / "deploy.py", "--type", "cloud", "--dry-run"],
            env={"PATH": os.environ["PATH"], "EMBEDDED_ENV_FILE": str(tmp_path / name)},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for name in ("env", "half")
    }
    # Payment is a later step of the page.
    faults = {name: re.findall(r"(?m)^\w+ +\.env +(?!.*nothing is sold)(.*)$", text) for name, text in said.items()}
    assert faults["env"] == []
    assert ["LLM_API_KEY" in line for line in faults["half"]] == [True]
    assert "docker-compose.caddy.yml up -d --build" in said["env"]


def test_a_nights_work_is_done_in_the_folder_that_was_cloned_to() -> None:
    deployment = (REPOSITORY / "docs" / "deployment.md").read_text("utf-8")
    cloned = set(re.findall(r"git clone <[^>]+> (\S+) && cd \1$", deployment, re.MULTILINE))
    assert cloned == set(re.findall(r"\* cd (\S+) && ", OPERATIONS.read_text("utf-8")))


@followed
def test_what_only_root_may_do_is_done_with_sudo(path: Path) -> None:
    """Cloud images let nobody sign in as root."""
    blocks = "\n".join(block for _, block in FENCE.findall(path.read_text("utf-8")))
    assert re.findall(r"(?m)(?:^ *|[&|] )(?:apt-get|chown|systemctl|tee /etc|ufw|usermod).*", blocks) == []


def test_the_new_embedding_model_is_the_workers_alone(tmp_path: Path) -> None:
    (written,) = re.findall(r"(?ms)<<'END'\n(.*?)^ *END$", OPERATIONS.read_text(encoding="utf-8"))
    (tmp_path / "worker.yml").write_text(textwrap.dedent(written))
    before, after = merged(BASE, CADDY)["services"], merged(BASE, CADDY, tmp_path / "worker.yml")["services"]
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"rag-pipeline"}
    given = environment_of(
        after["rag-pipeline"], {"EMBEDDING_MODEL_CHOICE": "text-embedding-3-small", "LLM_API_KEY": "k"}
    )
    assert given["EMBEDDING_MODEL_CHOICE"] == "nomic-embed-text"
    wanted: dict[str, Any] = {name.lower(): given[name] for name in given if name.startswith(("EMBEDDING", "LLM"))}
    settings = load_settings(
        **{name: value for name, value in wanted.items() if value}, database_url="postgresql://h/d"
    )
    assert (settings.embedding_provider, settings.embedding_base_url) == ("ollama", given["EMBEDDING_BASE_URL"])


def test_a_rehearsal_is_given_no_address_of_yours() -> None:
    (rehearsal,) = [block for _, block in FENCE.findall(OPERATIONS.read_text("utf-8")) if "-p rehearsal" in block]
    addresses = {setting.name for setting in settings_of(Reader.MIGRATE) if setting.is_secret}
    assert addresses == {"DATABASE_URL", "DATABASE_SESSION_URL"}
    assert addresses <= set(re.findall(r"\b([A-Z_]+)=", rehearsal))


def log_lines() -> Iterator[str]:
    """The names of all events that the two services log."""
    for folder in ("backend_agent_api/agent_api", "backend_rag_pipeline/rag_pipeline"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_the_lines_that_are_explained_are_logged() -> None:
    text = OPERATIONS.read_text(encoding="utf-8")
    table = text[text.index("| line | what it means |") : text.index("## Backup")]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    explained = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert len(explained) > 10
    assert explained <= set(log_lines())
