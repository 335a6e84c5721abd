"""What the machine says about itself and about a process."""

import os
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """CPU time, user and system, that a process has used in all of its threads."""
    if sys.platform == "linux":
        total_ns = 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # A thread that has ended since.
                total_ns += int((task / "schedstat").read_text().split()[0])
        return total_ns / 1e9
    listed = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
    seconds = 0.0
    for part in listed.strip().replace("-", ":").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def load_line() -> str:
    """The load of the machine: others' work on it makes every figure worse."""
    one, five, _ = os.getloadavg()
    return f"load {one:.2f} (1 min), {five:.2f} (5 min)"


def machine_line() -> str:
    """What the figures were measured on."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def tree_bytes(pid: int) -> int:
    """Memory that a process and its descendants hold now, shared pages counted once. 0: gone, or not Linux."""
    total = 0
    waiting = [pid]
    while waiting:
        one = Path(f"/proc/{waiting.pop()}")
        try:
            found = next(line for line in (one / "smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
            total += int(found.split()[1]) * 1024
            for task in (one / "task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (OSError, StopIteration):
            continue
    return total
