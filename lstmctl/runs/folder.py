"""Run folders: created by number, held by a lock, found by name."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from lstmctl.errors import RunError
from lstmctl.locks import is_locked, locked
from lstmctl.runs.checkpoints import Checkpoints
from lstmctl.runs.comparisons import PLAN, SWEEP, is_ensemble, list_comparisons, list_sweeps
from lstmctl.runs.facts import Facts, checked_facts
from lstmctl.runs.hub import fetched, is_on_hub
from lstmctl.runs.index import read_facts
from lstmctl.runs.run_lock import claimed_folder
from lstmctl.storage import leftovers, read_json, remove_leftovers, replace_json, require_folder
from lstmctl.words import near

log = logging.getLogger(__name__)

FORMAT = 1
CALIBRATION, EVALUATION = "calibration.json", "evaluation.json"
FINAL_WEIGHTS = "final.safetensors"
"""Weights that forecasts are made with, trained further on all rows."""
INITIAL_WEIGHTS = "initial.safetensors"
"""Weights that training began with, of a run that was started from another's."""
FOLDERS = ("checkpoints", "plots")
"""Folders in a run to which training writes."""
FINAL = ("finished", "diverged")
"""A run with one of these states is never repeated, since the result would be the same."""


def runs_root() -> Path:
    """The folder of runs: `LSTMCTL_RUNS`, or `runs` in the current folder."""
    return Path(os.environ.get("LSTMCTL_RUNS") or "runs")


class RunFolder:
    """One run on disk.

    Files: `config.yaml` (resolved; can be run unchanged), `run.json` (facts and status), `encoding.json` (to rebuild
    the task without its data), `calibration.json` (what the validation part settled after training),
    `evaluation.json` (metrics of the reported part and of simple baselines), `metrics.jsonl`, `samples.txt`,
    `checkpoints/`, `best.safetensors` and `last.safetensors` (for people and other programs), `plots/`,
    `report.html`.
    """

    def __init__(self, path: Path, listed: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self.listed = listed
        """Facts known from listing all runs, as they were then; empty for a damaged run, None if it was not listed."""

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """Its checkpoints."""
        return Checkpoints(self.path)

    @property
    def name(self) -> str:
        return self.path.name or self.path.absolute().name  # of `.`

    def info(self) -> Facts:
        """`run.json`.

        Raises:
            RunError: it is missing, damaged or of a newer format; reading a missing fact also raises it.
        """
        info = read_json(self.path / "run.json")
        if type(info.get("format")) is not int:
            raise RunError(f"{self.path / 'run.json'} has no format: it does not belong to a run of lstmctl")
        if info["format"] > FORMAT:
            raise RunError(
                f"{self.path / 'run.json'} has format {info['format']} of a newer lstmctl; this one reads {FORMAT}"
            )
        return checked_facts(info, self.path / "run.json")

    def update(self, **facts: Any) -> None:
        """Set facts in `run.json`, atomically."""
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
        """`calibration.json`; None if the run has none.

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
        """True if everything that training starts from has been written: `run.json` comes last; in earlier versions,
        `encoding.json` did."""
        return (self.path / "run.json").is_file() and (self.path / "encoding.json").is_file()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for writing; see `locks.locked`.

        Raises:
            RunError: a folder to which training writes is a link, which may lead out of the run.
        """
        for name in FOLDERS:
            require_folder(self.path / name)
        with locked(self.path):
            for name in FOLDERS:
                remove_leftovers(self.path / name)
            yield

    def has_leftovers(self) -> bool:
        """Return True if a killed process left temporary files here."""
        return any(leftovers(folder) for folder in (self.path, *(self.path / name for name in FOLDERS)))

    def is_held(self) -> bool:
        """True if a process holds the lock now."""
        return is_locked(self.path)


@contextmanager
def claimed(root: Path, stem: str, name: str | None = None) -> Iterator[RunFolder]:
    """Make `root`/`stem`-NNN with the first free number, or `root`/`name`, and hold it for writing; see
    `run_lock.claimed_folder`.

    Raises:
        UsageError: the name is taken.
        ResourceError: the folder cannot be created or locked.
    """
    with claimed_folder(root, stem, name) as path:
        yield RunFolder(path)


def list_runs(root: Path) -> list[RunFolder]:
    """All runs below `root`, oldest first; an unreadable one is left out, with a warning."""
    if not root.is_dir():
        return []
    facts = read_facts(root, lambda path: RunFolder(path).info())
    folders = [RunFolder(root / name, listed) for name, listed in facts.items()]
    return sorted(folders, key=lambda folder: (*_order(folder), folder.name))


def next_order(root: Path) -> int:
    """Return the next run number below `root`. The numbers define the order of runs, independently of the clock."""
    return max((_order(folder)[0] for folder in list_runs(root)), default=0) + 1


def find_run(name: str | None, root: Path, tasks: Sequence[Collection[str]] = ()) -> RunFolder:
    """Return the run whose weights a user means: a folder, a name under `root`, or the newest that was trained.

    A run that diverged, or that has only its initial weights, is found only by name.

    Args:
        name: a folder, a name, or an address on the Hub; `latest` for the newest of all; None for the newest with the
            requested ability.
        root: the folder to search.
        tasks: suitable tasks, in groups: the newest run of the first group that has any is returned. Without groups,
            all are suitable.

    Raises:
        RunError: there is none; similar names are suggested.
    """
    if name is not None and name != "latest":
        return _named(name, root)
    known = list_runs(root)
    usable = filter(_has_learned, reversed(known))
    if (newest := next(usable, None)) is not None:
        return newest if name == "latest" or not tasks else _newest_of(tasks, itertools.chain([newest], usable), root)
    if diverged := [folder for folder in known if _info_or_nothing(folder).get("status") == "diverged"]:
        raise RunError(
            f"no run under {root} is usable: the newest, {diverged[-1].name}, diverged",
            hint=f"name it to use its weights anyway: {diverged[-1].name}",
        )
    hint = "train one first: lstmctl train"
    compared = [folder for place in (root, *list_sweeps(root)) for folder in list_comparisons(place)]
    if inner := [run for folder in compared for run in list_runs(folder)]:
        hint = f"or name a run of a comparison, such as {inner[-1].path}"
    raise RunError(f"no run with a saved model under {root}", hint=hint)


def find_ensemble(name: str | None, root: Path, tasks: Collection[str]) -> Path | None:
    """Return the finished comparison of one arm that a user means, or None if a run is meant.

    Args:
        name: a folder or a name under `root`; for `latest` and None, the newest is meant if it began after every run.
        root: the folder to search.
        tasks: suitable ones for the newest.
    """
    if name is not None and name != "latest":
        return next((path for path in (root / name, Path(name)) if is_ensemble(path)), None)
    found = [(_began(runs), path) for path in list_comparisons(root) if is_ensemble(path) and (runs := list_runs(path))]
    if not found:
        return None
    began, path = max(found, key=lambda one: one[0])
    is_suitable = _info_or_nothing(list_runs(path)[0]).get("task") in tasks
    known = [folder for folder in list_runs(root) if _has_learned(folder)]
    return path if is_suitable and began > _began(known) else None


def find_to_resume(name: str, root: Path) -> RunFolder:
    """Return the run to resume: a folder, a name under `root`, or for `latest` the newest that is not finished.

    If all are finished, `latest` is the newest of these; if all diverged, the newest of all.

    Raises:
        RunError: there is none; similar names are suggested.
    """
    if name != "latest":
        folder = _named(name, root)
        if _info_or_nothing(folder).get("published"):
            raise RunError(
                f"{name} was published without checkpoints, so its training cannot continue",
                hint=f"start a new run from its weights: lstmctl train CONFIG --init-from {name}",
            )
        return folder
    known = [folder for folder in list_runs(root) if folder.has_begun]
    statuses = {folder.path: _info_or_nothing(folder).get("status") for folder in known}
    open_ones = [folder for folder in known if statuses[folder.path] not in FINAL]
    finished = [folder for folder in known if statuses[folder.path] == "finished"]
    return _newest(open_ones or finished or known, root)


def find_any(name: str | None, root: Path) -> RunFolder:
    """Return the run to show: a folder, a name under `root`, or for `latest` and None the newest, whatever its status.

    Raises:
        RunError: there is none; similar names are suggested.
    """
    return _newest(list_runs(root), root) if name in (None, "latest") else _named(str(name), root)


def _newest(folders: Sequence[RunFolder], root: Path) -> RunFolder:
    if not folders:
        raise RunError(f"no run under {root}", hint="train one first: lstmctl train")
    return folders[-1]


def _has_learned(folder: RunFolder) -> bool:
    """Return True if a run has a saved model that was trained."""
    status = _info_or_nothing(folder).get("status")
    if status in ("finished", "interrupted"):
        return (folder.path / "last.safetensors").is_file() or bool(folder.checkpoints.steps_on_disk())
    try:
        return status != "diverged" and folder.checkpoints.pointers().get("last", 0) > 0
    except RunError:
        return max(folder.checkpoints.steps_on_disk(), default=0) > 0


def _named(name: str, root: Path) -> RunFolder:
    """Return the run that is a folder, that has a name under `root`, or that is on the Hub."""
    if is_on_hub(name):
        return RunFolder(fetched(name))
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
                f"{path} is a folder without run.json: it is not a run of lstmctl, or was killed before it began"
            )
    hint = near(Path(name).name, [folder.name for folder in list_runs(root)]) or "lstmctl runs list shows all runs"
    raise RunError(f"no run `{name}`, neither as a folder nor under {root}", hint=hint)


def now() -> str:
    """The current time, to the second, with its zone."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _newest_of(tasks: Sequence[Collection[str]], folders: Iterable[RunFolder], root: Path) -> RunFolder:
    """Return the newest of the first group of tasks that any of `folders`, newest first, has.

    Raises:
        RunError: there is none.
    """
    known = []
    for folder in folders:
        task = _info_or_nothing(folder).get("task")
        if task in tasks[0]:
            return folder
        known.append((folder, task))
    for group in tasks[1:]:
        for folder, task in known:
            if task in group:
                return folder
    *others, last = [task for group in tasks for task in group]
    wanted = f"{', '.join(others)} or {last}" if others else last
    newest, task = known[0]
    raise RunError(
        f"no run under {root} is of the task {wanted}: the newest, {newest.name}, is of the task {task or 'unknown'}",
        hint="lstmctl config list shows configs that train one",
    )


def _began(folders: Sequence[RunFolder]) -> str:
    """The time at which the last of these runs began."""
    return max((str(_info_or_nothing(folder).get("started", "")) for folder in folders), default="")


def _order(folder: RunFolder) -> tuple[int, str]:
    """A run's number, and its start time for two that began simultaneously."""
    info = _info_or_nothing(folder)
    order = info.get("order")
    return order if type(order) is int else 0, str(info.get("started", ""))


def _info_or_nothing(folder: RunFolder) -> Mapping[str, Any]:
    """The facts of a run; empty for a damaged one, so that it does not hide the other runs."""
    if folder.listed is not None:
        return folder.listed
    try:
        return folder.info()
    except RunError:
        return {}
