"""`--dry-run`: print the commands that a start, a test run or an examination would run, and run none of them."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deployer.examination import examine_in_container, names_of_containers
from local_stack import environments
from local_stack.configuration import Configuration, load_configuration
from local_stack.console import StackError
from local_stack.doctor import API_DIRECTORY, OWN, choose_configuration
from local_stack.environments import PythonEnvironment
from local_stack.node import NPM_INSTALL, Node, packages_are_current
from local_stack.paths import REPOSITORY, Workspace, relative
from local_stack.processes import load_identities, port_is_free
from local_stack.service import Service
from local_stack.site import build_command
from local_stack.stack import Stack
from local_stack.test_run import FRONTEND, Results, chromium_program, run_checks

OF_THE_STACK = (environments.STACK, environments.AGENT_API, environments.RAG_PIPELINE)
PACKAGES = (FRONTEND, REPOSITORY / "local_stack" / "auth")


def rehearse(kind: str, workspace: Workspace, *, is_down: bool, is_fresh: bool) -> int:
    """Print it. Always 0: what is missing is a warning."""
    try:
        if kind == "doctor":
            _print_examination(workspace)
        elif is_down:
            _print_down(workspace)
        elif kind == "test":
            _print_tests()
        else:
            _print_start(workspace, is_fresh=is_fresh)
    except StackError as error:
        _warn(str(error))
    return 0


def _print_examination(workspace: Workspace) -> None:
    try:
        what, variables = choose_configuration(workspace)
    except StackError as error:
        _warn(str(error))
        what, variables = "", {}
    if what == OWN and (hosts := names_of_containers(variables)):
        examine_in_container(hosts, variables, is_rehearsal=True)
        return
    _print_environments(environments.AGENT_API)
    _print([environments.AGENT_API.python, "-m", "agent_api.doctor"], folder=API_DIRECTORY)


class _Rehearsed(Results):
    """Steps that are printed only."""

    def run(self, title: str, command: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str]) -> None:
        _print(command, folder=cwd)


def _print_down(workspace: Workspace) -> None:
    running = [identity for identity in load_identities(workspace.processes_file) if identity.is_alive()]
    supervisor = [identity for identity in running if identity.name == "supervisor"]
    for identity in supervisor or running:
        _print(["kill", "-TERM", str(identity.pid)])
    if not running:
        print("nothing is running")


def _print_tests() -> None:
    _print_environments(*OF_THE_STACK, environments.DEV)
    _print_packages(*PACKAGES, REPOSITORY / "local_stack" / "stripe_sandbox")
    run_checks(_Rehearsed(), _node(), chromium_program())
    _print(["npm", "run", "--silent", "test"], folder=FRONTEND)


def _print_start(workspace: Workspace, *, is_fresh: bool) -> None:
    with tempfile.TemporaryDirectory() as nowhere:
        # Secrets are made where they are not yet there; a rehearsal leaves nothing behind.
        configuration = dataclasses.replace(load_configuration(Workspace(Path(nowhere))), workspace=workspace)
    for port in configuration.needed_ports():
        if not port_is_free(port.number):
            _warn(f"port {port.number} ({port.service}) is taken: {port.setting} moves it")
    if is_fresh:
        _print(["rm", "-r", str(workspace.root)])
    _print_environments(*OF_THE_STACK)
    _print_packages(*PACKAGES)
    node = _node()
    _print(build_command(node, workspace.site), folder=FRONTEND)
    for service in _services(configuration, node):
        _print(service.command)


def _services(configuration: Configuration, node: Node) -> Iterator[Service]:
    stack = Stack(configuration, node)
    if not configuration.own_database:
        yield stack.postgres()
        yield stack.auth()
    if not (configuration.own_chat_model and configuration.own_embedding_model):
        yield stack.model()
    if not configuration.own_stripe:
        yield stack.stripe()
    services_environment = configuration.service_environment(configuration.own.get("DATABASE_URL", ""))
    yield stack.api(services_environment)
    yield stack.rag_pipeline(services_environment)
    yield stack.site({})


def _node() -> Node:
    path = os.environ.get("PATH", os.defpath)
    if shutil.which("node") is None:
        _warn("there is no Node on the PATH: one is put into an environment")
    return Node(shutil.which("node") or "node", path)


def _print_environments(*needed: PythonEnvironment) -> None:
    if not environments.TOOLS.is_current():
        _print([sys.executable, "-m", "venv", environments.TOOLS.directory])
        _print([environments.TOOLS.python, *environments.TOOLS_INSTALL])
    for environment in needed:
        if not environment.is_current():
            for command in environments.uv_commands(environment):
                _print(command)


def _print_packages(*folders: Path) -> None:
    for folder in folders:
        if not packages_are_current(folder):
            _print(["npm", *NPM_INSTALL], folder=folder)


def _print(command: Sequence[str | Path], *, folder: Path = REPOSITORY) -> None:
    where = "" if folder == REPOSITORY else f"cd {relative(folder)} && "
    print(f"$ {where}{shlex.join(str(part) for part in command)}")


def _warn(text: str) -> None:
    print(f"warn  {text}")
