"""Find data: in the config's folder, the current folder, the bundled data, and the download cache."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from lstmctl import bundled, shell
from lstmctl.cache import cache_folder
from lstmctl.data.remote import fetch, is_remote
from lstmctl.data.sources import find_known
from lstmctl.errors import DataError

SENT: dict[str, Path] = {}
"""Local paths of data that was sent to this machine, by its path on the sending one; filled in a run's own process."""


def search_folders(config_folder: Path | None) -> list[Path]:
    """Return the folders in which a relative name is looked for, in order."""
    own = None if config_folder == bundled.configs() else config_folder  # their data is the bundled data
    folders = [own, _current_folder(), bundled.data(), cache_folder()]
    return [folder for folder in folders if folder is not None]


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return None


def locate(name: str, config_folder: Path | None, key: str | None = "data.text") -> Path:
    """Return the file or folder that `name` means as the value of `key` in a config, or on the command line if `key`
    is None. A URL is downloaded into the cache.

    Raises:
        DataError: none of the folders contains the name (each is listed), or one cannot be read.
    """
    if name in SENT:
        return SENT[name]
    if is_remote(name):
        return fetch(name)
    path = Path(name)
    with suppress(RuntimeError):  # without a home folder, `~` is an ordinary name
        path = path.expanduser()
    candidates = [path] if path.is_absolute() else [folder / path for folder in search_folders(config_folder)]
    for candidate in candidates:
        try:
            if candidate.exists():
                return candidate
        except OSError as error:  # a folder cannot be entered, or the name is too long
            raise DataError(f"{candidate} cannot be read: {error.strerror}") from error
    say = shell.join([f"{key}=PATH/{path.name}"])
    looked = ", ".join(dict.fromkeys(str(candidate.parent) for candidate in candidates))
    raise DataError(
        f"`{name}` does not exist; looked in {looked}",
        hint=_download_hint(name, path)
        or ("give its path" if key is None else f"put the file into one of these folders, or give its path: {say}"),
    )


def portable_name(name: str, found: Path) -> str:
    """Return the name for a run's own config: the plain name of bundled data, otherwise the absolute path; of data that
    was sent to this machine, its path there.

    Raises:
        DataError: the path is not UTF-8, as a config is.
    """
    for sent, here in SENT.items():
        if here == found:
            return sent
    if found.is_relative_to(bundled.data()) and not Path(name).is_absolute():
        return name
    path = str(found.resolve())
    if not path.isprintable() and any("\ud800" <= character <= "\udfff" for character in path):
        raise DataError(f"{path} is not UTF-8, so no config can name it", hint="rename the file or the folder")
    return path


def text_files(path: Path) -> list[Path]:
    """Return the text files of a path: itself, or every `.txt` file below it, sorted by path.

    Raises:
        DataError: it is neither a file nor a folder, or a folder without any text file.
    """
    if path.is_dir():
        files = sorted(_text_files_below(path), key=lambda file: file.relative_to(path).parts)
        if not files:
            raise DataError(f"{path} is a folder without any .txt file")
        return files
    return [path]


def _text_files_below(folder: Path) -> Iterator[Path]:
    """Yield files that end in exactly `.txt`, without hidden files and unreadable folders."""
    for place, folders, names in os.walk(folder):  # it skips what vanishes in the meantime
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(place, name)
            if file.suffix == ".txt" and not name.startswith(".") and os.path.isfile(file):  # noqa: PTH113
                yield file


def read_bytes(path: Path) -> bytes:
    """Read a regular file.

    Raises:
        DataError: it is missing, not a regular file, or cannot be read.
    """
    try:
        check_regular(path, "a text file or a folder")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def check_regular(path: Path, wanted: str) -> None:
    """Refuse anything but a regular file, such as a pipe that would never end; `wanted` is what to give instead.

    Raises:
        DataError: it is missing, not a regular file, or cannot be read.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise DataError(f"{path} is not a regular file ({stat.filemode(mode)[0]}); use {wanted}")


def require_files(files: Iterable[Path]) -> list[Path]:
    """Return the files, each once, in the given order.

    Raises:
        DataError: there are no files.
    """
    unique = list(dict.fromkeys(files))
    if not unique:
        raise DataError("data.text names no file")
    return unique


def _download_hint(name: str, path: Path) -> str | None:
    """Return the command that downloads a missing file, if it is known; else None."""
    known = find_known(path.name)
    if known is None:
        return None
    # The cache is searched by plain name, not by a path of the user's.
    file = known.unpacked or known.file
    return f"lstmctl data download {known.name}" + ("" if name == file else f", then name it {file}")
