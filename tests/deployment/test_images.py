"""The Dockerfiles: linted, and their steps done in clean folders, so that the lock files are seen to suffice."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local_stack.paths import REPOSITORY
from tests.deployment.images import UV, Replay, context_files, parse

DOCKERFILES = sorted(REPOSITORY.glob("*/Dockerfile"))
# Of Debian's releases: which prebuilt files can run there.
GLIBC = {"bookworm": "2_36", "trixie": "2_41"}
HADOLINT = Path(sys.executable).with_name("hadolint")


def test_the_services_have_images() -> None:
    assert {path.parent.name for path in DOCKERFILES} == {"backend_agent_api", "backend_rag_pipeline", "frontend"}


@pytest.mark.parametrize(
    "dockerfile", [*DOCKERFILES, *REPOSITORY.glob("deploy/*/Dockerfile")], ids=lambda path: path.parent.name
)
def test_a_dockerfile_passes_its_linter(dockerfile: Path) -> None:
    linted = subprocess.run([HADOLINT, dockerfile], capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_holds_no_secret_and_nothing_of_this_machine(dockerfile: Path) -> None:
    sent = {str(path) for path in context_files(dockerfile.parent)}
    assert sent
    for name in sent:
        assert not Path(name).name.startswith(".env"), name
        assert not {"node_modules", "dist", "__pycache__", "tests"} & set(Path(name).parts), name


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_is_made_in_stages_and_runs_as_nobody(dockerfile: Path) -> None:
    *_, last = stages = parse(dockerfile)
    assert len(stages) >= 2
    users = [arguments for instruction, arguments in last.steps if instruction == "USER"]
    assert users == ["10001"]
    assert [arguments for instruction, arguments in last.steps if instruction == "HEALTHCHECK"]


def test_the_image_of_the_proxy_holds_its_configuration_and_nothing_else_of_ours() -> None:
    dockerfile = REPOSITORY / "deploy" / "caddy" / "Dockerfile"
    (stage,) = parse(dockerfile)
    assert stage.base == parse(REPOSITORY / "frontend" / "Dockerfile")[-1].base, "one Caddy to keep up to date"
    assert [step for step in stage.steps if step[0] == "COPY"] == [("COPY", "Caddyfile /etc/caddy/Caddyfile")]
    (start,) = (arguments for instruction, arguments in stage.steps if instruction == "CMD")
    assert "/etc/caddy/Caddyfile" in json.loads(start)
    # The context is the whole repository, with its .env.
    sent = context_files(REPOSITORY, dockerfile.with_name("Dockerfile.dockerignore"))
    assert [str(path) for path in sent] == ["Caddyfile"]


def test_the_image_of_the_upgrade_drops_what_would_fail_its_scan_for_good() -> None:
    (stage,) = parse(REPOSITORY / "deploy" / "migrate" / "Dockerfile")
    assert stage.name.startswith("postgres:")
    steps = [step for step in stage.steps if step[0] in ("RUN", "USER")]
    # While it may still be removed.
    assert steps == [("RUN", "rm -f /usr/local/bin/gosu"), ("USER", "10001")]
    assert "gosu" not in (REPOSITORY / "sql" / "migrate.sh").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("folder", "module"), [("backend_agent_api", "agent_api.main"), ("backend_rag_pipeline", "rag_pipeline.main")]
)
def test_a_services_lock_file_is_all_it_needs(folder: str, module: str, tmp_path: Path) -> None:
    context = REPOSITORY / folder
    build, final = parse(context / "Dockerfile")
    replay = Replay(context, tmp_path)
    replay.run(build)
    for instruction, arguments in final.steps:
        match instruction:
            case "WORKDIR":
                replay.directory = tmp_path / arguments.lstrip("/")
            case "COPY" if not arguments.startswith("--from"):
                replay.copy(*arguments.split())
            case _:
                pass
    python = tmp_path / "opt" / "venv" / "bin" / "python"
    printed = subprocess.check_output(
        [python, "-c", f"import {module} as module; print(module.__file__)"],
        cwd=tmp_path / "app",
        env={"PATH": "/usr/bin:/bin"},
        text=True,
    )
    assert Path(printed.strip()).is_relative_to(tmp_path), "the copied service, not the repository's"


@pytest.mark.parametrize("processor", ["x86_64", "aarch64"])
@pytest.mark.parametrize("folder", ["backend_agent_api", "backend_rag_pipeline"])
def test_a_lock_file_holds_what_the_images_python_needs(folder: str, processor: str, tmp_path: Path) -> None:
    context = REPOSITORY / folder
    build, final = parse(context / "Dockerfile")
    assert build.base == final.base, "an environment runs under the Python that made it"
    image = re.fullmatch(r"python:(\d\.\d+)-slim-(\w+)", final.base)
    assert image is not None, final.base
    python, debian = image.groups()
    # Other files than this machine's Python takes: each is fetched, and held against its locked hash.
    installed = install_for(python, f"{processor}-manylinux_{GLIBC[debian]}", context / "requirements.txt", tmp_path)
    assert installed.returncode == 0, installed.stderr
    compiled = {path.name for path in tmp_path.glob("**/*.so") if ".cpython-3" in path.name}
    assert compiled
    assert all(f".cpython-{python.replace('.', '')}-{processor}-" in name for name in compiled)
    shutil.rmtree(tmp_path)


def test_a_file_whose_hash_is_not_locked_is_not_installed(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    locked = (REPOSITORY / "backend_agent_api" / "requirements.txt").read_text(encoding="utf-8")
    (version,) = re.findall(r"(?m)^asyncpg==\S+", locked)
    requirements.write_text(f"{version} --hash=sha256:{'0' * 64}\n")
    installed = install_for("3.12", "x86_64-manylinux_2_36", requirements, tmp_path / "installed")
    assert installed.returncode != 0
    assert "Hash mismatch" in installed.stderr


def install_for(python: str, platform: str, requirements: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """With the options of the Dockerfiles, for another Python and another processor than this one's."""
    locked = ("--require-hashes", "--only-binary", ":all:", "--requirement", requirements)
    elsewhere = ("--target", target, "--python-version", python, "--python-platform", platform)
    return subprocess.run(
        [UV, "pip", "install", "--python", sys.executable, *locked, *elsewhere],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_sites_lock_file_is_all_it_needs(tmp_path: Path) -> None:
    context = REPOSITORY / "frontend"
    build, final = parse(context / "Dockerfile")
    replay = Replay(context, tmp_path)
    replay.run(build)
    built = tmp_path / "site" / "dist"
    assert (built / "index.html").exists()
    assert (built / "config.js").exists()
    assert "connect-src 'self' https: http:" in (built / "index.html").read_text().replace("&#39;", "'")
    for _, arguments in (step for step in final.steps if step[0] == "COPY" and "--from" not in step[1]):
        replay.copy(*arguments.split())
    assert (tmp_path / "etc" / "caddy" / "site" / "config.js").exists()
