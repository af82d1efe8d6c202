"""A folder on the disk as a place to work in: claimed by number, held by a lock."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from lstmctl.errors import RunError
from lstmctl.storage import disk_errors, remove_leftovers

LOCK = "lock"
HOLDER = "holder"
"""The name of the process that holds the lock; a file of its own, since Windows lets no one read a locked one."""


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
        ResourceError: the lock cannot be written.
    """
    lock, holder = FileLock(folder / LOCK), folder / HOLDER
    with disk_errors(folder / LOCK):
        folder.stat()  # the lock would make a folder that is gone
        # `is_locked` holds the lock for a moment too, so one refusal says nothing yet.
        held = any(_acquire(lock, 0.01 * attempt) for attempt in range(10))
    if not held:
        with suppress(OSError):
            raise RunError(f"{folder} is in use by {holder.read_text('utf-8')}", hint="wait for it, or stop it")
        raise RunError(f"{folder} is in use by an unknown process", hint="wait for it, or stop it")
    try:
        with disk_errors(holder):
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
            remove_leftovers(folder)
        yield
    finally:
        with suppress(OSError):
            holder.unlink()
        lock.release()


def is_locked(folder: Path) -> bool:
    """Whether a process holds the folder now."""
    if not (folder / LOCK).is_file():
        return False
    lock = FileLock(folder / LOCK)
    try:
        free = _acquire(lock, 0)
    except OSError:  # such as a folder on a disk that is read-only
        return False
    lock.release()
    return not free


def _acquire(lock: BaseFileLock, wait: float) -> bool:
    time.sleep(wait)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True
