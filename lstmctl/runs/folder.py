"""Run folders: claimed by number, held by a lock, found by name."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lstmctl.errors import RunError
from lstmctl.locks import is_locked, locked
from lstmctl.runs.checkpoints import Checkpoints
from lstmctl.runs.comparisons import PLAN, SWEEP, list_comparisons, list_sweeps
from lstmctl.runs.facts import Facts, checked_facts
from lstmctl.runs.run_lock import claimed_folder
from lstmctl.storage import leftovers, read_json, remove_leftovers, replace_json, require_folder
from lstmctl.words import near

log = logging.getLogger(__name__)

FORMAT = 1
CALIBRATION, EVALUATION = "calibration.json", "evaluation.json"
FOLDERS = ("checkpoints", "plots")
"""Inside a run, where training writes."""
FINAL = ("finished", "diverged")
"""A run in one of these states is never made again: it would come out the same."""


def runs_root() -> Path:
    """Where runs are kept: `LSTMCTL_RUNS`, or `runs` in the current folder."""
    return Path(os.environ.get("LSTMCTL_RUNS") or "runs")


class RunFolder:
    """One run on the disk.

    Files: `config.yaml` (resolved; runs again as it is), `run.json` (facts and status), `encoding.json` (what the task
    needs to be rebuilt without its data), `calibration.json` (how wide a forecast's intervals are), `evaluation.json`
    (the figures of the reported part beside simple baselines), `metrics.jsonl`, `samples.txt`, `checkpoints/`,
    `best.safetensors` and `last.safetensors` (for people and other programs), `plots/`, `report.html`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = Checkpoints(path)

    @property
    def name(self) -> str:
        return self.path.name

    def info(self) -> Facts:
        """`run.json`.

        Raises:
            RunError: it is missing, damaged or of a newer format; so does asking for a fact that it lacks.
        """
        info = read_json(self.path / "run.json")
        if type(info.get("format")) is not int:
            raise RunError(f"{self.path / 'run.json'} states no format: not a run of lstmctl")
        if info["format"] > FORMAT:
            raise RunError(
                f"{self.path / 'run.json'} has format {info['format']} of a newer lstmctl; this one reads {FORMAT}"
            )
        return checked_facts(info, self.path / "run.json")

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
        return read_json(self.path / "encoding.json")

    def calibration(self) -> dict[str, Any] | None:
        """`calibration.json`; None where the run has none, or none yet.

        Raises:
            RunError: it is damaged.
        """
        path = self.path / CALIBRATION
        return read_json(path) if path.is_file() else None

    def config_path(self) -> Path:
        """The resolved config.

        Raises:
            RunError: it is missing.
        """
        path = self.path / "config.yaml"
        if not path.is_file():
            raise RunError(f"{path} is missing")
        return path

    @property
    def has_begun(self) -> bool:
        """Whether everything that training starts from is written: `run.json` comes last, in earlier versions
        `encoding.json` did."""
        return (self.path / "run.json").is_file() and (self.path / "encoding.json").is_file()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for writing; see `locks.locked`.

        Raises:
            RunError: a folder in which training writes is a link, which may lead out of the run.
        """
        for name in FOLDERS:
            require_folder(self.path / name)
        with locked(self.path):
            for name in FOLDERS:
                remove_leftovers(self.path / name)
            yield

    def has_leftovers(self) -> bool:
        """Return whether a killed process left temporary files here."""
        return any(leftovers(folder) for folder in (self.path, *(self.path / name for name in FOLDERS)))

    def is_held(self) -> bool:
        """Whether a process holds the lock now."""
        return is_locked(self.path)


@contextmanager
def claimed(root: Path, stem: str, name: str | None = None) -> Iterator[RunFolder]:
    """Make `root`/`stem`-NNN with the first free number, or `root`/`name`, and hold it for writing; see
    `run_lock.claimed_folder`.

    Raises:
        UsageError: the name is taken.
        ResourceError: the folder cannot be made or locked.
    """
    with claimed_folder(root, stem, name) as path:
        yield RunFolder(path)


def list_runs(root: Path) -> list[RunFolder]:
    """All runs below `root`, oldest first; one that may not be read is left out, with a warning."""
    if not root.is_dir():
        return []
    folders = [RunFolder(path) for path in root.iterdir() if _is_readable_run(path)]
    return sorted(folders, key=lambda folder: (*_order(folder), folder.name))


def _is_readable_run(path: Path) -> bool:
    try:
        return (path / "run.json").is_file()
    except OSError as error:
        log.warning("%s cannot be read and is left out: %s", path, error.strerror)
        return False


def next_order(root: Path) -> int:
    """A number above that of every run below `root`: the order of runs, whatever the clock says."""
    return max((_order(folder)[0] for folder in list_runs(root)), default=0) + 1


def find_run(name: str | None, root: Path, tasks: Sequence[Collection[str]] = ()) -> RunFolder:
    """The run whose weights a user means: a folder, a name under `root`, or the newest that has learned something.

    A run that diverged is found by its name alone, and so is one that has not got beyond its first weights.

    Args:
        name: `latest` for the newest of all; None for the newest that can do what is asked.
        root: where runs are looked for.
        tasks: that can, in groups: the newest run of the first group that has any is meant. Without groups all can.

    Raises:
        RunError: there is none; near-miss names are suggested.
    """
    if name is not None and name != "latest":
        return _named(name, root)
    known = list_runs(root)
    if usable := [folder for folder in known if _has_learned(folder)]:
        return usable[-1] if name == "latest" or not tasks else _newest_of(tasks, usable, root)
    if diverged := [folder for folder in known if _info_or_nothing(folder).get("status") == "diverged"]:
        raise RunError(
            f"no run under {root} has learned anything: the newest, {diverged[-1].name}, diverged",
            hint=f"name it to use its weights all the same: {diverged[-1].name}",
        )
    hint = "train one first: lstmctl train"
    compared = [folder for place in (root, *list_sweeps(root)) for folder in list_comparisons(place)]
    if inner := [run for folder in compared for run in list_runs(folder)]:
        hint = f"or name one that was compared, such as {inner[-1].path}"
    raise RunError(f"no run with a saved model under {root}", hint=hint)


def find_to_resume(name: str, root: Path) -> RunFolder:
    """The run to go on with: a folder, a name under `root`, or for `latest` the newest that is not finished.

    Where all are finished, `latest` is the newest of these, and where all diverged, the newest of all.

    Raises:
        RunError: there is none; near-miss names are suggested.
    """
    if name != "latest":
        return _named(name, root)
    known = [folder for folder in list_runs(root) if folder.has_begun]
    statuses = {folder.path: _info_or_nothing(folder).get("status") for folder in known}
    open_ones = [folder for folder in known if statuses[folder.path] not in FINAL]
    finished = [folder for folder in known if statuses[folder.path] == "finished"]
    return _newest(open_ones or finished or known, root)


def find_any(name: str | None, root: Path) -> RunFolder:
    """The run to look at: a folder, a name under `root`, or for `latest` and None the newest, whatever became of it.

    Raises:
        RunError: there is none; near-miss names are suggested.
    """
    return _newest(list_runs(root), root) if name in (None, "latest") else _named(str(name), root)


def _newest(folders: Sequence[RunFolder], root: Path) -> RunFolder:
    if not folders:
        raise RunError(f"no run under {root}", hint="train one first: lstmctl train")
    return folders[-1]


def _has_learned(folder: RunFolder) -> bool:
    """Whether a run has a saved model, and more than the weights it began with."""
    status = _info_or_nothing(folder).get("status")
    if status in ("finished", "interrupted"):
        return (folder.path / "last.safetensors").is_file() or bool(folder.checkpoints.steps_on_disk())
    try:
        return status != "diverged" and folder.checkpoints.pointers().get("last", 0) > 0
    except RunError:
        return max(folder.checkpoints.steps_on_disk(), default=0) > 0


def _named(name: str, root: Path) -> RunFolder:
    """The run that is a folder, or of a name under `root`."""
    for path in (root / name, Path(name)):
        try:
            if (path / "run.json").is_file():
                return RunFolder(path)
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror}") from error
    for path in (root / name, Path(name)):
        if (path / PLAN).is_file():
            runs = ", ".join(folder.name for folder in list_runs(path)[:3])
            raise RunError(
                f"{path} is a comparison; name one of its runs", hint=f"{path}/NAME, with {runs or 'none yet'}"
            )
        if (path / SWEEP).is_file():
            runs = ", ".join(str(run.path) for folder in list_comparisons(path)[:1] for run in list_runs(folder)[:3])
            raise RunError(
                f"{path} is a sweep of comparisons; name a run of one of them", hint=f"such as {runs or 'none yet'}"
            )
    for path in (root / name, Path(name)):
        if path.is_dir():
            raise RunError(
                f"{path} is a folder without run.json: not a run of lstmctl, or one that was killed before it began"
            )
    hint = near(Path(name).name, [folder.name for folder in list_runs(root)]) or "lstmctl runs list shows what there is"
    raise RunError(f"no run `{name}`, neither as a folder nor under {root}", hint=hint)


def now() -> str:
    """The time, to the second, with its zone."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _newest_of(tasks: Sequence[Collection[str]], folders: Sequence[RunFolder], root: Path) -> RunFolder:
    """The newest of the first group of tasks that any of `folders`, oldest first, is of.

    Raises:
        RunError: there is none.
    """
    known = [(folder, _info_or_nothing(folder).get("task")) for folder in reversed(folders)]
    for group in tasks:
        for folder, task in known:
            if task in group:
                return folder
    *others, last = [task for group in tasks for task in group]
    wanted = f"{', '.join(others)} or {last}" if others else last
    newest, task = known[0]
    raise RunError(
        f"no run under {root} is of the task {wanted}: the newest, {newest.name}, is of the task {task or 'unknown'}",
        hint="lstmctl config list shows what trains one",
    )


def _order(folder: RunFolder) -> tuple[int, str]:
    """A run's number, and its time for two that began at once."""
    info = _info_or_nothing(folder)
    order = info.get("order")
    return order if type(order) is int else 0, str(info.get("started", ""))


def _info_or_nothing(folder: RunFolder) -> Mapping[str, Any]:
    """`run.json`; nothing of a damaged one, so that it does not hide the other runs."""
    try:
        return folder.info()
    except RunError:
        return {}
