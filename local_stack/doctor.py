"""`--type doctor`: say what is wrong with a configuration, and what to do. The checks are the agent API's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from string import Template

from deployer.connections import note_on_connections
from deployer.examination import examine_in_container, is_behind_caddy, names_of_containers
from deployer.settings import settings_of
from deployer.settings.model import API
from local_stack import environments
from local_stack.configuration import load_configuration, read_own_env_file
from local_stack.console import Console, StackError
from local_stack.env_files import read_env_file
from local_stack.paths import EMBEDDED_HOME, REPOSITORY, Workspace, relative
from local_stack.processes import AlreadyLocked, FileLock, load_identities

API_DIRECTORY = REPOSITORY / "backend_agent_api"
ENVIRONMENTS_WAIT_SECONDS = 600
CANNOT_RUN = 2
OWN = ".env"


def run_doctor(workspace: Workspace) -> int:
    """Examine the person's `.env`, or else the running stack. Returns 0, 1 where something failed, or 2."""
    try:
        what, environment = choose_configuration(workspace)
        if what == OWN and (note := note_on_connections(environment)):
            print(note, flush=True)
        if what == OWN and (hosts := names_of_containers(environment)):
            return _status(examine_in_container(hosts, environment, is_rehearsal=False))
        _prepare(workspace)
    except (StackError, OSError) as error:
        Console.fail(str(error))
        return CANNOT_RUN
    print(f"examining {what}\n", flush=True)
    command = [str(environments.AGENT_API.python), "-m", "agent_api.doctor"]
    try:
        status = subprocess.run(command, cwd=API_DIRECTORY, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return CANNOT_RUN
    return _status(status)


def _status(status: int | None) -> int:
    return status if status in (0, 1) else CANNOT_RUN


def choose_configuration(workspace: Workspace) -> tuple[str, dict[str, str]]:
    """What is examined, and with which variables. Raises StackError where there is nothing."""
    own = read_own_env_file()
    if "DATABASE_URL" not in own and _is_running(workspace):
        database_url = read_env_file(workspace.env_file).get("DATABASE_URL", "")
        values = load_configuration(workspace).service_environment(database_url)
        return f"the stack that runs in {relative(workspace.root)}", _with_process(values, process_wins=False)
    beside_the_api = API_DIRECTORY / ".env"
    if not own and not beside_the_api.exists() and "DATABASE_URL" not in os.environ:
        raise StackError(
            "nothing to examine: there is no .env (copy .env.example and fill it in), and no stack is running"
            " (python3 deploy.py --type embedded)"
        )
    what = OWN if own else relative(beside_the_api) if beside_the_api.exists() else "the environment"
    return what, _with_process(_behind_caddy(own) | own, process_wins=True)


def _behind_caddy(own: Mapping[str, str]) -> dict[str, str]:
    """What follows from the public names there, as docker-compose.caddy.yml has it."""
    addresses = {
        setting.name: Template(setting.behind_caddy).safe_substitute(own)
        for setting in settings_of(API)
        if setting.behind_caddy is not None and is_behind_caddy(own)
    }
    if "AGENT_API_HOSTNAME" in own and "VITE_AGENT_ENDPOINT" not in own:
        addresses["API_URL"] = f"https://{own['AGENT_API_HOSTNAME']}"
    if "FRONTEND_HOSTNAME" in own:
        addresses["FRONTEND_URL"] = f"https://{own['FRONTEND_HOSTNAME']}"
    return addresses


def _is_running(workspace: Workspace) -> bool:
    identities = load_identities(workspace.processes_file)
    return workspace.ready_file.exists() and any(
        identity.name == "supervisor" and identity.is_alive() for identity in identities
    )


def _with_process(values: Mapping[str, str], *, process_wins: bool) -> dict[str, str]:
    """With the caller's variables, except those that would redirect Python or send loopback through a proxy."""
    process = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    loopback = ",".join(filter(None, [process.get("no_proxy") or process.get("NO_PROXY"), "127.0.0.1", "localhost"]))
    merged = {**values, **process} if process_wins else {**process, **values}
    return merged | {"no_proxy": loopback, "NO_PROXY": loopback}


def _prepare(workspace: Workspace) -> None:
    if environments.AGENT_API.is_current():
        return
    console, lock = Console(), FileLock(EMBEDDED_HOME / "environments.lock")
    workspace.prepare()
    try:
        lock.acquire(wait_seconds=ENVIRONMENTS_WAIT_SECONDS)
    except AlreadyLocked:
        raise StackError("another start is still setting up the environments of this clone") from None
    try:
        environments.ensure(environments.TOOLS, console, workspace.log("setup-tools"))
        environments.ensure(environments.AGENT_API, console, workspace.log("setup-agent-api"))
    finally:
        lock.release()
