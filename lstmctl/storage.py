"""Files, read with clear errors, and written so that a crash or a full disk leaves the old content or the new."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lstmctl.errors import ResourceError, RunError

FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
LEFTOVER = ".*.tmp-*"
MOVE_THE_RUNS = "move the runs: LSTMCTL_RUNS=FOLDER"
ANOTHER_FILE = "use a file on another disk"
LARGEST_FILE = 2**29
"""Maximum bytes of a log or a JSON file; the largest seen so far have a hundredth of it."""
NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
"""Errors of file systems that cannot sync: some network and FUSE file systems."""


@contextmanager
def disk_errors(path: Path, size: int | None = None, *, remedy: str = MOVE_THE_RUNS) -> Iterator[None]:
    """Report the path, and the size if known, when the system refuses to write.

    Args:
        path, size: the file to write and its size in bytes.
        remedy: the remedy for a full or read-only disk.

    Raises:
        ResourceError: replaces any OSError raised inside.
    """
    try:
        yield
    except OSError as error:
        needed = f" ({size:,} bytes needed)" if size is not None else ""
        hint = None
        if error.errno in FULL:
            hint = f"free some space, or {remedy}"
        elif error.errno == errno.EROFS:
            hint = remedy
        raise ResourceError(f"{path} cannot be written{needed}: {error.strerror or error}", hint=hint) from error


def write_synced(path: Path, content: bytes) -> None:
    """Write a new file, and wait until it is on disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        sync(file.fileno())


def replace_file(path: Path, content: bytes, *, remedy: str = MOVE_THE_RUNS) -> None:
    """Replace the file at `path` atomically: readers see the old file or the new one. `remedy` is as in `disk_errors`.

    Raises:
        ResourceError: the disk is full or the folder is gone; the old file is kept.
    """
    with disk_errors(path, len(content), remedy=remedy):
        temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
        temporary.unlink(missing_ok=True)
        try:
            write_synced(temporary, content)
            rename_over(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


@contextmanager
def new_folder(path: Path, *, remedy: str = MOVE_THE_RUNS) -> Iterator[Path]:
    """Yield an empty folder that appears at `path` once the block has ended without an error; an older one there is
    replaced only then. `remedy` is as in `disk_errors`.

    Raises:
        ResourceError: the disk is full, or the folder cannot be created; the old one is kept.
    """
    temporary, former = (path.with_name(f".{path.name}.tmp-{kind}{os.getpid()}") for kind in ("", "old-"))
    with disk_errors(path, remedy=remedy):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir()
            yield temporary
            for file in temporary.iterdir():
                with file.open("rb+") as opened:
                    sync(opened.fileno())
            sync_folder(temporary)
            if path.exists():
                rename_over(path, former)
            rename_over(temporary, path)
            sync_folder(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(former, ignore_errors=True)


def rename_over(source: Path, target: Path) -> None:
    """Rename a file or folder atomically, replacing a file with the new name.

    Windows refuses while a program has either open, so retry there for a second: readers and virus scanners are quick.

    Raises:
        OSError: it cannot be renamed.
    """
    for attempt in reversed(range(20 if os.name == "nt" else 1)):
        try:
            source.replace(target)
        except PermissionError:
            if not attempt:
                raise
            time.sleep(0.05)
        else:
            return


def without_waiting(name: str, flags: int) -> int:
    """Open a file without waiting for the other end of a pipe; an opener for `open`."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0), 0o666)


def read_plain(path: Path) -> bytes:
    """Read a plain file of a run or a comparison.

    Raises:
        RunError: it is a pipe or a device, which may never end, or larger than any such file.
        OSError: it cannot be read.
    """
    with open(path, "rb", opener=without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise RunError(f"{path} is not a plain file ({stat.filemode(status.st_mode)[0]})")
        if status.st_size > LARGEST_FILE:
            raise RunError(f"{path} is damaged: {status.st_size:,} bytes are more than any such file has")
        return file.read(status.st_size)


def read_json(path: Path) -> dict[str, Any]:
    """Read the JSON object in a file of a run or a comparison.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        data = json.loads(read_plain(path))
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing: not a run of lstmctl") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise RunError(f"{path} must contain a JSON object")
    return data


def replace_json(path: Path, data: Mapping[str, Any]) -> None:
    """Replace a file by an indented JSON object; see `replace_file`."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        content = text.encode()
    except UnicodeEncodeError:  # the name of a file that is not UTF-8, which JSON's own escapes keep
        content = json.dumps(data, indent=2, allow_nan=False).encode()
    replace_file(path, content + b"\n")


def require_plain(path: Path) -> None:
    """Refuse to write to a path that exists and is not a plain file, such as a link out of the folder.

    Raises:
        RunError: it is a link, a folder, a pipe or a device.
    """
    _require(path, stat.S_ISREG, "file")


def require_folder(path: Path) -> None:
    """Refuse to write into a path that exists and is not a plain folder; see `require_plain`."""
    _require(path, stat.S_ISDIR, "folder")


def _require(path: Path, is_wanted: Callable[[int], bool], wanted: str) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:  # a later write there will report it
        return
    if not is_wanted(mode):
        found = "a symbolic link, which may lead out of its folder" if stat.S_ISLNK(mode) else f"not a plain {wanted}"
        raise RunError(f"{path} is {found}; nothing is written there", hint=f"replace it with a plain {wanted}")


def open_to_append(path: Path) -> io.FileIO:
    """Open a plain file for appending, unbuffered; create it if it is missing, and never follow a link.

    A file with another hard link is first replaced by a copy, so that the other name does not change.

    Raises:
        RunError: it is a link, a folder, a pipe or a device.
        OSError: it cannot be opened.
    """
    require_plain(path)
    if path.exists() and path.stat().st_nlink > 1:
        replace_file(path, read_plain(path))

    def without_links(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)

    return io.FileIO(str(path), "a", opener=without_links)


def sync(descriptor: int) -> None:
    """Wait until an open file is on disk; do nothing if the file system cannot sync.

    Raises:
        OSError: the disk cannot write it.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise


def sync_folder(folder: Path) -> None:
    """Wait until a folder's entries are on disk; do nothing on Windows, where folders cannot be opened."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def is_leftover(name: str) -> bool:
    """Return whether an interrupted write left a file or folder of this name."""
    return fnmatchcase(name, LEFTOVER)


def leftovers(folder: Path) -> list[Path]:
    """Return the files that interrupted writes left in a folder."""
    return list(folder.glob(LEFTOVER))


def remove_leftovers(folder: Path) -> None:
    """Delete files that interrupted writes left behind; only the holder of a run's lock may call this."""
    for leftover in leftovers(folder):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)
