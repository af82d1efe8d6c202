"""Commands as a person types them."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterable


def join(words: Iterable[str]) -> str:
    """Return words as one line to type into this system's shell, each quoted where it has to be."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
