"""`python -m local_stack.postgres start --data DIR --port PORT [--ready-file FILE]`: run a cluster until a signal."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from local_stack.postgres.binaries import BinariesMissing
from local_stack.postgres.cluster import ClusterError, start_cluster


def main() -> int:
    parser = argparse.ArgumentParser(prog="local_stack.postgres")
    parser.add_argument("command", choices=["start"])
    parser.add_argument("--data", type=Path, required=True, help="folder of the cluster, created when missing")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ready-file", type=Path, help="receives the owner's database URL once the server is ready")
    arguments = parser.parse_args()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    try:
        cluster = start_cluster(arguments.data, arguments.port)
    except (ClusterError, BinariesMissing) as error:
        print(f"postgres: {error}", file=sys.stderr)
        return 1
    with cluster:
        if arguments.ready_file is not None:
            arguments.ready_file.touch(mode=0o600)
            arguments.ready_file.write_text(cluster.dsn() + "\n")
        else:
            print(cluster.dsn(), flush=True)
        return cluster.process.wait()


def _exit(number: int, frame: object) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
