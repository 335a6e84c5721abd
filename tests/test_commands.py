"""What the pages' commands do to the shell, the crontab and the machine that they are typed on."""

import os
import re
import subprocess
import textwrap
from pathlib import Path

from deployer.settings import SETTINGS
from local_stack.paths import REPOSITORY
from local_stack.postgres.testing import Database
from tests.deployment.compose import BASE, CADDY, merged
from tests.test_documents import FENCE, FOLLOWED, OPERATIONS, commands, followed

DEPLOYMENT = REPOSITORY / "docs" / "deployment.md"
CRON_LINE = re.compile(r"(?m)^ *(?:[\d*/,-]+ ){5}(.+)$")


def blocks(path: Path) -> list[str]:
    return [textwrap.dedent(block) for _, block in FENCE.findall(path.read_text(encoding="utf-8"))]


def left_behind(block: str) -> set[str]:
    """What a shell exports once it has run a block: not the names of a subshell, nor those that are unset again."""
    left: set[str] = set()
    for line in re.sub(r"(?ms)^\($.*?^\)$", "", block).splitlines():
        for assignment in re.findall(r"\bexport +([^#;&]+)", line):
            left |= set(re.findall(r"(?:^| )([A-Za-z_]\w*)(?==| |$)", assignment))
        for names in re.findall(r"\bunset +([^#;&]+)", line):
            left -= set(names.split())
    return left


def test_what_a_block_leaves_behind_is_seen() -> None:
    assert left_behind('export A="$(cat .env)"  # for B\nexport C=1 D=2\nunset C') == {"A", "D"}
    assert left_behind("(\n    export A=1\n    run\n)\nexport B") == {"B"}


@followed
def test_no_setting_stays_in_the_shell(path: Path) -> None:
    """Compose and deploy.py prefer the shell's variables to .env, which people change later on."""
    for block in blocks(path):
        assert left_behind(block) & SETTINGS.keys() == set(), block
        assert not re.search(r"(?m)\bset -a\b|\bset -o allexport\b", block), block
    inline = re.findall(r"`(export [^`]+)`", FENCE.sub("", path.read_text(encoding="utf-8")))
    assert [text for text in inline if left_behind(text) & SETTINGS.keys()] == []


# Takes what Compose reads for itself, and runs the rest where the container would.
DOCKER = """#!/bin/sh
echo "$@" >>"$CALLS"
echo "RAG_PIPELINE_REPLICAS=${RAG_PIPELINE_REPLICAS:-}" >>"$CALLS"
case "$*" in *"--entrypoint sh migrate -c "*) ;; *) exit 0 ;; esac
while [ "$1" != migrate ]; do shift; done
shift
DATABASE_URL=$CONTAINERS_DATABASE_URL exec sh "$@"
"""


def shell(script: str, folder: Path, **variables: str) -> str:
    """Run by a shell in whose path a stand-in for Docker notes its arguments in the file `calls`."""
    (folder / "docker").write_text(DOCKER)
    (folder / "docker").chmod(0o755)
    environment = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "CALLS": str(folder / "calls"), **variables}
    return subprocess.check_output(["sh", "-c", script], cwd=folder, env=environment, text=True)


async def test_statements_are_run_where_compose_reads_the_address(database: Database, tmp_path: Path) -> None:
    (defined,) = re.findall(r"(?m)^db\(\) .+$", OPERATIONS.read_text(encoding="utf-8"))
    said = shell(
        f"{defined}\ndb -At -c \"select current_database() || ' it''s'\"\nexport -p",
        tmp_path,
        CONTAINERS_DATABASE_URL=database.dsn(),
        PATH=os.pathsep.join(
            (str(tmp_path), str(database.cluster.installation.bin_directory), os.environ["PATH"]),
        ),
    )
    assert said.splitlines()[0] == f"{database.name} it's"
    assert not re.search(r"(?m)^export DATABASE_URL", said)
    for path in FOLLOWED:
        assert not re.search(r"psql [^\n`']*\$DATABASE_URL", commands(path).replace(defined, "")), path


def cron_lines() -> list[str]:
    return [line for path in FOLLOWED for block in blocks(path) for line in CRON_LINE.findall(block)]


def test_cron_runs_the_lines_that_are_meant_for_it(tmp_path: Path) -> None:
    assert len(cron_lines()) == 2
    for line in cron_lines():
        # To cron a bare % ends the line; it starts them at home, not in the repository.
        assert not re.search(r"(?<!\\)%", line), line
        assert line.startswith("cd /"), line
        there = re.sub(r"^cd \S+", f'cd "{tmp_path}"', line.replace("\\%", "%"))
        shell(there, tmp_path)
    backup, _, ingestion, replicas = (tmp_path / "calls").read_text().splitlines()
    assert f"-v {tmp_path}/scripts:/scripts:ro -v {tmp_path}/backups:/backups" in backup
    assert re.search(r" migrate /scripts/backup\.sh /backups/\d{4}-\d\d-\d\d-\d{4}\.dump$", backup)
    assert ingestion.endswith(" rag-pipeline --mode single")
    # Some releases of Compose know no service that has none.
    assert replicas == "RAG_PIPELINE_REPLICAS=1"


def test_a_new_password_is_given_to_everybody_who_uses_the_old_one() -> None:
    text = OPERATIONS.read_text(encoding="utf-8")
    paragraph = text[text.index("**The database's password.**") : text.index("## Which database")]
    (written,) = re.findall(r"`\.env`\s+\(([^)]*)\)", paragraph)
    environments = [service.get("environment", {}) for service in merged(BASE, CADDY)["services"].values()]
    used = {
        setting
        for environment in environments
        for name, value in environment.items()
        if re.search(r"DATABASE_(SESSION_)?URL$|^POSTGRES_PASSWORD$", name)
        for setting in re.findall(r"\$\{(\w+)", str(value))
    }
    assert used == {"DATABASE_URL", "DATABASE_SESSION_URL", "POSTGRES_PASSWORD"}
    assert used <= set(re.findall(r"`(\w+)`", written))
    script = (REPOSITORY / "deploy" / "compose" / "database-roles.sh").read_text()
    roles = {*re.findall(r"alter role (\w+) password", script), "supabase_admin"}
    assert roles <= set(re.findall(r"`(\w+)`", paragraph.partition(r"`\password`")[2]))


def test_doctor_finds_pythons_venv_module_on_a_new_machine() -> None:
    text = commands(DEPLOYMENT)
    assert "deploy.py --type doctor" in text
    (installed,) = re.findall(r"apt-get install -y (.+)", text)
    assert {"python3", "python3-venv"} <= set(installed.split())


def test_ollama_hears_containers_on_the_machine_of_the_page() -> None:
    """`ufw enable` shuts out what comes from Docker's networks to the machine itself."""
    assert "ufw --force enable" in commands(DEPLOYMENT)
    (block,) = [block for block in blocks(OPERATIONS) if "systemctl edit ollama" in block]
    lines = block.splitlines()
    edited = next(number for number, line in enumerate(lines) if "systemctl edit ollama" in line)
    assert "sudo systemctl restart ollama" in lines[edited + 1 :]
    assert any("ufw allow from 172.16.0.0/12 to any port 11434 proto tcp" in line for line in lines)
    assert "http://host.docker.internal:11434/v1" in commands(OPERATIONS)
