"""Keeping this process's environment, which holds every secret, from the processes in which files are read."""

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def conceal_process() -> None:
    """Let no other process of this user look into this one, where the system can forbid it.

    A file that takes over its reader would find the secrets in /proc/<our id>/environ, and hand them out as the text of
    a document.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
