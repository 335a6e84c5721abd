"""Whether this machine can run it: Docker, files, names, ports and disk."""

from __future__ import annotations

import errno
import re
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from deployer.docker import REPOSITORY, Docker
from deployer.problems import Problem
from deployer.public_names import RECORD
from deployer.target import OWN_SERVICES, Target

COMPOSE_MIN = (2, 30)
"""Until 2.29.2 `up --no-deps` made containers that the next `up` took for changed ones and replaced, all at once
(docker/compose#12069): the gap that scripts/replace-replicas.sh avoids came after it."""
DISK_GIB_MIN = 6
"""The images, and what building them needs."""
GIB = 1024**3
PROBE_SECONDS = 0.5
# What is mounted into containers or copied into images with its rights; none of it holds a secret.
FOR_CONTAINERS = (
    *("Caddyfile", "sql", "scripts", "backend_agent_api/agent_api", "backend_rag_pipeline/docker_entrypoint.py"),
    *("backend_rag_pipeline/rag_pipeline", "frontend/Caddyfile", "frontend/config.js.template", "frontend/public"),
    *("local_stack/postgres/bootstrap.sql", "deploy/compose/database-roles.sh"),
)


def examine_docker(docker: Docker) -> list[Problem]:
    """Installed, answering, and new enough."""
    if not docker.is_installed:
        return [
            Problem(
                "docker", "docker is not installed", "install Docker Engine: https://docs.docker.com/engine/install/"
            )
        ]
    problems: list[Problem] = []
    if docker.ask("version", "--format", "{{.Server.Version}}") is None:
        cure = "start it (systemctl start docker), and let this account use it (usermod -aG docker <account>)"
        problems.append(Problem("docker", "the daemon does not answer", cure))
    found = docker.ask("compose", "version", "--short")
    wanted = ".".join(map(str, COMPOSE_MIN))
    cure = "install the plugin docker-compose-plugin: https://docs.docker.com/compose/install/linux/"
    if found is None:
        problems.append(Problem("compose", f"`docker compose` is missing, {wanted} or later is needed", cure))
    elif _version(found) < COMPOSE_MIN:
        problems.append(Problem("compose", f"Docker Compose is {found}, {wanted} or later is needed", cure))
    return problems


def _version(text: str) -> tuple[int, ...]:
    match = re.search(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0,)


def examine_machine(target: Target, docker: Docker) -> list[Problem]:
    """Services of others, files, names, ports and disk."""
    return [
        *examine_neighbours(target, docker),
        *examine_files(REPOSITORY),
        *_names(target),
        *_ports(target, docker),
        *_disk(docker),
    ]


def examine_files(repository: Path) -> Iterator[Problem]:
    """A clone that was made under umask 077 belongs to one person, and containers run as others."""
    closed = [name for name in FOR_CONTAINERS if not _is_open(repository / name)]
    if closed:
        detail = f"{', '.join(closed)} cannot be read in a container"
        yield Problem("files", detail, f"chmod -R go+rX {' '.join(closed)}")


def _is_open(path: Path) -> bool:
    """Whether every user may read it, with all that is below."""
    inside = sorted(path.iterdir()) if path.is_dir() else []
    needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
    return path.stat().st_mode & needed == needed and all(
        _is_open(each) for each in inside if each.name != "__pycache__"
    )


def examine_neighbours(target: Target, docker: Docker) -> Iterator[Problem]:
    """Compose knows a service by its name alone: in a project that others use, it would replace or remove theirs."""
    if target.kind != "local":
        return
    labels = '{{.Label "com.docker.compose.service"}} {{.Label "com.docker.compose.project.working_dir"}}'
    rows = docker.ask(
        "ps", "--all", "--filter", f"label=com.docker.compose.project={target.project}", "--format", labels
    )
    for row in sorted(set((rows or "").splitlines())):
        service, _, folder = row.partition(" ")
        if service in OWN_SERVICES and Path(folder).resolve() != REPOSITORY:
            detail = f"{target.project} has a service {service} already, started in {folder}"
            cure = f"where it is an older copy of this product: docker compose -p {target.project} rm --stop {service},"
            yield Problem("project", detail, f"{cure} typed there; else choose another --project")


def _names(target: Target) -> Iterator[Problem]:
    if target.kind != "cloud":
        return
    variables = target.variables()
    for setting in ("AGENT_API_HOSTNAME", "FRONTEND_HOSTNAME"):
        name = variables.get(setting, "")
        if name and not resolves(name):
            yield Problem("names", f"{name} ({setting}) is unknown to DNS", RECORD)
    if "AGENT_API_HOSTNAME" in variables and variables["AGENT_API_HOSTNAME"] == variables.get("FRONTEND_HOSTNAME"):
        yield Problem("names", "AGENT_API_HOSTNAME and FRONTEND_HOSTNAME are the same", "give each a name of its own")


def resolves(name: str) -> bool:
    """Whether this machine knows where that is."""
    try:
        return bool(socket.getaddrinfo(name, 443))
    except (OSError, UnicodeError):
        return False


def _ports(target: Target, docker: Docker) -> Iterator[Problem]:
    # What runs already under this name is replaced, its ports with it.
    label = f"label=com.docker.compose.project={target.project}"
    own = docker.ask("ps", "--filter", label, "--format", "{{.Ports}}") or ""
    for port in target.ports:
        if f":{port}->" not in own and is_taken(port):
            cure = f"stop what listens there: ss -ltnp 'sport = :{port}' names it"
            if target.kind == "cloud":
                cure += "; where that is a Caddy of yours, use --type local"
            yield Problem("ports", f"port {port} is taken", cure)


def is_taken(port: int) -> bool:
    """Whether somebody listens there. A port that this account may not bind is tried by connecting."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return True
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - nothing listens
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _disk(docker: Docker) -> Iterator[Problem]:
    root = Path(docker.ask("info", "--format", "{{.DockerRootDir}}") or REPOSITORY)
    # The daemon may run in a machine of its own, with folders that are not here.
    free = shutil.disk_usage(root if root.is_dir() else REPOSITORY).free / GIB
    if free < DISK_GIB_MIN:
        cure = (
            "make room: `docker system prune` removes what no container uses; look at it first with `docker system df`"
        )
        yield Problem("disk", f"{free:.1f} GiB are free, {DISK_GIB_MIN} are needed", cure)
