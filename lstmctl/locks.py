"""Locks on folders: one process at a time writes there, and the system frees the lock however that process ends."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lstmctl.errors import InUseError, RunError
from lstmctl.storage import disk_errors, read_plain, remove_leftovers, require_plain

LOCK = "lock"
HOLDER = "holder"
"""File that names the process holding the lock; a separate one, since Windows cannot read a locked file."""
MARKER = "lock.held"
"""File that replaces the lock on a file system without locks."""
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
"""Errors of file systems without locks: many cluster and network file systems, and some FUSE ones."""
PATIENCE, GLANCE = 0.5, 0.03
"""Seconds to keep trying: `is_locked` takes a free lock for a moment too, so a single refusal proves nothing."""
POLL = 0.01
"""Seconds between attempts."""


@contextmanager
def locked(folder: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Lock a folder for writing, and delete unfinished files of a killed holder; `patience` is in seconds.

    Raises:
        InUseError: another process holds it; the message names that process.
        RunError: its lock is a link.
        ResourceError: the folder cannot be written.
    """
    from filelock import Timeout

    with disk_errors(folder / LOCK):
        folder.stat()  # filelock would recreate a deleted folder
        for name in (LOCK, MARKER):
            require_plain(folder / name)
        try:
            release = _acquired(folder, patience)
        except Timeout as error:
            hint = "wait for it, or stop it"
            if (folder / MARKER).exists():  # if the process is on another machine, it is unknown whether it still runs
                hint += f"; if it no longer runs, remove {folder / MARKER}"
            raise InUseError(f"{folder} is in use by {_holder(folder)}", hint=hint) from error
    try:
        with disk_errors(folder / HOLDER):
            (folder / HOLDER).unlink(missing_ok=True)  # left by a killed holder, or not a plain file
            with (folder / HOLDER).open("x", encoding="utf-8") as file:
                file.write(f"process {os.getpid()} on {socket.gethostname()}")
            remove_leftovers(folder)
        yield
    finally:
        with suppress(OSError):  # the next holder overwrites it
            (folder / HOLDER).unlink(missing_ok=True)
        release()


def _acquired(folder: Path, patience: float) -> Callable[[], None]:
    """Take the folder's lock, and return a function that releases it.

    On a file system without locks, the lock is a file that only one process can create; one left by a killed process
    of this machine is replaced.

    Raises:
        Timeout: another process holds it.
        OSError: the folder cannot be written.
    """
    from filelock import FileLock, SoftFileLock

    try:
        lock = FileLock(folder / LOCK, patience, poll_interval=POLL, fallback_to_soft=False).acquire().lock
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        lock = SoftFileLock(folder / MARKER, patience, poll_interval=POLL).acquire().lock

    def release() -> None:
        with suppress(OSError):  # the system frees a lock, and replaces a marker, when its process ends
            lock.release()

    return release


def is_locked(folder: Path, patience: float = GLANCE) -> bool:
    """Return whether a process holds the folder now; without patience, even one that only looks counts."""
    from filelock import Timeout

    if (folder / LOCK).is_symlink() or not (folder / LOCK).is_file():  # a lock behind a link is held by no process
        return False
    try:
        _acquired(folder, patience)()
    except Timeout:
        return True
    except OSError:  # a read-only folder: rely on the holder's file
        return (folder / HOLDER).exists()
    return False


def _holder(folder: Path) -> str:
    with suppress(OSError, RunError):
        return read_plain(folder / HOLDER)[:200].decode("utf-8", "replace").strip() or "an unknown process"
    return "an unknown process"
