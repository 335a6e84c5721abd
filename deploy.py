#!/usr/bin/env python3
"""The product: `python3 deploy.py --type embedded` starts it here, `test` tests it, `doctor` says what is wrong."""

import argparse
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this line is for those who run it with an older Python
    sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0])
if sys.platform == "win32":
    sys.exit("On Windows, run this inside WSL 2")


def main() -> int:
    parser = argparse.ArgumentParser(description="Start, stop and test the product.")
    parser.add_argument(
        "--type",
        choices=["embedded", "test", "doctor"],
        required=True,
        help="embedded: the whole product on this machine, nothing else needed; test: set up and run every test;"
        " doctor: check .env, or else the running stack, and say what to do",
    )
    parser.add_argument("--detach", action="store_true", help="embedded: return once everything is healthy")
    parser.add_argument("--down", action="store_true", help="embedded: stop what is running")
    parser.add_argument("--fresh", action="store_true", help="embedded: wipe the data first")
    arguments = parser.parse_args()

    if arguments.type == "test":
        from local_stack.test_run import run_tests

        return run_tests()

    from local_stack import embedded
    from local_stack.configuration import workspace_from_environment

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
