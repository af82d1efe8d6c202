"""A folder on the disk as a place to work in: claimed by number, held by a lock."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from lstmctl.errors import RunError
from lstmctl.storage import disk_errors, remove_leftovers


def claim_folder(root: Path, stem: str) -> Path:
    """Make `root`/`stem`-NNN with the first free number; two processes never get the same.

    Raises:
        ResourceError: the folder cannot be made.
    """
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        taken = [
            int(match[1]) for path in root.iterdir() if (match := re.fullmatch(rf"{re.escape(stem)}-(\d+)", path.name))
        ]
        number = max(taken, default=0) + 1
        while True:
            path = root / f"{stem}-{number:03d}"
            try:
                path.mkdir()
            except FileExistsError:
                number += 1
                continue
            return path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for writing. The system frees the lock however the holder ends.

    Raises:
        RunError: another process holds it; it is named.
    """
    path = folder / "lock"
    with disk_errors(path):
        file = path.open("a+b", buffering=0)
    with file:
        if not _lock(file):
            file.seek(0)
            holder = file.read().decode("utf-8", "replace").strip() or "an unknown process"
            raise RunError(f"{folder} is in use by {holder}", hint="wait for it, or stop it")
        with disk_errors(path):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
            remove_leftovers(folder)
        try:
            yield
        finally:
            with disk_errors(path):
                file.truncate(0)


def is_locked(folder: Path) -> bool:
    """Whether a process holds the folder now."""
    try:
        with (folder / "lock").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _lock(file: FileIO) -> bool:
    """Take a lock file for writing. `is_locked` holds it for a moment too, so one refusal says nothing yet."""
    for attempt in range(10):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01 * attempt)
        else:
            return True
    return False
