"""`--type cloud` and `--type local`: check, start, wait until it is well; and stop."""

from __future__ import annotations

import os

from deployer.connections import note_on_connections
from deployer.docker import REPOSITORY, Docker, print_command
from deployer.health import NOT_STARTED, ONE_SHOT, Watch, last_lines, read_containers
from deployer.machine_checks import examine_docker, examine_machine, examine_neighbours
from deployer.places import examine_places
from deployer.problems import Problem, report
from deployer.public_names import examine_names
from deployer.settings import SETTINGS
from deployer.settings_checks import CREDENTIALS, examine_settings
from deployer.target import DEFAULT_PROJECT, OWN_SERVICES, Target

CANNOT_START = 2


def run_up(target: Target, *, is_rehearsal: bool) -> int:
    """Start or renew it. Returns 0 when everything is well, 1 when something is not, 2 when it cannot begin."""
    docker = _docker(target, is_rehearsal=is_rehearsal)
    if report(examine(target, docker), is_rehearsal=is_rehearsal):
        return CANNOT_START
    if not (REPOSITORY / CREDENTIALS).exists():
        # Docker would make it as root.
        print_command(["mkdir", CREDENTIALS])
        if not is_rehearsal:
            (REPOSITORY / CREDENTIALS).mkdir()
    if _is_upgrade(target, docker) and (broken := _prepare(target, docker)):
        print(f"\nFAIL  {broken}; its own lines above say more. Nothing was replaced: what ran goes on", flush=True)
        return 1
    status = docker.run(target.compose("up", "-d", "--build", *_named(target)))
    if is_rehearsal:
        print_command(["docker", *target.compose("ps", "--all", "--format", "json")])
        _print_next_steps(target)
        return 0
    watch = Watch(target, docker, _services(target, docker))
    unwell = watch.wait(_seconds_max(target) if status == 0 else 0)
    if status == 0 and not unwell:
        problems: list[Problem] = []
        if target.kind == "cloud":
            problems = [*examine_places(target, watch.containers), *examine_names(target, _seconds_max(target))]
        for problem in problems:
            print(problem.lines(is_rehearsal=False), flush=True)
        if any(problem.is_fatal for problem in problems):
            print("\nthe containers are healthy and stay, but browsers do not reach all of them", flush=True)
            return 1
        print("everything is healthy", flush=True)
        _print_next_steps(target)
        return 0
    if status != 0:
        print(f"\nFAIL  compose           `up` ended with {status}; its own lines above say more", flush=True)
        unwell = {service: state for service, state in unwell.items() if state != NOT_STARTED}
    _explain(target, docker, unwell)
    return 1


def run_down(target: Target, *, is_rehearsal: bool) -> int:
    """Stop it; volumes with data and certificates stay."""
    docker = _docker(target, is_rehearsal=is_rehearsal)
    problems = [*examine_docker(docker), *examine_neighbours(target, docker)]
    if report(problems, is_rehearsal=is_rehearsal):
        return CANNOT_START
    if target.kind == "cloud":
        return docker.run(target.compose("--profile", "*", "down"))
    # The project may be somebody else's: only what is ours goes.
    return docker.run(target.compose("rm", "--stop", "--force", *OWN_SERVICES))


def examine(target: Target, docker: Docker) -> list[Problem]:
    """All that is missing, at once."""
    return [*examine_docker(docker), *examine_settings(target), *examine_machine(target, docker)]


def _is_upgrade(target: Target, docker: Docker) -> bool:
    """Whether people are being served now."""
    printed = docker.ask(*target.compose("ps", "--all", "--format", "json")) or ""
    return any(each.service == "agent-api" and each.is_well for each in read_containers(printed))


def _prepare(target: Target, docker: Docker) -> str:
    """`up` takes the old containers away before it starts `migrate`. So what may fail comes first: returns what did."""
    caddy = ("caddy",) if target.kind == "cloud" else ()
    if docker.run(target.compose("build", *(name for name in OWN_SERVICES if name != ONE_SHOT), *caddy)):
        return "an image could not be built"
    if docker.run(target.compose("run", "--rm", "--no-deps", ONE_SHOT)):
        return "the database could not be brought to this release"
    return ""


def _docker(target: Target, *, is_rehearsal: bool) -> Docker:
    environment = dict(os.environ)
    # Stopping and rehearsing need no values, but the files are not read without these.
    variables = target.variables()
    for name in ("AGENT_API_HOSTNAME", "FRONTEND_HOSTNAME", "LETSENCRYPT_EMAIL"):
        if name not in variables:
            environment[name] = "unset.invalid"
    # In a project that others use, nothing of theirs is an orphan.
    environment["COMPOSE_REMOVE_ORPHANS"] = "0"
    return Docker(is_rehearsal, environment)


def _named(target: Target) -> tuple[str, ...]:
    return OWN_SERVICES if target.kind == "local" else ()


def _services(target: Target, docker: Docker) -> tuple[str, ...]:
    """All that must be well: those of the profiles in .env too."""
    asked = docker.ask(*target.compose("config", "--services")) if target.kind == "cloud" else None
    services = tuple((asked or "").split()) or OWN_SERVICES
    none = target.variables().get("RAG_PIPELINE_REPLICAS") == "0"
    return tuple(name for name in services if not (none and name == "rag-pipeline"))


def _seconds_max(target: Target) -> float:
    setting = SETTINGS["DEPLOY_HEALTH_SECONDS"]
    return float(target.variables().get(setting.name, setting.default))


def _explain(target: Target, docker: Docker, unwell: dict[str, str]) -> None:
    for service, state in unwell.items():
        print(f"\nFAIL  {service:<16}  {state}; its last lines:", flush=True)
        for line in last_lines(target, docker, service).splitlines():
            print(f"      {line}")
    follow = " ".join(["docker", "compose", "-p", target.project, "logs", "-f", *list(unwell)[:1]])
    print(f"\nnot everything is healthy: {follow}; then `python3 deploy.py --type doctor`", flush=True)


def _print_next_steps(target: Target) -> None:
    variables = target.variables()
    if note := note_on_connections(variables):
        print(note, flush=True)
    api = variables.get("AGENT_API_HOSTNAME", "agent.yourdomain.com")
    site = variables.get("FRONTEND_HOSTNAME", "chat.yourdomain.com")
    if target.kind == "cloud":
        print(f"site  https://{site}\nAPI   https://{api}/docs\nStripe's webhook: https://{api}/api/webhook/stripe")
        return
    edits = [
        f"s/{DEFAULT_PROJECT}-/{target.project}-/g",
        f"s/agent.yourdomain.com/{api}/",
        f"s/chat.yourdomain.com/{site}/",
    ]
    waits = SETTINGS["AGENT_API_RESPONSE_SECONDS"]
    if (seconds := variables.get(waits.name, waits.default)) != waits.default:
        edits.append(f"s/response_header_timeout {waits.default}s/response_header_timeout {seconds}s/")
    sed = " ".join(f"-e '{edit}'" for edit in edits)
    print(
        "site  http://localhost:8082\n"
        "API   http://localhost:8001/docs\n"
        "\nFor the Caddy of this stack, once:\n"
        f"  sed {sed} caddy-addon.conf\n"
        "prints the two sites with your names: append them to its Caddyfile, or to a file it imports, and reload it.\n"
        "It must be in the network of the project:\n"
        f"  docker network connect {target.project}_default <its container>\n"
        f"Then .env needs FRONTEND_URL=https://{site} and VITE_AGENT_ENDPOINT=https://{api}/api/pydantic-agent.",
        flush=True,
    )
