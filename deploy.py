#!/usr/bin/env python3
"""The product: `python3 deploy.py --type embedded` starts it here, `cloud` for the public; `doctor` finds faults."""

import argparse
import re
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this line is for those who run it with an older Python
    sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0])
if sys.platform == "win32":
    sys.exit("On Windows, run this inside WSL 2")

TYPES = {
    "embedded": "the whole product on this machine, nothing else needed",
    "local": "containers that join an existing stack with its own Caddy",
    "cloud": "containers behind a Caddy of their own, with TLS",
    "test": "set up and run every test",
    "doctor": "check .env, or else the running stack, and say what to do",
}
PROJECT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
DEFAULT_PROJECT = "dynamous-agent"


def main() -> int:
    """Do what the arguments say. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Start, stop, check and test the product.")
    described = "; ".join(f"{name}: {text}" for name, text in TYPES.items())
    parser.add_argument("--type", choices=list(TYPES), required=True, help=described)
    parser.add_argument("--project", help=f"local, cloud: the name of the compose project, else {DEFAULT_PROJECT}")
    parser.add_argument("--down", action="store_true", help="embedded, local, cloud: stop what is running; data stays")
    parser.add_argument(
        "--detach", action="store_true", help="embedded: return once everything is healthy; containers do"
    )
    parser.add_argument("--fresh", action="store_true", help="embedded: wipe the data first")
    parser.add_argument(
        "--dry-run", action="store_true", help="print every command, run none; what is missing is a warning"
    )
    arguments = parser.parse_args()

    if arguments.fresh and (arguments.type != "embedded" or arguments.down):
        parser.error("--fresh wipes the data of the embedded stack, and goes with nothing else")
    if arguments.type in ("test", "doctor") and (arguments.down or arguments.detach):
        parser.error(f"--type {arguments.type} leaves nothing running")
    if arguments.project is not None and arguments.type not in ("local", "cloud"):
        parser.error("--project goes with --type local and --type cloud")
    if arguments.project is not None and not PROJECT_NAME.fullmatch(arguments.project):
        parser.error("--project: lower-case letters, digits, - and _, beginning with a letter or a digit")
    try:
        return _run_containers(arguments) if arguments.type in ("local", "cloud") else _run_here(arguments)
    except KeyboardInterrupt:
        return 130


def _run_containers(arguments: argparse.Namespace) -> int:
    from deployer import containers
    from deployer.target import Target, env_file

    target = Target(arguments.type, arguments.project or DEFAULT_PROJECT, env_file())
    run = containers.run_down if arguments.down else containers.run_up
    return run(target, is_rehearsal=arguments.dry_run)


def _run_here(arguments: argparse.Namespace) -> int:
    from local_stack import embedded
    from local_stack.configuration import workspace_from_environment

    if arguments.dry_run:
        from local_stack.rehearsal import rehearse

        return rehearse(arguments.type, workspace_from_environment(), is_down=arguments.down, is_fresh=arguments.fresh)
    if arguments.type == "test":
        from local_stack.test_run import run_tests

        return run_tests()
    workspace = workspace_from_environment()
    if arguments.type == "doctor":
        from local_stack.doctor import run_doctor

        return run_doctor(workspace)
    if arguments.down:
        return embedded.run_down(workspace)
    if arguments.detach:
        return embedded.run_detached(workspace, fresh=arguments.fresh)
    return embedded.run_foreground(workspace, fresh=arguments.fresh)


if __name__ == "__main__":
    sys.exit(main())
