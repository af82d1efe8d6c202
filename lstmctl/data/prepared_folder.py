"""Folders of prepared data: a JSON header and files of numbers, written once and checked whenever they are opened.

`data.prepared_text` and `data.prepared_table` say what such a folder holds. Preparation is not resumed: if it fails,
the folder is removed, and what a killed process leaves is marked as unfinished and replaced by the next attempt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from lstmctl.errors import DataError, ResourceError, RunError
from lstmctl.locks import HOLDER, LOCK, locked
from lstmctl.storage import FULL, disk_errors, replace_json, sync

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from lstmctl.data.downloading import Progress

HEADER = "prepared.json"
UNFINISHED = "progress.json"
"""Marks a folder that has no header yet. Versions that resumed preparation kept their progress in it."""
BLOCK = 1 << 20
"""Bytes of a file of numbers to read at once."""
AGAIN = "remove the folder, and prepare it again: lstmctl data prepare"

HeaderT = TypeVar("HeaderT", bound="DataclassInstance")


@dataclass(frozen=True)
class Prepared(Generic[HeaderT]):
    """Prepared data on disk."""

    folder: Path
    header: HeaderT
    was_there: bool
    """True if the folder existed already, and nothing was written."""


def prepared(
    folder: Path, files: Sequence[str], check: Callable[[Path], HeaderT], write: Callable[[Path], HeaderT]
) -> Prepared[HeaderT]:
    """Check the data in a folder, or write it if there is none.

    `check` returns the header of existing data, or raises DataError if it was prepared from other data or settings;
    `write` writes all files of numbers and returns their header.

    Raises:
        DataError: the folder contains something else, another process is using it, or from `check` or `write`.
        ResourceError: the folder cannot be written.
    """
    folder = folder.absolute()
    with _held(folder, files):
        if (folder / HEADER).exists():
            return Prepared(folder, check(folder), was_there=True)
        _remove(folder, files)
        with folder_errors(folder):
            (folder / UNFINISHED).touch()
        try:
            header = write(folder)
            with folder_errors(folder):
                replace_json(folder / HEADER, asdict(header))
        except BaseException:
            _remove(folder, files)
            raise
        with folder_errors(folder):
            (folder / UNFINISHED).unlink()
        return Prepared(folder, header, was_there=False)


def _remove(folder: Path, files: Sequence[str]) -> None:
    for name in (*files, UNFINISHED):
        with suppress(OSError):  # writing reports it
            (folder / name).unlink()


def progress_of(watch: Progress | None, total: float) -> Callable[[int], object]:
    """Return a function to call with the bytes of each step of a task of `total` bytes."""
    if watch is None:
        return lambda size: None
    watch.total = total
    return watch.update


def is_prepared(path: Path) -> bool:
    """Return whether a folder holds prepared data, finished or not."""
    return (path / HEADER).is_file() or (path / UNFINISHED).is_file()


def refuse_prepared(paths: Iterable[Path]) -> None:
    """Raise DataError if one of the paths is prepared data already."""
    for path in filter(is_prepared, paths):
        raise DataError(f"{path} is prepared data already")


def other_data(folder: Path, kind: str, header_sha256: str, source: object, sha256: str) -> DataError:
    """Return the error for a folder that was prepared from another text or table."""
    return DataError(
        f"{folder} contains another {kind}: its SHA-256 is {header_sha256[:16]}…, that of {source} is {sha256[:16]}…",
        hint=f"remove it, or prepare the {kind} elsewhere: --to FOLDER",
    )


class NumberFiles:
    """Files of numbers, hashed and written by a thread while the caller computes the next block.

    Args:
        folder: their folder.
        size: bytes of each, if known.
    """

    def __init__(self, folder: Path, size: int | None = None) -> None:
        self.folder, self.size = folder, size
        self._files: dict[str, BinaryIO] = {}
        self._digests: dict[str, hashlib._Hash] = {}
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[Any] = self._thread.submit(int)

    def put(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Append one array to each file.

        Raises:
            ResourceError: the arrays of the call before could not be written.
        """
        self._writing.result()
        self._writing = self._thread.submit(self._write, arrays)

    def _write(self, arrays: dict[str, NDArray[Any]]) -> None:
        for name, array in arrays.items():
            content = np.ascontiguousarray(array).data
            with folder_errors(self.folder / name, self.size):
                if name not in self._files:
                    self._files[name] = (self.folder / name).open("wb")
                    self._digests[name] = hashlib.sha256()
                self._files[name].write(content)
            self._digests[name].update(content)

    def finish(self) -> dict[str, str]:
        """Wait until all numbers are on disk, and return the SHA-256 of each file.

        Raises:
            ResourceError: they cannot be written.
        """
        self._writing.result()
        for name, file in self._files.items():
            with folder_errors(self.folder / name, self.size):
                file.flush()
                sync(file.fileno())
        return {name: digest.hexdigest() for name, digest in self._digests.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        for file in self._files.values():
            with suppress(OSError):  # after `finish`, nothing is left to write
                file.close()


def read_header(folder: Path, key: Literal["text", "series"], form: int, kind: type[HeaderT]) -> HeaderT:
    """Read the header of a folder that `data.text` or `data.series` names.

    Raises:
        DataError: the header is missing or damaged.
    """
    path = folder / HEADER
    if not path.exists():
        hint = "run `lstmctl data prepare` again"
        raise DataError(f"{folder} is incomplete: its preparation did not finish", hint=hint)
    try:
        content = path.read_bytes()
        data = json.loads(content)
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
    try:
        return TypeAdapter(kind).validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{path} is damaged at `{place}`: {first['msg']}", hint=AGAIN) from error


def checked_blocks(path: Path, size: int, sha256: str, expected: str) -> Iterator[bytes]:
    """Yield the blocks of a file of numbers, and check its size, explained by `expected`, and its hash.

    Raises:
        DataError: it cannot be read or has another size; or, after the last block, another hash.
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
def _held(folder: Path, files: Sequence[str]) -> Iterator[None]:
    """Create a folder and lock it; remove it if it stays empty.

    Raises:
        DataError: it contains something other than prepared data, or another process holds it.
    """
    known = (HEADER, UNFINISHED, LOCK, HOLDER, *files, f".{HEADER}.tmp-", f".{UNFINISHED}.tmp-")
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
            # A process waiting for this file notices that it is gone. Windows refuses to delete it while it is held;
            # there filelock deletes it on release.
            with suppress(OSError):
                (folder / LOCK).unlink()
            lock.close()
            with suppress(OSError):  # not empty
                folder.rmdir()


@contextmanager
def folder_errors(path: Path, size: int | None = None) -> Iterator[None]:
    """`disk_errors` with a hint for `data prepare`."""
    try:
        with disk_errors(path, size):
            yield
    except ResourceError as error:
        is_full = isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL
        hint = ("free some space, or " if is_full else "") + "prepare it elsewhere: --to FOLDER"
        raise ResourceError(str(error), hint=hint) from error
