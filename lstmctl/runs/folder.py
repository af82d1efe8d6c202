"""Run folders: claimed by number, held by a lock, found by name."""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

from lstmctl.errors import RunError
from lstmctl.runs.checkpoint import Checkpoints
from lstmctl.storage import disk_errors, remove_leftovers, replace_json

FORMAT = 1


def runs_root() -> Path:
    """Where runs are kept: `LSTMCTL_RUNS`, or `runs` in the current folder."""
    return Path(os.environ.get("LSTMCTL_RUNS") or "runs")


class RunFolder:
    """One run on the disk.

    Files: `config.yaml` (resolved; runs again as it is), `run.json` (facts and status), `encoding.json` (what the task
    needs to be rebuilt without its data), `metrics.jsonl`, `samples.txt`, `checkpoints/`, `best.safetensors` and
    `last.safetensors` (for people and other programs), `plots/`, `report.html`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = Checkpoints(path)

    @property
    def name(self) -> str:
        return self.path.name

    def info(self) -> dict[str, Any]:
        """`run.json`.

        Raises:
            RunError: it is missing, damaged or of a newer format.
        """
        info = self._json("run.json")
        if type(info.get("format")) is not int:
            raise RunError(f"{self.path / 'run.json'} states no format: not a run of lstmctl")
        if info["format"] > FORMAT:
            raise RunError(
                f"{self.path / 'run.json'} has format {info['format']} of a newer lstmctl; this one reads {FORMAT}"
            )
        return info

    def update(self, **facts: Any) -> None:
        """Set facts in `run.json`, in one step."""
        path = self.path / "run.json"
        known = self.info() if path.exists() else {"format": FORMAT}
        replace_json(path, {**known, **facts})

    def encoding(self) -> dict[str, Any]:
        """`encoding.json`.

        Raises:
            RunError: it is missing or damaged.
        """
        return self._json("encoding.json")

    def config_path(self) -> Path:
        """The resolved config.

        Raises:
            RunError: it is missing.
        """
        path = self.path / "config.yaml"
        if not path.is_file():
            raise RunError(f"{path} is missing")
        return path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for writing. The system frees the lock however the holder ends.

        Raises:
            RunError: another process holds it; it is named.
        """
        path = self.path / "lock"
        with disk_errors(path):
            file = path.open("a+b", buffering=0)
        with file:
            if not _lock(file):
                file.seek(0)
                holder = file.read().decode("utf-8", "replace").strip() or "an unknown process"
                raise RunError(f"{self.path} is in use by {holder}", hint="wait for it, or stop it")
            with disk_errors(path):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
                for folder in (self.path, self.path / "checkpoints"):
                    remove_leftovers(folder)
            try:
                yield
            finally:
                with disk_errors(path):
                    file.truncate(0)

    def is_held(self) -> bool:
        """Whether a process holds the lock now."""
        try:
            with (self.path / "lock").open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            data = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise RunError(f"{path} is missing: not a run of lstmctl") from error
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{path} cannot be read: {error}") from error
        if not isinstance(data, dict):
            raise RunError(f"{path} must hold a JSON object")
        return data


def _lock(file: FileIO) -> bool:
    """Take a lock file for writing. `is_held` holds it for a moment too, so one refusal says nothing yet."""
    for attempt in range(10):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01 * attempt)
        else:
            return True
    return False


def claim(root: Path, stem: str) -> RunFolder:
    """Make `root`/`stem`-NNN with the first free number; two processes never get the same.

    Raises:
        ResourceError: the folder cannot be made.
    """
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        taken = [
            int(match[1]) for path in root.iterdir() if (match := re.fullmatch(rf"{re.escape(stem)}-(\d+)", path.name))
        ]
        number = max(taken, default=0) + 1
        while True:
            path = root / f"{stem}-{number:03d}"
            try:
                path.mkdir()
            except FileExistsError:
                number += 1
                continue
            return RunFolder(path)


def list_runs(root: Path) -> list[RunFolder]:
    """All runs below `root`, oldest first."""
    if not root.is_dir():
        return []
    folders = [RunFolder(path) for path in root.iterdir() if (path / "run.json").is_file()]
    return sorted(folders, key=lambda folder: (*_order(folder), folder.name))


def next_order(root: Path) -> int:
    """A number above that of every run below `root`: the order of runs, whatever the clock says."""
    return max((_order(folder)[0] for folder in list_runs(root)), default=0) + 1


def find_run(name: str | None, root: Path) -> RunFolder:
    """The run that a user means: a folder, a name under `root`, or (`latest`, None) the newest with a saved model.

    Raises:
        RunError: there is none; near-miss names are suggested.
    """
    if name in (None, "latest"):
        usable = [folder for folder in list_runs(root) if (folder.path / "last.safetensors").is_file()]
        if not usable:
            raise RunError(f"no run with a saved model under {root}", hint="train one first: lstmctl train")
        return usable[-1]
    assert name is not None
    for path in (root / name, Path(name)):
        if (path / "run.json").is_file():
            return RunFolder(path)
    if Path(name).is_dir():
        raise RunError(f"{name} is a folder without run.json: not a run of lstmctl")
    from difflib import get_close_matches

    close = get_close_matches(Path(name).name, [folder.name for folder in list_runs(root)], n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "lstmctl runs list shows what there is"
    raise RunError(f"no run `{name}`, neither as a folder nor under {root}", hint=hint)


def now() -> str:
    """The time, to the second, with its zone."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _order(folder: RunFolder) -> tuple[int, str]:
    """A run's number, and its time for two that began at once."""
    try:
        info: Mapping[str, Any] = folder.info()
    except RunError:
        return 0, ""
    order = info.get("order")
    return order if type(order) is int else 0, str(info.get("started", ""))
