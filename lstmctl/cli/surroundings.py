"""Plain error messages for system failures that do not belong to a file the program can name."""

from __future__ import annotations

import errno
import os
import sys

from lstmctl.errors import LstmctlError, ResourceError, UsageError

FEW_FILES = 256
LITTLE_MEMORY = 16 * 2**30
"""Bytes of address space: torch's CUDA libraries alone take more than ten of these gigabytes."""
FILES_RAN_OUT = {errno.EMFILE, errno.ENFILE}
REFUSALS = (
    *("cannot allocate", "can't allocate", "bad_alloc", "not enough memory", "out of memory", "failed to map"),
    *("cannot open shared object", "too many open files", "can't start new thread"),
)
"""Parts of messages from libraries that cannot be loaded and threads that cannot be started."""


def in_words(error: Exception) -> LstmctlError | None:
    """Return the error to show if the system is to blame; None for a bug in the program."""
    if isinstance(error, MemoryError):
        return ResourceError("out of memory", hint=_limit_hint())
    if isinstance(error, UnicodeEncodeError) and _has_surrogates(error):
        return UsageError(
            f"a name that is not UTF-8 cannot be written: {error.object[:80]!a}", hint="rename the file or folder"
        )
    if isinstance(error, OSError) and error.errno is not None:
        return _refused(error)
    text = str(error).lower()
    lacking = isinstance(error, SystemError) and _limit_hint() is not None
    if isinstance(error, ImportError | RuntimeError | SystemError) and (
        lacking or any(part in text for part in REFUSALS)
    ):
        return ResourceError(f"the system refused a resource that the program needs: {error}", hint=_limit_hint())
    return None


def _refused(error: OSError) -> ResourceError:
    reason = error.strerror or os.strerror(error.errno or 0)
    if error.errno in FILES_RAN_OUT:
        return ResourceError("too many open files", hint=_limit_hint() or "close other programs")
    if error.errno == errno.ENOENT and not _folder_is_there():
        return ResourceError("the current folder was removed", hint="change to another folder: cd")
    what = error.filename if isinstance(error.filename, str | bytes) else None
    name = os.fsdecode(what) if what else "a file or a connection"
    return ResourceError(f"{name} cannot be used: {reason}", hint=_limit_hint())


def _folder_is_there() -> bool:
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return False
    return True


def _has_surrogates(error: UnicodeEncodeError) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in error.object[error.start : error.end])


def _limit_hint() -> str | None:
    """Return the command that raises a low limit of this process; None if no limit is low."""
    if sys.platform == "win32":
        return None
    import resource

    files, space = (resource.getrlimit(limit)[0] for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS))
    if files != resource.RLIM_INFINITY and files < FEW_FILES:
        return f"this process may open {files} files; allow more: ulimit -n 1024"
    if space != resource.RLIM_INFINITY and space < LITTLE_MEMORY:
        return f"this process may use {space / 2**30:.1f} GiB of address space; allow more: ulimit -v unlimited"
    return None
