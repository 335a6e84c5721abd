"""What a file that took over its reader could learn of the worker."""

import os
import subprocess
import sys

import pytest
from rag_support.world import SERVICE

# Root may look into everything: without its rights it is a user as any other.
WITHOUT_RIGHTS = """
import ctypes, os, sys
for right in range(64):
    ctypes.CDLL(None).prctl(24, right, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""
WORKER = """
import subprocess, sys
from rag_pipeline.main import main
main(["--config", "no such file"])
subprocess.run([sys.executable, "-c", '''
import os
try:
    print(b"a secret" in open(f"/proc/{os.getppid()}/environ", "rb").read())
except PermissionError:
    print("refused")
'''])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the environment of a process in a file")
def test_the_worker_shows_its_environment_to_no_process_that_it_starts() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS, WORKER],
        cwd=SERVICE,
        env={**os.environ, "EMBEDDING_API_KEY": "a secret"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout == "refused\n"
