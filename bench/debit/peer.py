"""The same function called by pgbench, which is as cheap as a client can be."""

import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from bench.servers import BenchError
from local_stack.postgres.cluster import Cluster

# pgbench knows no uuids: people are found by their number in a table of the benchmark's own.
SCRIPT = """\\set n random(1, {users})
select outcome from public.begin_request(
    (select user_id from bench_users where n = :n), gen_random_uuid(), '', 'Hello', 'submit-message',
    null, null, null, '{holder}', 30, 1000000, 0);
"""


def run_pgbench(cluster: Cluster, directory: Path, *, clients: int, seconds: float, users: int, holder: UUID) -> float:
    """Debits a second. Raises BenchError where a call failed."""
    script = directory / "begin_request.sql"
    script.write_text(SCRIPT.format(users=users, holder=holder))
    address = urlsplit(cluster.dsn())
    done = subprocess.run(
        [
            cluster.installation.program("pgbench"),
            *("-n", "-M", "prepared", "-f", str(script), "-c", str(clients), "-j", "1", "-T", str(round(seconds))),
            *("-h", "127.0.0.1", "-p", str(cluster.port), "-U", address.username or "", address.path[1:]),
        ],
        env={"PGPASSWORD": cluster.credentials.passwords["postgres"]},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    failed = re.search(r"number of failed transactions: ([1-9]\d*)", done.stdout)
    if done.returncode != 0 or found is None or failed:
        raise BenchError(f"pgbench: {done.stdout}\n{done.stderr}"[-2000:])
    return float(found[1])
