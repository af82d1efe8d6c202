"""Files from the web into the download cache: whole and, where their SHA-256 is known, verified; or not at all.

A transfer goes into a hidden file beside its place, which is removed whatever happens. Only what has arrived in full
length and with the right hash is renamed to its place. Nothing is retried: the failure is told, and whoever reads it
knows best whether to run again.
"""

from __future__ import annotations

import hashlib
import http
import http.client
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Protocol
from urllib.parse import unquote, urlsplit

from lstmctl import bundled
from lstmctl.data.locating import cache_folder
from lstmctl.data.sources import KNOWN, Source, find_known
from lstmctl.errors import DataError, ResourceError, UsageError
from lstmctl.storage import disk_errors, rename_over, sync, sync_folder
from lstmctl.words import near

TIMEOUT = 30.0
"""Seconds that a server may stay silent."""
CHUNK = 1 << 14
"""Bytes between two looks at the clock: small enough that a slow line still moves the bar."""
LONGEST_NAME = 200
"""Bytes of a file's name; 255 are usual, and the temporary file beside it adds some."""
SAFE_NAME = re.compile(r'(?!\.)(?!(?i:con|nul|aux|prn|com\d|lpt\d)(\.|$))[^/\\:*?"<>|]*[^/\\:*?"<>|. ]')
"""Not hidden, and a name on Windows too."""
LIMIT = 100_000_000
"""Bytes of a file that nobody asked for at that size; a small answer can unpack to any length."""
SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kMGT]?)B?")
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
ABANDONED = 3600.0
"""Seconds without a byte after which a temporary file is that of a download that was killed."""


class Progress(Protocol):
    """What is told while a file comes; pooch asks for this shape."""

    total: float
    """Bytes to come, set once they are known; 0 where the server does not say."""

    def update(self, amount: float) -> object:
        """So many bytes more."""

    def reset(self) -> object:
        """Back to none."""

    def close(self) -> object:
        """All has come."""


@dataclass(frozen=True)
class Downloaded:
    """A file in the cache."""

    source: Source
    path: Path
    size: int
    """In bytes."""
    sha256: str
    fetched: bool
    """Whether it came over the network now."""
    was_there: bool
    """Whether the cache had the same file before."""

    @property
    def verified(self) -> bool:
        """Whether its hash is the one that was expected, and not just what came."""
        return self.source.sha256 is not None


def find_source(what: str, sha256: str | None = None, known: Mapping[str, Source] = KNOWN) -> Source:
    """What a known name or a URL stands for; nothing is asked of any server.

    Args:
        what: a name of `known` in whatever case, or an http or https URL.
        sha256: the expected hash, 64 hexadecimal digits.
        known: the table of names.

    Raises:
        UsageError: the name is unknown, the URL is none or names no file that could be kept, or the hash is malformed
            or not that of the known file.
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
        source = namesake
    # Whatever uses a known file relies on its content, wherever it comes from.
    if namesake is not None and sha256 not in (None, namesake.sha256):
        raise UsageError(f"{namesake.file} is {namesake.name}, whose SHA-256 is {namesake.sha256}, not {sha256}")
    return source


def parse_size(text: str) -> int:
    """Return the bytes that `500MB` or `2GB` names.

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
    """Fetch a file into the cache.

    With a hash, a file that is already there is checked instead of fetched. Without one it is fetched and compared,
    for its name alone does not say that it is the same. A file of other content is never replaced.

    Args:
        source: what to fetch.
        folder: where to; the download cache by default.
        progress: told of what comes.
        timeout: seconds that the server may stay silent.
        limit: the most bytes that are kept.

    Raises:
        DataError: the file cannot be fetched, is too large, is not what was expected, or another one has its name.
        ResourceError: the folder or the disk does not take it.
    """
    folder = folder or cache_folder()
    if folder is None:
        raise ResourceError("there is no home folder to keep downloads in", hint="name one: LSTMCTL_CACHE=FOLDER")
    folder = folder.absolute()
    target = folder / source.file
    if source.sha256 is not None and target.exists():
        return _present(source, target, source.sha256, fetched=False)
    with _cache_errors(target):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        temporary = folder / f".{source.file}.tmp-{os.getpid()}"
        try:
            _fetch(source, temporary, target, progress, timeout, limit)
            size, sha256 = temporary.stat().st_size, _sha256(temporary)
            if source.sha256 not in (None, sha256):
                raise DataError(
                    f"{_shown(source.url)} has the SHA-256 {sha256}, not {source.sha256}; nothing was kept",
                    hint="it was changed at its source or on its way",
                )
            if size == 0:
                raise DataError(f"{_shown(source.url)} is empty")
            if target.exists():
                return _present(source, target, sha256, fetched=True)
            with temporary.open("r+b") as file:  # Windows syncs only what it may write
                sync(file.fileno())
            rename_over(temporary, target)
            sync_folder(folder)
        finally:
            temporary.unlink(missing_ok=True)
    return Downloaded(source, target, size, sha256, fetched=True, was_there=False)


def _file_name(url: str) -> str:
    """The last part of a URL's path, if a file can be kept by that name.

    Raises:
        UsageError: it cannot, or the URL is none.
    """
    shown = _shown(url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # brackets that do not match, a port that is no number
        host = None
    if not host or not url.isprintable():
        raise UsageError(f"`{shown}` is not a URL")
    if parts.scheme not in ("http", "https"):
        raise UsageError(f"`{shown}` is neither an http nor an https URL")
    name = unquote(parts.path.rpartition("/")[2])
    hint = f"fetch it by other means, and put it into {cache_folder() or 'the folder that LSTMCTL_CACHE names'}"
    if not name:
        raise UsageError(f"`{shown}` names no file: its path ends in nothing")
    if not SAFE_NAME.fullmatch(name) or not name.isprintable():
        raise UsageError(f"`{shown}` ends in `{name}`, which is not a safe name for a file", hint=hint)
    if len(name.encode()) > LONGEST_NAME:
        raise UsageError(f"the name of the file in `{shown}` is longer than {LONGEST_NAME} bytes", hint=hint)
    if (bundled.data() / name).exists():
        raise UsageError(
            f"{name} is the name of bundled data, which would be found first",
            hint="fetch it by other means, under another name",
        )
    return name


def _unknown(word: str, known: Mapping[str, Source]) -> UsageError:
    meant = near(word, known)
    return UsageError(
        f"`{word}` is not a known name{meant and f'; {meant}'}",
        hint=f"known are {', '.join(known)}; a URL begins with https://",
    )


def _present(source: Source, target: Path, sha256: str, *, fetched: bool) -> Downloaded:
    """The file at `target`, which should have the hash `sha256`.

    Raises:
        DataError: it has another, or cannot be read.
    """
    try:
        found, size = _sha256(target), target.stat().st_size
    except OSError as error:
        raise DataError(f"{target} is in the way and cannot be read: {error.strerror}") from error
    if found != sha256:
        raise DataError(
            f"{target} is there already with other content: its SHA-256 is {found}, that of {_shown(source.url)} is "
            f"{sha256}",
            hint="rename or remove it, then download again",
        )
    return Downloaded(source, target, size, sha256, fetched=fetched, was_there=True)


class _Limited:
    """A file that takes so many bytes and no more."""

    def __init__(self, file: BinaryIO, limit: int, refuse: Callable[[], NoReturn]) -> None:
        self.file, self.left, self.refuse = file, limit, refuse

    def write(self, content: bytes) -> None:
        self.left -= len(content)
        if self.left < 0:
            self.refuse()
        self.file.write(content)

    def flush(self) -> None:
        self.file.flush()


def _fetch(
    source: Source, temporary: Path, target: Path, progress: Progress | None, timeout: float, limit: int
) -> None:
    """Stream a URL into a new file.

    Raises:
        DataError: anything between here and the server went wrong, or there is more than `limit` bytes of it.
        OSError: the file cannot be written.
    """
    import pooch
    import requests

    def refuse() -> NoReturn:
        raise DataError(
            f"{_shown(source.url)} is larger than {limit:,} bytes; nothing was kept",
            hint="if that is right, allow more: --limit 2GB",
        )

    with ExitStack() as connections, temporary.open("wb") as file:

        def watch(response: Any, **_: object) -> None:
            connections.callback(response.close)
            # An answer such as 206 holds a part of the file, or none of it.
            if response.ok and not response.is_redirect and response.status_code != http.HTTPStatus.OK:
                raise DataError(
                    f"{_shown(source.url)} answered {response.status_code} {response.reason or ''}".rstrip()
                    + " instead of 200 with the whole file; nothing was kept",
                    hint=f"fetch it by other means and put it there: {target}",
                )
            length = response.headers.get("Content-Length", "")
            if response.ok and length.isdecimal() and int(length[:20]) > limit:
                refuse()
            # A body shorter than announced is an error; urllib3 took it for the whole before its version 2.
            response.raw.enforce_content_length = True

        transfer = pooch.HTTPDownloader(
            progressbar=False if progress is None else progress,
            chunk_size=CHUNK,
            timeout=timeout,
            headers={"Accept-Encoding": "identity"},  # lengths are then those of the file
            hooks={"response": watch},
        )
        try:
            transfer(source.url, _Limited(file, limit, refuse), None)
        except (requests.RequestException, ValueError) as error:  # ValueError: a Content-Length that is no number
            raise DataError(
                f"{_shown(source.url)} {_reason(error, timeout)}; nothing was kept",
                hint=f"check the address and the connection, or fetch it by other means and put it there: {target}",
            ) from error


def _reason(error: Exception, timeout: float) -> str:
    """What went wrong, from the innermost error that says so."""
    import requests

    chain: list[BaseException] = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(inner)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"answered {error.response.status_code} {error.response.reason or ''}".rstrip()
    if isinstance(error, requests.TooManyRedirects):
        return "leads in a circle: too many redirects"
    if isinstance(error, requests.exceptions.ProxyError):
        return "cannot be reached through the proxy that the environment names"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):  # of a body without chunks too
        return "broke off in the middle"
    for cause in reversed(chain):
        if isinstance(cause, TimeoutError):
            return f"stayed silent for {timeout:g} seconds"
        if isinstance(cause, socket.gaierror):
            return "cannot be reached: its host's name has no address"
        if isinstance(cause, ssl.SSLError):
            return f"has no secure connection: {getattr(cause, 'verify_message', None) or cause.reason}"
        if isinstance(cause, http.client.RemoteDisconnected):
            return "closed the connection without an answer"
        if isinstance(cause, http.client.HTTPException):
            return "does not answer in HTTP"
        if isinstance(cause, OSError) and cause.strerror:
            return f"cannot be reached: {cause.strerror}"
    return f"cannot be fetched: {error}"


def _shown(url: str) -> str:
    """A URL without the user's name and password."""
    before, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{before}{separator}{host.rpartition('@')[2]}{slash}{path}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_abandoned(folder: Path) -> None:
    """Delete what killed downloads left; one at work, in another process, touches its file far more often."""
    for leftover in folder.glob(".*.tmp-*"):
        with suppress(OSError):  # it has just been finished, or is another user's
            if time.time() - leftover.stat().st_mtime > ABANDONED:
                leftover.unlink()


@contextmanager
def _cache_errors(path: Path) -> Iterator[None]:
    """`disk_errors` with a way out that helps with downloads."""
    try:
        with disk_errors(path):
            yield
    except ResourceError as error:
        raise ResourceError(
            str(error), hint="free some space, or keep downloads elsewhere: LSTMCTL_CACHE=FOLDER"
        ) from error
