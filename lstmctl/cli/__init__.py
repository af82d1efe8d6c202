"""The `lstmctl` command line."""

from __future__ import annotations

import os
import signal
import sys

PROGRAMS = ("lstmctl", "lstmctl.exe", "lstmctl-script.py")


def _is_the_program() -> bool:
    """Return True if this process is the command, and not a program that imports it."""
    parts = (sys.argv or [""])[0].replace("\\", "/").split("/")
    return parts[-1] in PROGRAMS or parts[-2:] == ["lstmctl", "__main__.py"]


if _is_the_program() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # There is nothing to clean up while the command line is being imported, and a traceback would be useless.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
