"""`last.safetensors` and `best.safetensors`: copies of a checkpoint's weights for people and other programs.

They are derived from the checkpoints and never read back, so they can be recreated at any time. They are separate
files, so that overwriting one destroys no checkpoint.
"""

from __future__ import annotations

import stat
from pathlib import Path

from lstmctl.storage import replace_file

EXPORTED = ("last", "best")


def exported_path(run: Path, name: str) -> Path:
    """The file for the checkpoint named by the pointer `name`."""
    return run / f"{name}.safetensors"


def is_exported(run: Path, name: str, content: bytes) -> bool:
    """Return True if the file contains these weights and is not a hard link."""
    path = exported_path(run, name)
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_size != len(content):
            return False
        return path.read_bytes() == content
    except OSError:
        return False


def export(run: Path, name: str, content: bytes) -> None:
    """Write the file, unless it already contains these weights.

    Raises:
        ResourceError: it cannot be written; the old file is kept.
    """
    if not is_exported(run, name, content):
        replace_file(exported_path(run, name), content)
