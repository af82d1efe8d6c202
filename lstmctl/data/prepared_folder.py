"""Folders of prepared data: a JSON header and files of numbers, made once and checked whenever they are opened.

The contents are defined in `data.prepared_text` and `data.prepared_table`. During preparation, the folder contains a
progress note instead of the header.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from lstmctl.errors import DataError, ResourceError, RunError
from lstmctl.locks import HOLDER, LOCK, locked
from lstmctl.storage import FULL, disk_errors

HEADER = "prepared.json"
PROGRESS = "progress.json"
"""There from the first number that is written until the header is."""
BLOCK = 1 << 20
"""Bytes of a file of numbers that are read at once."""
AGAIN = "remove the folder, and prepare it again: lstmctl data prepare"
NAMES = {list: "a list", int: "a whole number", str: "a text", dict: "an object"}


class Watch(Protocol):
    """Progress while data is read; `data.downloading.Progress` has the same shape."""

    total: float

    def update(self, amount: float) -> object: ...


def told(watch: Watch | None) -> Callable[[int], object]:
    """Callback that receives every number of bytes that is done."""
    return watch.update if watch is not None else lambda size: None


def is_prepared(path: Path) -> bool:
    """Return True if a folder contains prepared data, complete or not."""
    return (path / HEADER).is_file() or (path / PROGRESS).is_file()


def read_header(folder: Path, key: Literal["text", "series"], form: int, types: dict[str, type]) -> dict[str, Any]:
    """Return the values of some keys of a folder's header.

    Args:
        folder: one that was prepared.
        key: of a config's `data` section, that names such folders.
        form: the number of the header's format.
        types: of each key.

    Raises:
        DataError: it is missing, or not such a header.
    """
    path = folder / HEADER
    if not path.exists():
        raise DataError(f"{folder} is not completely prepared", hint="run `lstmctl data prepare` again to continue")
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}", hint=AGAIN) from error
    found = data.get("format") if isinstance(data, dict) else None
    if found != form:
        raise DataError(f"{path} is not a header of format {form}, but of {json.dumps(found)}", hint=AGAIN)
    if (holds := data.get("holds", "text")) != key:
        other = "a prepared table" if holds == "series" else "prepared text"
        raise DataError(f"{folder} is {other}, which data.{key} cannot read", hint=f"data.{holds}={folder}")
    for name, wanted in types.items():
        if type(data.get(name)) is not wanted:
            raise DataError(f"{path}: {name} is not {NAMES[wanted]}", hint=AGAIN)
    return {name: data[name] for name in types}


def checked_blocks(path: Path, size: int, sha256: str, expected: str) -> Iterator[bytes]:
    """A file of numbers, a block at a time.

    Args:
        path: the file.
        size: its bytes, by the header.
        sha256: its hash, by the header.
        expected: in words, what the size comes from.

    Raises:
        DataError: its size is another, or cannot be read; or, behind the last block, its hash is another.
    """
    digest = hashlib.sha256()
    try:
        found = path.stat().st_size
        if found != size or not found:
            raise DataError(f"{path} has {found:,} bytes; its header says {size:,}: {expected}", hint=AGAIN)
        with path.open("rb") as file:
            while content := file.read(BLOCK):
                digest.update(content)
                yield content
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", hint=AGAIN) from error
    if digest.hexdigest() != sha256:
        raise DataError(
            f"{path} is not as it was prepared: its SHA-256 is {digest.hexdigest()[:16]}…, "
            f"in its header {sha256[:16]}…",
            hint=AGAIN,
        )


@contextmanager
def held(folder: Path, own: Sequence[str]) -> Iterator[None]:
    """Make a folder and keep other processes from preparing into it; one that stays empty is removed.

    Args:
        folder: where to prepare.
        own: the files of numbers that it may hold.

    Raises:
        DataError: it holds something else, or another process holds it.
    """
    known = (HEADER, PROGRESS, LOCK, HOLDER, *own, f".{HEADER}.tmp-", f".{PROGRESS}.tmp-")
    with ExitStack() as lock:
        with folder_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if others := [path.name for path in sorted(folder.iterdir()) if not path.name.startswith(known)]:
                raise DataError(f"{folder} exists and contains {others[0]}", hint="name another folder: --to FOLDER")
            try:
                lock.enter_context(locked(folder))
            except RunError as error:
                raise DataError(str(error), hint=error.hint) from error
        try:
            yield
        finally:
            # A process that waits for this file notices that it is gone. Windows refuses to delete it while it is held;
            # there filelock deletes it on release.
            with suppress(OSError):
                (folder / LOCK).unlink()
            lock.close()
            with suppress(OSError):  # not empty
                folder.rmdir()


@contextmanager
def folder_errors(path: Path, size: int | None = None) -> Iterator[None]:
    """`disk_errors` with a way out that helps here."""
    try:
        with disk_errors(path, size):
            yield
    except ResourceError as error:
        full = "free some space and run the command again to continue; or "
        is_full = isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL
        hint = (full if is_full else "") + "prepare it elsewhere: --to FOLDER"
        raise ResourceError(str(error), hint=hint) from error


def digest_of(file: IO[bytes], size: int) -> Any:
    """The SHA-256, as hashlib has it, of the first bytes of a file, which is then at their end."""
    digest = hashlib.sha256()
    while size > 0 and (content := file.read(min(BLOCK, size))):
        digest.update(content)
        size -= len(content)
    return digest
