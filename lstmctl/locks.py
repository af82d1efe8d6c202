"""Locks on folders: one process at a time writes there, and the system frees the lock however that process ends."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lstmctl.errors import ResourceError, RunError
from lstmctl.storage import disk_errors, remove_leftovers

LOCK = "lock"
HOLDER = "holder"
"""Names the process that holds the lock. A separate file, because on Windows a locked file cannot be read."""
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
PATIENCE, GLANCE = 0.5, 0.03
"""Seconds to keep trying: `is_locked` takes a free lock for a moment too, so a single refusal proves nothing."""
POLL = 0.01
"""Seconds between attempts."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for writing, and delete what a killed holder left half-written.

    Raises:
        RunError: another process holds it; the message names that process.
        ResourceError: the folder cannot be written, or its file system has no locks.
    """
    from filelock import FileLock, Timeout

    with disk_errors(folder / LOCK):
        folder.stat()  # filelock would make a folder that is gone
        try:
            lock = FileLock(folder / LOCK, PATIENCE, poll_interval=POLL, fallback_to_soft=False).acquire().lock
        except Timeout as error:
            raise RunError(f"{folder} is in use by {_holder(folder)}", hint="wait for it, or stop it") from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            raise ResourceError(
                f"{folder} cannot be locked: its file system has no locks, so two processes could write there at once",
                hint="use a folder on another disk: LSTMCTL_RUNS=FOLDER",
            ) from error
    try:
        with disk_errors(folder / HOLDER):
            (folder / HOLDER).write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
            remove_leftovers(folder)
        yield
    finally:
        with suppress(OSError):  # the next holder overwrites it
            (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def is_locked(folder: Path) -> bool:
    """Return whether a process holds the folder now."""
    from filelock import FileLock, Timeout

    if not (folder / LOCK).exists():
        return False
    try:
        FileLock(folder / LOCK, GLANCE, poll_interval=POLL, fallback_to_soft=False).acquire().lock.release()
    except Timeout:
        return True
    except OSError:  # a folder that may only be read: rely on what the holder wrote
        return (folder / HOLDER).exists()
    return False


def _holder(folder: Path) -> str:
    with suppress(OSError):
        return (folder / HOLDER).read_text("utf-8", "replace").strip() or "an unknown process"
    return "an unknown process"
