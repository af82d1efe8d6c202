"""Creation of numbered folders, which are removed again if nothing begins in them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lstmctl.errors import ResourceError, RunError, UsageError
from lstmctl.locks import HOLDER, LOCK, MARKER, locked
from lstmctl.runs.comparisons import PLAN
from lstmctl.storage import disk_errors, is_leftover, remove_leftovers

LOCKS = {LOCK, MARKER, HOLDER}
INPUTS = {"config.yaml", "encoding.json"}
"""The inputs of a run, except for the source of a user's own cell."""
ATTEMPTS = 100
NAME = re.compile(r"\w[\w.-]{0,98}\w|\w")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""


@contextmanager
def claimed_folder(root: Path, stem: str, name: str | None = None) -> Iterator[Path]:
    """Make `root`/`stem`-NNN with the first free number, or `root`/`name`, and hold it for writing; no other process
    gets the same.

    First, folders of the same stem that a killed process created and in which nothing has begun are removed. The new
    one is also removed if an error leaves this context before anything has begun in it.

    Raises:
        UsageError: the name is taken.
        ResourceError: the folder cannot be created or locked.
    """
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        for path in _numbered(root, stem).values() if name is None else [root / name]:
            _remove_if_abandoned(path)
    with ExitStack() as stack:
        path = _held(root, stem, name, stack)
        try:
            yield path
        except BaseException:
            if is_unused(path):
                _clear(path)
                stack.close()
                _remove(path)
            raise


def is_unused(folder: Path) -> bool:
    """Return True if nothing has begun in a folder that was created here: it contains only locks, or inputs and the
    file that names the process which wrote them."""
    try:
        entries = list(os.scandir(folder))
        names = {entry.name for entry in entries}
        return names <= LOCKS or (HOLDER in names and all(map(_is_input, entries)))
    except OSError:
        return False


def _is_input(entry: os.DirEntry[str]) -> bool:
    if entry.is_dir(follow_symlinks=False):  # of a comparison inside a sweep
        return all(_is_file_of(one, {PLAN}) for one in list(os.scandir(entry)))
    return _is_file_of(entry, LOCKS | INPUTS)


def _is_file_of(entry: os.DirEntry[str], names: set[str]) -> bool:
    is_named = entry.name in names or entry.name.endswith(".py") or is_leftover(entry.name)
    return is_named and entry.is_file(follow_symlinks=False)


def require_free_name(name: str, root: Path) -> None:
    """Check that a run or comparison can get this name.

    Raises:
        UsageError: it is not a name for a folder, or it is taken.
    """
    if not NAME.fullmatch(name) or name == "latest" or RESERVED.fullmatch(name):
        raise UsageError(
            f"`{name}` cannot be a run's name; use letters, digits, `_`, `.` and `-`, at most 100 of them, not `latest`"
        )
    if (root / name).exists() and not is_unused(root / name):
        raise UsageError(f"{root / name} already exists", hint="choose another --name, or remove the old run")


def _held(root: Path, stem: str, name: str | None, stack: ExitStack) -> Path:
    """Create the folder and lock it. A process that searches for unused folders may remove it in between; then the next
    number is used."""
    for attempt in range(ATTEMPTS):
        with disk_errors(root):
            path = _made(root, stem) if name is None else _made_as(root, name)
        try:
            stack.enter_context(locked(path))
        except ResourceError:
            if path.is_dir() or attempt + 1 == ATTEMPTS:
                for name in LOCKS:
                    with suppress(OSError):
                        (path / name).unlink()
                _remove(path)
                raise
        except RunError:
            continue
        else:
            if is_unused(path):  # otherwise another process had it, and is finished
                return path
            stack.close()
    raise RunError(f"no folder {root / stem}-NNN could be created: other processes took each of them")


def _made(root: Path, stem: str) -> Path:
    number = max(_numbered(root, stem), default=0) + 1
    while True:
        path = root / f"{stem}-{number:03d}"
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
            continue
        return path


def _made_as(root: Path, name: str) -> Path:
    require_free_name(name, root)
    try:
        (root / name).mkdir()
    except FileExistsError:  # a process that has begun nothing yet holds it
        raise UsageError(f"{root / name} already exists", hint="choose another --name") from None
    return root / name


def _numbered(root: Path, stem: str) -> dict[int, Path]:
    """The folders of a stem by number."""
    pattern = re.compile(rf"{re.escape(stem)}-(\d+)")
    return {int(match[1]): path for path in root.iterdir() if (match := pattern.fullmatch(path.name))}


def _remove_if_abandoned(folder: Path) -> None:
    if not is_unused(folder):
        return
    try:
        with locked(folder, patience=0):
            if not is_unused(folder):  # another process was faster
                return
            _clear(folder)
    except (RunError, ResourceError):  # a process still holds it, or it is not writable
        return
    _remove(folder)


def _clear(folder: Path) -> None:
    """Delete all files, including the lock; only its holder may call this. Processes that wait for the lock will create
    a new one."""
    with suppress(OSError):
        remove_leftovers(folder)
        for path in folder.iterdir():
            if path.is_dir():
                _clear(path)
                path.rmdir()
            elif path.name != HOLDER:
                path.unlink()


def _remove(folder: Path) -> None:
    """Remove a cleared folder, unless another process has locked it since."""
    with suppress(OSError):
        if os.name == "nt":  # on systems where a held lock cannot be deleted
            (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
