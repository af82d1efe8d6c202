"""Comparisons on the disk: folders with a plan, whose runs lie inside them; and sweeps, folders of comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lstmctl.errors import RunError
from lstmctl.locks import is_locked
from lstmctl.storage import read_json
from lstmctl.words import near

PLAN, RESULT, SWEEP, REPORT = "plan.json", "comparison.json", "sweep.json", "report.html"


def list_comparisons(root: Path) -> list[Path]:
    """The folders of all comparisons below `root`, oldest first."""
    return _in_order(root, PLAN)


def list_sweeps(root: Path) -> list[Path]:
    """The folders of all sweeps below `root`, oldest first."""
    return _in_order(root, SWEEP)


def are_folder_names(names: object) -> bool:
    """Return whether all are names of different folders beside each other, which no path leads out of."""
    return (
        isinstance(names, list)
        and all(isinstance(name, str) and name not in ("", ".", "..") for name in names)
        and all(Path(name).name == name and "\0" not in name for name in names)
        and len(set(names)) == len(names)
    )


def next_comparison_order(root: Path) -> int:
    """A number above that of every comparison and sweep below `root`: their order, whatever the clock says."""
    return max((_order(path)[0] for path in _in_order(root, PLAN, SWEEP)), default=0) + 1


def find_comparison(name: str, root: Path, *, or_sweep: bool = False, seeds: int | None = None) -> Path:
    """The folder of the comparison to go on with: a path, a name under `root`, or `latest`.

    Args:
        name: `latest` for the newest that is not finished; where all are, for the newest.
        root: where comparisons are looked for.
        or_sweep: whether a sweep may be meant too.
        seeds: a comparison with fewer counts as unfinished.

    Raises:
        RunError: there is none; near-miss names are suggested.
    """
    marks = (PLAN, SWEEP) if or_sweep else (PLAN,)
    known = _in_order(root, *marks)
    if name == "latest":
        if not known:
            raise RunError(f"no comparison under {root}", hint="make one: lstmctl compare rnn lstm")
        return next((path for path in reversed(known) if not _is_finished(path, seeds)), known[-1])
    for path in (root / name, Path(name)):
        if any((path / mark).is_file() for mark in marks):
            return path
    hint = near(Path(name).name, [path.name for path in known]) or "lstmctl runs list shows what there is"
    raise RunError(f"no comparison `{name}`, neither as a folder nor under {root}", hint=hint)


def summarise_comparison(folder: Path) -> dict[str, Any]:
    """Name, path, status, arms and runs of a comparison; a damaged one says so as its status."""
    row: dict[str, Any] = {"comparison": folder.name, "path": str(folder), "status": "damaged", "arms": [], "runs": 0}
    try:
        plan = read_json(folder / PLAN)
        row |= {
            "arms": [str(arm["name"]) for arm in plan["arms"]],
            "runs": len(plan["arms"]) * len(plan["seeds"]),
            "status": _status(folder),
        }
    except (RunError, KeyError, TypeError):
        pass
    return row


def summarise_sweep(folder: Path) -> dict[str, Any]:
    """Name, path, status, key, values, arms and runs of a sweep; a damaged one says so as its status."""
    row: dict[str, Any] = {"sweep": folder.name, "path": str(folder), "status": "damaged"}
    row |= {"key": None, "values": [], "arms": [], "runs": 0}
    try:
        plan = read_json(folder / SWEEP)
        if not are_folder_names(plan["comparisons"]):
            return row
        inner = [folder / name for name in plan["comparisons"]]
        told = [summarise_comparison(comparison) for comparison in inner]
        if any(one["status"] == "damaged" for one in told):
            return row
        row |= {
            "key": str(plan["key"]),
            "values": list(plan["values"]),
            "arms": told[0]["arms"],
            "runs": sum(one["runs"] for one in told),
            "status": _status(folder),
        }
    except (RunError, KeyError, TypeError, IndexError):
        pass
    return row


def _status(folder: Path) -> str:
    if is_locked(folder):
        return "running"
    return "finished" if _is_finished(folder) else "stopped"


def _is_finished(folder: Path, seeds: int | None = None) -> bool:
    """Whether all of a comparison or a sweep is made, with so many seeds; its report is the last of it."""
    try:
        if not (folder / SWEEP).is_file():
            return _is_compared(folder, seeds)
        names = read_json(folder / SWEEP)["comparisons"]
        if not are_folder_names(names):
            return False
        return (folder / REPORT).is_file() and all(_is_compared(folder / name, seeds) for name in names)
    except (RunError, KeyError, TypeError):  # damaged: going on says so
        return False


def _is_compared(folder: Path, seeds: int | None) -> bool:
    enough = seeds is None or len(read_json(folder / PLAN)["seeds"]) >= seeds
    return enough and (folder / RESULT).is_file()


def _in_order(root: Path, *marks: str) -> list[Path]:
    return sorted((path.parent for mark in marks for path in root.glob(f"*/{mark}")), key=_order)


def _order(folder: Path) -> tuple[int, int, str]:
    """A comparison's number; for those of earlier versions, which have none, the time of their file."""
    for mark in (SWEEP, PLAN):
        if (folder / mark).is_file():
            try:
                order = read_json(folder / mark).get("order")
            except RunError:
                order = None
            if type(order) is int:
                return order, 0, folder.name
            return 0, (folder / mark).stat().st_mtime_ns, folder.name
    return 0, 0, folder.name
