"""Downloads into the cache: complete and, if their SHA-256 is known, verified; or not at all.

A download goes into a hidden file next to its destination, which is always removed. Only a complete file with the right
hash is renamed into place. No retries: the error is raised and the caller decides.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from lstmctl import bundled
from lstmctl.cache import cache_folder
from lstmctl.data.sources import KNOWN, Source, find_known
from lstmctl.errors import DataError, ResourceError, UsageError
from lstmctl.storage import disk_errors, rename_over, sync, sync_folder
from lstmctl.words import near

if TYPE_CHECKING:
    import requests

TIMEOUT = 30.0
"""Timeout in seconds without a response from the server."""
CHUNK = 1 << 14
"""Bytes to read at once: few enough that the bar moves on a slow connection."""
LONGEST_NAME = 200
"""Maximum bytes of a file's name; the usual limit is 255, and the temporary file's name is longer."""
SAFE_NAME = re.compile(r'(?!\.)(?!(?i:con|nul|aux|prn|com\d|lpt\d)(\.|$))[^/\\:*?"<>|]*[^/\\:*?"<>|. ]')
"""A name that is not hidden, and valid on Windows too."""
LIMIT = 100_000_000
"""Default maximum bytes of a file; a small response can unpack to any length."""
SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kMGT]?)B?")
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
ABANDONED = 3600.0
"""Seconds without a byte after which a temporary file belongs to a killed download."""


class Progress(Protocol):
    """Follows a download."""

    total: float
    """Bytes to come; 0 if the server does not say."""

    def update(self, amount: float) -> object:
        """Add bytes that have arrived."""


@dataclass(frozen=True)
class Downloaded:
    """A file in the cache."""

    source: Source
    path: Path
    size: int
    """In bytes."""
    sha256: str
    fetched: bool
    """True if it was downloaded now."""
    was_there: bool
    """True if the cache already contained the same file."""

    @property
    def verified(self) -> bool:
        """True if its hash was known in advance."""
        return self.source.sha256 is not None


def find_source(what: str, sha256: str | None = None, known: Mapping[str, Source] = KNOWN) -> Source:
    """Return the source of a known name or a URL, without asking any server.

    Args:
        what: a name of `known`, ignoring case, or an http or https URL.
        sha256: the expected hash, 64 hexadecimal digits.
        known: the table of names.

    Raises:
        UsageError: the name is unknown, the URL is invalid or has no usable file name, or the hash is malformed or
            differs from the known file's.
    """
    if sha256 is not None:
        sha256 = sha256.strip().lower()
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise UsageError(f"a SHA-256 has 64 hexadecimal digits, unlike `{sha256}`")
    if "://" in what:
        file = _file_name(what)
        namesake = find_known(file, known)
        source = Source(file=file, url=what, sha256=sha256 or (namesake.sha256 if namesake else None))
    else:
        namesake = find_known(what, known)
        if namesake is None:
            raise _unknown(what, known)
        source = replace(namesake, sha256=namesake.sha256 or sha256)
    # A known file must have its known content, wherever it comes from.
    if namesake is not None and namesake.sha256 is not None and sha256 not in (None, namesake.sha256):
        raise UsageError(f"{namesake.file} is {namesake.name}, whose SHA-256 is {namesake.sha256}, not {sha256}")
    return source


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `500MB` or `2GB`.

    Raises:
        UsageError: it is not a size.
    """
    match = SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * UNITS[match[2]]) if match else 0
    if size < 1:
        raise UsageError(f"`{text[:40]}` is not a size; write one such as 500MB or 2GB")
    return size


def download(
    source: Source,
    folder: Path | None = None,
    *,
    progress: Progress | None = None,
    timeout: float = TIMEOUT,
    limit: int = LIMIT,
) -> Downloaded:
    """Download a file into the cache.

    With a hash, an existing file is checked instead of downloaded. Without one, it is downloaded and compared, since
    its name alone does not prove that it is the same. A file of other content is never replaced.

    Args:
        source: what to download.
        folder: the destination; the download cache by default.
        progress: follows the download.
        timeout: seconds without a response before giving up.
        limit: maximum bytes of the file.

    Raises:
        DataError: the file cannot be downloaded, is too large, is not the expected one, or another one has its name.
        ResourceError: the folder cannot be written.
    """
    folder = folder or cache_folder()
    if folder is None:
        raise ResourceError("no home folder for downloads", hint="set one: LSTMCTL_CACHE=FOLDER")
    folder = folder.absolute()
    target = folder / source.file
    if source.sha256 is not None and target.exists():
        return _present(source, target, source.sha256, fetched=False)
    with _cache_errors(target):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        temporary = folder / f".{source.file}.tmp-{os.getpid()}"
        try:
            size, sha256 = _fetch(source, temporary, target, progress, timeout, limit)
            if source.sha256 not in (None, sha256):
                raise DataError(
                    f"{_shown(source.url)} has the SHA-256 {sha256}, not {source.sha256}; nothing was kept",
                    hint="it was changed at its source or in transit",
                )
            if size == 0:
                raise DataError(f"{_shown(source.url)} is empty")
            if target.exists():
                return _present(source, target, sha256, fetched=True)
            rename_over(temporary, target)
            sync_folder(folder)
        finally:
            temporary.unlink(missing_ok=True)
    return Downloaded(source, target, size, sha256, fetched=True, was_there=False)


def _file_name(url: str) -> str:
    """Return the last part of a URL's path, as the name of a file.

    Raises:
        UsageError: it is not a valid name, or the URL is invalid.
    """
    shown = _shown(url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # unbalanced brackets, or a port that is not a number
        host = None
    if not host or not url.isprintable():
        raise UsageError(f"`{shown}` is not a URL")
    if parts.scheme not in ("http", "https"):
        raise UsageError(f"`{shown}` is neither an http nor an https URL")
    name = unquote(parts.path.rpartition("/")[2])
    hint = f"download it by other means, and put it into {cache_folder() or 'the folder that LSTMCTL_CACHE names'}"
    if not name:
        raise UsageError(f"`{shown}` names no file: its path is empty or ends in a slash")
    if not SAFE_NAME.fullmatch(name) or not name.isprintable():
        raise UsageError(f"`{shown}` ends in `{name}`, which is not a safe name for a file", hint=hint)
    if len(name.encode()) > LONGEST_NAME:
        raise UsageError(f"the name of the file in `{shown}` is longer than {LONGEST_NAME} bytes", hint=hint)
    if (bundled.data() / name).exists():
        raise UsageError(
            f"{name} is the name of bundled data, which would be found first",
            hint="download it by other means, under another name",
        )
    return name


def _unknown(word: str, known: Mapping[str, Source]) -> UsageError:
    meant = near(word, known)
    return UsageError(
        f"`{word}` is not a known name{meant and f'; {meant}'}",
        hint=f"known are {', '.join(known)}; a URL begins with https://",
    )


def _present(source: Source, target: Path, sha256: str, *, fetched: bool) -> Downloaded:
    """Return an existing file, if it has the expected hash.

    Raises:
        DataError: it has another, or cannot be read.
    """
    try:
        found, size = _sha256(target), target.stat().st_size
    except OSError as error:
        raise DataError(f"{target} exists and cannot be read: {error.strerror}") from error
    if found != sha256:
        raise DataError(
            f"{target} already exists with other content: its SHA-256 is {found}, that of {_shown(source.url)} is "
            f"{sha256}",
            hint="rename or remove it, then download again",
        )
    return Downloaded(source, target, size, sha256, fetched=fetched, was_there=True)


def _fetch(
    source: Source, temporary: Path, target: Path, progress: Progress | None, timeout: float, limit: int
) -> tuple[int, str]:
    """Stream a URL into a new file; return its size in bytes and its SHA-256.

    Raises:
        DataError: the server cannot be reached, does not send the whole file, or sends more than `limit` bytes.
        OSError: the file cannot be written.
    """
    import requests

    shown, by_hand = _shown(source.url), f"download it by other means and put it there: {target}"
    too_large = DataError(
        f"{shown} is larger than {limit:,} bytes; nothing was kept", hint="if that is right, allow more: --limit 2GB"
    )
    size, digest = 0, hashlib.sha256()
    try:
        # A compressed response would not have the announced length.
        headers = {"Accept-Encoding": "identity"}
        with requests.get(source.url, stream=True, timeout=timeout, headers=headers) as response:
            if response.status_code != requests.codes.ok:  # 206 is a part of the file, 204 nothing
                answer = f"{response.status_code} {response.reason or ''}".rstrip()
                raise DataError(f"{shown} answered {answer} instead of 200 OK; nothing was kept", hint=by_hand)
            announced = response.headers.get("Content-Length", "")
            total = int(announced) if announced.isdecimal() and len(announced) < 20 else 0
            if total > limit:
                raise too_large
            if progress is not None:
                progress.total = total
            response.raw.enforce_content_length = True  # not the default of urllib3 before version 2
            with temporary.open("wb") as file:
                for chunk in response.iter_content(CHUNK):
                    size += len(chunk)
                    if size > limit:
                        raise too_large
                    file.write(chunk)
                    digest.update(chunk)
                    if progress is not None:
                        progress.update(len(chunk))
                file.flush()
                sync(file.fileno())
    except requests.RequestException as error:
        raise DataError(f"{shown} {_reason(error, timeout)}; nothing was kept", hint=by_hand) from error
    return size, digest.hexdigest()


def _reason(error: requests.RequestException, timeout: float) -> str:
    """Describe the cause, from the innermost error that names it."""
    from requests import TooManyRedirects
    from requests.exceptions import ChunkedEncodingError, ProxyError

    if isinstance(error, TooManyRedirects):
        return "redirects in a circle"
    if isinstance(error, ProxyError):
        return "cannot be reached through the proxy of the environment"
    if isinstance(error, ChunkedEncodingError):  # raised for bodies without chunks too
        return "closed the connection before the download finished"
    causes: list[BaseException] = [error]
    while (inner := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(inner)
    for cause in reversed(causes):
        if isinstance(cause, TimeoutError):
            return f"sent nothing for {timeout:g} seconds"
        if isinstance(cause, ssl.SSLError):
            return f"has no secure connection: {getattr(cause, 'verify_message', None) or cause.reason}"
        if isinstance(cause, http.client.HTTPException):
            return "gave no HTTP response"
        if isinstance(cause, OSError) and cause.strerror:
            return f"cannot be reached: {cause.strerror}"
    return f"cannot be downloaded: {error}"


def _shown(url: str) -> str:
    """Return a URL without user name and password."""
    before, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{before}{separator}{host.rpartition('@')[2]}{slash}{path}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_abandoned(folder: Path) -> None:
    """Delete the files of killed downloads; a running one touches its file far more often."""
    for leftover in folder.glob(".*.tmp-*"):
        with suppress(OSError):  # it has just been finished, or is another user's
            if time.time() - leftover.stat().st_mtime > ABANDONED:
                leftover.unlink()


@contextmanager
def _cache_errors(path: Path) -> Iterator[None]:
    """`disk_errors` with a hint for downloads."""
    try:
        with disk_errors(path):
            yield
    except ResourceError as error:
        raise ResourceError(
            str(error), hint="free some space, or keep downloads elsewhere: LSTMCTL_CACHE=FOLDER"
        ) from error
