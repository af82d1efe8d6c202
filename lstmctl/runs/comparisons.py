"""Comparisons on the disk: folders with a plan, whose runs lie inside them; and sweeps, folders of comparisons."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

from lstmctl.errors import RunError
from lstmctl.locks import is_locked
from lstmctl.runs.facts import is_count
from lstmctl.storage import read_json, replace_json
from lstmctl.words import near

log = logging.getLogger(__name__)

PLAN, RESULT, SWEEP, REPORT = "plan.json", "comparison.json", "sweep.json", "report.html"
SEARCH, SEARCH_RESULT = "search.json", "result.json"


def list_comparisons(root: Path) -> list[Path]:
    """The folders of all comparisons below `root`, oldest first."""
    return _in_order(root, PLAN)


def list_sweeps(root: Path) -> list[Path]:
    """The folders of all sweeps below `root`, oldest first."""
    return _in_order(root, SWEEP)


def list_searches(root: Path) -> list[Path]:
    """The folders of all searches below `root`, oldest first."""
    return _in_order(root, SEARCH)


def find_search(name: str, root: Path) -> Path:
    """Return the folder of the search to continue: a path, a name under `root`, or `latest`, the newest unfinished.

    Raises:
        RunError: there is none; similar names are suggested.
    """
    known = list_searches(root)
    if name == "latest" and known:
        return next((path for path in reversed(known) if not (path / SEARCH_RESULT).is_file()), known[-1])
    for path in (root / name, Path(name)):
        if (path / SEARCH).is_file():
            return path
    hint = near(Path(name).name, [path.name for path in known]) or "lstmctl runs list shows all searches"
    raise RunError(f"no search `{name}`, neither as a folder nor under {root}", hint=hint)


def summarise_search(folder: Path) -> dict[str, Any]:
    """Name, path, status, space and number of trials of a search; the status of a damaged one is `damaged`."""
    row: dict[str, Any] = {"search": folder.name, "path": str(folder), "status": "damaged", "space": [], "trials": 0}
    try:
        contents = read_json(folder / SEARCH)
    except RunError as error:
        log.warning("%s", error)
        return row
    space, trials = contents.get("space"), contents.get("trials")
    row["space"] = [str(text) for text in space] if isinstance(space, list) else []
    row["trials"] = trials if is_count(trials) else 0
    running = is_locked(folder)
    row["status"] = "finished" if (folder / SEARCH_RESULT).is_file() else "running" if running else "stopped"
    return row


def are_folder_names(names: object) -> TypeGuard[list[str]]:
    """Return True if all are names of different folders in one folder, and no path leads out of it."""
    return (
        isinstance(names, list)
        and all(isinstance(name, str) and name not in ("", ".", "..") and len(name) < 256 for name in names)
        and all(Path(name).name == name and "\0" not in name for name in names)
        and len(set(names)) == len(names)
    )


def next_comparison_order(root: Path) -> int:
    """Return the next number for a comparison, sweep or search below `root`. The numbers define their order,
    independently of the clock."""
    return max((_order(path)[0] for path in _in_order(root, PLAN, SWEEP, SEARCH)), default=0) + 1


def find_comparison(name: str, root: Path, *, seeds: int | None = None) -> Path:
    """Return the folder of the comparison or sweep to continue: a path, a name under `root`, or `latest`.

    Args:
        name: a path, a name, or `latest` for the newest unfinished one (if all are finished, the newest).
        root: the folder to search.
        seeds: a comparison with fewer counts as unfinished.

    Raises:
        RunError: there is none; similar names are suggested.
    """
    known = _in_order(root, PLAN, SWEEP)
    if name == "latest":
        if not known:
            raise RunError(f"no comparison under {root}", hint="make one: lstmctl compare rnn lstm")
        return next((path for path in reversed(known) if not _is_finished(path, seeds)), known[-1])
    for path in (root / name, Path(name)):
        if any((path / mark).is_file() for mark in (PLAN, SWEEP)):
            return path
    hint = near(Path(name).name, [path.name for path in known]) or "lstmctl runs list shows all runs"
    raise RunError(f"no comparison `{name}`, neither as a folder nor under {root}", hint=hint)


def is_ensemble(folder: Path) -> bool:
    """Return True if a folder is a finished comparison of one arm."""
    try:
        return (folder / PLAN).is_file() and _is_compared(folder, None) and len(_arms_and_seeds(folder)[0]) == 1
    except RunError:  # reported when it is opened
        return False


def summarise_comparison(folder: Path) -> dict[str, Any]:
    """Name, path, status, arms and runs of a comparison; a damaged one has the status `damaged`, with a warning."""
    row: dict[str, Any] = {"comparison": folder.name, "path": str(folder), "status": "damaged", "arms": [], "runs": 0}
    try:
        arms, seeds = _arms_and_seeds(folder)
        row |= {"arms": arms, "runs": len(arms) * seeds, "status": _status(folder)}
    except RunError as error:
        log.warning("%s", error)
    return row


def summarise_sweep(folder: Path) -> dict[str, Any]:
    """Name, path, status, key, values, arms and runs of a sweep; a damaged one has the status `damaged`, with a
    warning."""
    row: dict[str, Any] = {"sweep": folder.name, "path": str(folder), "status": "damaged"}
    row |= {"key": None, "values": [], "arms": [], "runs": 0}
    try:
        contents = read_sweep(folder)
        planned = [_arms_and_seeds(folder / name) for name in contents.comparisons]
        row |= {
            "key": contents.key,
            "values": list(contents.values),
            "arms": planned[0][0],
            "runs": sum(len(arms) * seeds for arms, seeds in planned),
            "status": _status(folder),
        }
    except RunError as error:
        log.warning("%s", error)
    return row


@dataclass(frozen=True)
class SweepContents:
    """The contents of `sweep.json`; everything else is in the plans of the comparisons."""

    key: str
    """The setting, as a dotted key: `data.length`."""
    values: tuple[Any, ...]
    """The values as in the config, in the requested order."""
    comparisons: tuple[str, ...]
    """Folders inside the sweep's, one for each value."""
    order: int = 0
    """Its number among the comparisons and sweeps of a folder; 0 in those of earlier versions."""


def read_sweep(folder: Path) -> SweepContents:
    """Read `sweep.json`.

    Raises:
        RunError: it is missing, damaged, or of a newer format.
    """
    path = folder / SWEEP
    contents = read_json(path)
    if isinstance(form := contents.get("format"), int) and form > 1:
        raise RunError(f"{path} has format {form} of a newer lstmctl; this one reads 1")
    key, values, names = (contents.get(name) for name in ("key", "values", "comparisons"))
    if not isinstance(key, str) or not isinstance(values, list) or not all(map(_is_plain, values)):
        raise RunError(f"{path} is damaged: it names no setting with its values")
    if not are_folder_names(names) or len(names) != len(values) or not names:
        raise RunError(f"{path} is damaged: it names no comparisons, one for each value")
    return SweepContents(key, tuple(values), tuple(names), _order_in(contents) or 0)


def write_sweep_contents(folder: Path, contents: SweepContents) -> None:
    """Write `sweep.json` into a sweep's folder, in one step.

    Raises:
        ResourceError: the disk is full or the folder is gone.
    """
    replace_json(folder / SWEEP, {"format": 1, **asdict(contents)})


def _is_plain(value: object) -> bool:
    """Return True if a value from JSON can be written as JSON again: NaN and infinity cannot."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def _arms_and_seeds(folder: Path) -> tuple[list[str], int]:
    """The names of a comparison's arms and the number of its seeds.

    Raises:
        RunError: its plan is damaged, or a run in its folder is of another task.
    """
    path = folder / PLAN
    plan = read_json(path)
    arms, seeds = plan.get("arms"), plan.get("seeds")
    names = [arm.get("name") if isinstance(arm, dict) else None for arm in arms] if isinstance(arms, list) else None
    if not are_folder_names(names) or not names:
        raise RunError(f"{path} is damaged: it names no arms")
    if not isinstance(seeds, list) or not seeds or not all(map(is_count, seeds)):
        raise RunError(f"{path} is damaged: it names no seeds")
    task = _task_in(plan)
    for name in (f"{arm}-seed-{seed}" for arm in names for seed in seeds):
        info = folder / name / "run.json"
        if task is not None and info.is_file() and (found := read_json(info).get("task", task)) != task:
            raise RunError(f"{path} plans runs with task.type {task}, but {info.parent} has {found!s:.40}")
    return names, len(seeds)


def _task_in(plan: Mapping[str, Any]) -> str | None:
    """The task of a plan's first arm; None if the plan does not contain it."""
    found: Any = plan
    for key in ("arms", 0, "candidates", 0, "settings", "task", "type"):
        try:
            found = found[key]
        except (LookupError, TypeError):
            return None
    return found if isinstance(found, str) else None


def _status(folder: Path) -> str:
    if is_locked(folder):
        return "running"
    return "finished" if _is_finished(folder) else "stopped"


def _is_finished(folder: Path, seeds: int | None = None) -> bool:
    """Return True if a comparison or a sweep is complete, with this number of seeds; its report is written last."""
    try:
        if not (folder / SWEEP).is_file():
            return _is_compared(folder, seeds)
        names = read_sweep(folder).comparisons
        return (folder / REPORT).is_file() and all(_is_compared(folder / name, seeds) for name in names)
    except RunError:  # resuming reports it
        return False


def _is_compared(folder: Path, seeds: int | None) -> bool:
    return (folder / RESULT).is_file() and (seeds is None or _arms_and_seeds(folder)[1] >= seeds)


def _in_order(root: Path, *marks: str) -> list[Path]:
    try:
        with os.scandir(root) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return []
    # Among thousands of runs, a Path for each mark would take most of the time.
    found = [name for mark in marks for name in names if os.path.exists(f"{root}/{name}/{mark}")]  # noqa: PTH110
    return sorted((root / name for name in found), key=_order)


def _order(folder: Path) -> tuple[int, int, str]:
    """A comparison's number; for those of earlier versions, which have none, the time of their file."""
    for mark in (SWEEP, PLAN, SEARCH):
        if (folder / mark).is_file():
            try:
                order = _order_in(read_json(folder / mark))
            except RunError:
                order = None
            return (0, (folder / mark).stat().st_mtime_ns, folder.name) if order is None else (order, 0, folder.name)
    return 0, 0, folder.name


def _order_in(contents: Mapping[str, Any]) -> int | None:
    order = contents.get("order")
    return order if type(order) is int and order >= 0 else None
