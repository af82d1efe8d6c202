"""Runs on machines that do not see their comparison's folder: what such a run needs, and what comes back, as bytes.

There, the data is written to the cache, under its fingerprint and once for all runs. The run is made in a scratch
folder with the layout of a comparison's folder. Its files come back while it trains, so that it can continue elsewhere,
and at its end. Only bytes and their names travel; nothing is unpickled from a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from lstmctl.cache import cache_folder
from lstmctl.comparison.execution import Exit, Job
from lstmctl.comparison.plan import read_plan
from lstmctl.config import Settings
from lstmctl.config.schema import AudioData
from lstmctl.data.clips import find_clips
from lstmctl.data.dependencies import table_beside
from lstmctl.data.locating import text_files
from lstmctl.data.prepared_folder import is_prepared
from lstmctl.errors import DataError, ResourceError, RunError
from lstmctl.locks import is_locked, locked
from lstmctl.runs.checkpoints import POINTERS
from lstmctl.runs.comparisons import PLAN
from lstmctl.runs.folder import RunFolder, next_order
from lstmctl.runs.run_lock import LOCKS
from lstmctl.storage import (
    disk_errors,
    is_leftover,
    new_folder,
    rename_over,
    replace_file,
    replace_json,
    require_folder,
    sync,
)

SECONDS_BETWEEN_RETURNS = 30.0
"""Least time between two returns of a run in training: what a lost machine costs at most, besides `save_every`."""
PIECE = 2**26
"""Bytes of data that travel at once, and so the memory that data of any size needs."""
PATIENCE = 3600.0
"""Seconds to wait for another run of the machine that writes the same data."""
ATTEMPTS = 100
"""Attempts to read a run that trains."""
ELSEWHERE = "set LSTMCTL_CACHE on that machine to a folder on another disk"

Piece = list[tuple[str, bytes]]
"""Parts of files, in order: the name, relative to the folder they have in common, and the bytes."""


@dataclass(frozen=True)
class SentData:
    """A file or folder that a config names, and the files that are read with it."""

    name: str
    """Its path below the folder into which it is unpacked."""
    fingerprint: str
    """SHA-256 of all names and contents."""
    pieces: tuple[Any, ...]
    """A handle of each piece, such as a reference into an object store."""


@dataclass(frozen=True)
class State:
    """All files of a run at one moment."""

    names: Mapping[str, str]
    """SHA-256 by relative name."""
    contents: Mapping[str, bytes]
    """By SHA-256, those that the receiver does not have."""


@dataclass(frozen=True)
class Needs:
    """Everything that a run needs on a machine that does not see the folder of its comparison."""

    plan: Mapping[str, bytes]
    """The plan, and the sources of users' own cells, by file name."""
    run: State
    """The run so far; empty if it has not begun."""
    data: Mapping[str, SentData]
    """By the path that the plan has for it."""
    seconds_between_returns: float


def data_names(settings: Settings) -> list[str]:
    """Return the paths that a run's settings have for its data; bundled and generated data have none."""
    data = settings.data
    groups = (getattr(data, key, None) for key in (data.source, "test", "holidays"))
    return [name for group in groups if isinstance(group, tuple) for name in group if Path(name).is_absolute()]


def pack(name: str, settings: Settings, keep: Callable[[Piece], Any]) -> SentData:
    """Read the data that `settings` name, piece by piece.

    Args:
        name: one of `data_names`.
        settings: of the run.
        keep: stores a piece and returns its handle.

    Raises:
        DataError: it cannot be read.
    """
    path = Path(name)
    files = sorted({Path(os.path.normpath(file)) for file in _files_read(path, settings)})
    # With the folder's name, which is the label of a single clip.
    root = Path(os.path.commonpath([path.parent.parent, *(file.parent for file in files)]))
    kept, digest = [], hashlib.sha256()
    try:
        for piece in _pieces(root, [file.relative_to(root).as_posix() for file in files]):
            _add(piece, digest)
            kept.append(keep(piece))
    except OSError as error:
        raise DataError(f"{error.filename or name} cannot be read: {error.strerror}") from error
    return SentData(path.relative_to(root).as_posix(), digest.hexdigest(), tuple(kept))


def _files_read(path: Path, settings: Settings) -> Iterable[Path]:
    if isinstance(settings.data, AudioData):
        clips, _ = find_clips([str(path)], settings.data.file_names, settings.task.type, None, is_own=False)
        return [*([path] if path.is_file() else []), *(clip.path for clip in clips)]
    files = [path] if is_prepared(path) else text_files(path)
    beside = table_beside(files)
    if is_prepared(path):
        files = [file for file in path.iterdir() if file.is_file() and file.name not in LOCKS]
    return [*files, *([beside] if beside is not None else [])]


def _pieces(root: Path, names: Iterable[str]) -> Iterator[Piece]:
    piece: Piece = []
    room = PIECE
    for name in names:
        with (root / name).open("rb") as file:
            content = file.read(room)
            piece.append((name, content))
            while len(content) == room:
                yield piece
                content, room = file.read(PIECE), PIECE
                piece = [(name, content)]
            room -= len(content)
    yield piece


def _add(piece: Piece, digest: hashlib._Hash) -> None:
    for name, content in piece:
        digest.update(json.dumps([name, len(content)]).encode() + content)


def unpack(data: SentData, fetch: Callable[[Any], Piece]) -> Path:
    """Return where data is in this machine's cache, after writing it if no other run has.

    Args:
        data: returned by `pack`.
        fetch: returns the piece of a handle.

    Raises:
        ResourceError: the machine has no cache, its disk is full, or the cached files are damaged.
    """
    folder = _cache("data") / data.fingerprint
    with disk_errors(folder, remedy=ELSEWHERE):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, PATIENCE):
        files, temporary = folder / "files", folder / f".files.tmp-{os.getpid()}"
        if not files.is_dir():
            with disk_errors(files, remedy=ELSEWHERE):
                try:
                    _write(temporary, data, fetch)
                    rename_over(temporary, files)
                finally:
                    shutil.rmtree(temporary, ignore_errors=True)
    return files / data.name


def _write(folder: Path, data: SentData, fetch: Callable[[Any], Piece]) -> None:
    names: dict[str, None] = {}
    for kept in data.pieces:
        for name, content in fetch(kept):
            path = folder / _checked(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(content)
                file.flush()
                sync(file.fileno())
            names[name] = None
    digest = hashlib.sha256()
    for piece in _pieces(folder, names):
        _add(piece, digest)
    if digest.hexdigest() != data.fingerprint:
        raise ResourceError(f"{folder} is not a copy of the data sent: its SHA-256 is {digest.hexdigest()[:16]}…")


def _checked(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise RunError(f"`{name}` would be written outside of its folder")
    return name


def _cache(kind: str) -> Path:
    folder = cache_folder()
    if folder is None:
        raise ResourceError(
            "no home folder to keep the data in that runs are sent", hint="set one there: LSTMCTL_CACHE=FOLDER"
        )
    return (folder / "sent" / kind).absolute()


def state_of(run: Path, known: Collection[str] = ()) -> State:
    """Read all files of a run, which may be training: its checkpoints are whole, and its logs reach as far as they do.

    Args:
        run: its folder.
        known: the SHA-256 of contents to leave out.

    Raises:
        RunError: it changes faster than it can be read.
    """
    for _ in range(ATTEMPTS):
        before = _pointers(run)
        try:
            files = {path.relative_to(run).as_posix(): path.read_bytes() for path in _files_of(run)}
        except FileNotFoundError:  # deleted in the meantime
            continue
        if _pointers(run) == before:
            names = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
            contents = {names[name]: content for name, content in files.items() if names[name] not in known}
            return State(names, contents)
    raise RunError(f"{run} changes faster than it can be read")


def _pointers(run: Path) -> bytes | None:
    path = run / "checkpoints" / POINTERS
    return path.read_bytes() if path.is_file() else None


def _files_of(run: Path) -> list[Path]:
    return [
        path
        for path in run.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and not any(part in LOCKS or is_leftover(part) for part in path.relative_to(run).parts)
    ]


def adopt(state: State, run: Path, had: Mapping[str, str], order: int | None = None) -> None:
    """Bring a run's folder to a state. If that is cut short, the run continues from the old checkpoint or the new one.

    Args:
        state: of the same run elsewhere.
        run: its folder, held for writing.
        had: the names of the state that the folder is in.
        order: for `run.json`; None to keep the state's own.

    Raises:
        RunError: a file would be outside of the folder.
        ResourceError: the disk is full.
    """
    if not state.names:  # it has not begun
        return
    places = {digest: run / name for name, digest in had.items()}
    changed = {
        _checked(name): state.contents[digest] if digest in state.contents else places[digest].read_bytes()
        for name, digest in state.names.items()
        if had.get(name) != digest
    }
    # A checkpoint never changes, so a new file of one means a new checkpoint.
    for step in {parent for name in changed if len((parent := PurePosixPath(name).parent).parts) == 2}:
        with new_folder(run / step) as folder:
            for name in [name for name in changed if PurePosixPath(name).parent == step]:
                (folder / PurePosixPath(name).name).write_bytes(changed.pop(name))
    # Pointers follow the checkpoints and the logs, and `run.json`, which says that a run is finished, follows all else.
    for name in sorted(changed, key=lambda name: (name == "run.json", name.startswith("checkpoints/"))):
        with disk_errors(run / name):
            (run / name).parent.mkdir(exist_ok=True)
        if name == "run.json" and order is not None:
            replace_json(run / name, {**json.loads(changed[name]), "order": order})
        else:
            replace_file(run / name, changed[name])
    with disk_errors(run):
        for path in _files_of(run):
            if path.relative_to(run).as_posix() not in state.names:
                path.unlink()
                if path.parent.parent.name == "checkpoints" and not any(path.parent.iterdir()):
                    path.parent.rmdir()


class Away:
    """A run that is made on another machine: its folder here, which this process holds for writing.

    Raises:
        RunError: another process holds it, or it is a link.
        ResourceError: it cannot be written.
    """

    def __init__(self, job: Job) -> None:
        self._job, self._run = job, RunFolder(job.folder / job.run.name)
        require_folder(self._run.path)
        with disk_errors(self._run.path):
            self._run.path.mkdir(exist_ok=True)
        self._lock = ExitStack()
        self._lock.enter_context(self._run.locked())
        self._had: Mapping[str, str] = {}

    def needs(self, keep: Callable[[Piece], Any], sent: dict[str, SentData]) -> Needs:
        """Return the files and the data that the run needs there.

        Args:
            keep: see `pack`.
            sent: data that was packed before, by its path; more is added.

        Raises:
            DataError: data cannot be read.
            RunError: the plan or the run cannot.
        """
        folder = self._job.folder
        plan = read_plan(folder, trust=True)  # consent was given when the plan was made or resumed
        settings = plan.settings(self._job.run)
        names = data_names(settings)
        for name in names:
            if name not in sent:
                sent[name] = pack(name, settings, keep)
        sources = {f"{arm.cell.partition(':')[0]}.py" for arm in plan.arms if arm.cell_source is not None}
        files = {name: (folder / name).read_bytes() for name in (PLAN, *sources) if (folder / name).is_file()}
        run = state_of(self._run.path) if self._run.has_begun else State({}, {})
        self._had = run.names
        return Needs(files, run, {name: sent[name] for name in names}, SECONDS_BETWEEN_RETURNS)

    def take(self, state: State) -> None:
        """Write a state that came back.

        Raises:
            ResourceError: the disk is full.
        """
        run = self._run
        # There, it is the only run.
        order = run.info().get("order") if run.has_begun else next_order(self._job.folder)
        adopt(state, run.path, self._had, order)
        self._had = state.names

    def close(self) -> None:
        """Let others write to the run's folder."""
        self._lock.close()


class Visit:
    """A run on a machine that does not see its comparison's folder.

    Args:
        needs: files and data from the comparison's machine.
        run: the name of the run.
        home: the comparison's folder, where it was sent from.
        fetch: see `unpack`.

    Raises:
        ResourceError: the machine has no cache, or its disk is full.
        RunError: another process uses the cache for too long.
    """

    def __init__(self, needs: Needs, run: str, home: Path, fetch: Callable[[Any], Piece]) -> None:
        self._home, self._needs = home, needs
        with ExitStack() as undo:
            self.folder = undo.enter_context(_scratch_folder())
            self.data = self.folder / "data.json"
            """Says where the data is."""
            replace_json(self.data, {name: str(unpack(data, fetch)) for name, data in needs.data.items()})
            for name, content in needs.plan.items():
                replace_file(self.folder / _checked(name), content, remedy=ELSEWHERE)
            self._run = self.folder / run
            with disk_errors(self._run, remedy=ELSEWHERE):
                self._run.mkdir()
            adopt(needs.run, self._run, {})
            self._scratch = undo.pop_all()
        self._known: Collection[str] = set(needs.run.names.values())
        self._due = time.monotonic() + needs.seconds_between_returns

    def passed_on(self, message: Mapping[str, Any] | Exit) -> Iterator[Mapping[str, Any] | Exit | State]:
        """Yield a message of the run with the paths of its home, and its files if it is time for them. With the last
        message, the scratch folder is removed."""
        if isinstance(message, Exit):
            yield self._state()
            self.close()
        elif "path" in message:
            message = {**message, "path": str(self._home / Path(message["path"]).relative_to(self.folder))}
        yield message
        if not isinstance(message, Exit) and message.get("kind") == "Saved" and time.monotonic() >= self._due:
            yield self._state()
            self._due = time.monotonic() + self._needs.seconds_between_returns

    def _state(self) -> State:
        state = state_of(self._run, self._known)
        self._known = set(state.names.values())
        return state

    def close(self) -> None:
        """Remove the scratch folder."""
        self._scratch.close()


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    """Hold a new folder in the cache, and remove those of processes that were killed."""
    root = _cache("runs")
    with disk_errors(root, remedy=ELSEWHERE):
        root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with locked(root, PATIENCE), disk_errors(root, remedy=ELSEWHERE):
            for folder in root.iterdir():
                if folder.is_dir() and not is_locked(folder):
                    shutil.rmtree(folder, ignore_errors=True)
            folder = root / uuid4().hex
            folder.mkdir()
            held.enter_context(locked(folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
