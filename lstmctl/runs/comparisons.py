"""Comparisons on the disk: folders with a plan, whose runs lie inside them; and sweeps, folders of comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lstmctl.errors import RunError
from lstmctl.locks import is_locked
from lstmctl.storage import read_json

PLAN, RESULT, SWEEP = "plan.json", "comparison.json", "sweep.json"


def list_comparisons(root: Path) -> list[Path]:
    """The folders of all comparisons below `root`, by name."""
    return sorted(path.parent for path in root.glob(f"*/{PLAN}"))


def list_sweeps(root: Path) -> list[Path]:
    """The folders of all sweeps below `root`, by name."""
    return sorted(path.parent for path in root.glob(f"*/{SWEEP}"))


def are_folder_names(names: object) -> bool:
    """Return whether all are names of different folders beside each other, which no path leads out of."""
    return (
        isinstance(names, list)
        and all(isinstance(name, str) and name not in ("", ".", "..") for name in names)
        and all(Path(name).name == name and "\0" not in name for name in names)
        and len(set(names)) == len(names)
    )


def find_comparison(name: str, root: Path, *, or_sweep: bool = False) -> Path:
    """The folder of the comparison that a user means: a path, a name under `root`, or `latest`.

    Args:
        or_sweep: whether a sweep may be meant too.

    Raises:
        RunError: there is none; near-miss names are suggested.
    """
    marks = (PLAN, SWEEP) if or_sweep else (PLAN,)
    made = [path for mark in marks for path in root.glob(f"*/{mark}")]
    if name == "latest":
        if not made:
            raise RunError(f"no comparison under {root}", hint="make one: lstmctl compare rnn lstm")
        return max(made, key=lambda path: path.stat().st_mtime_ns).parent
    for path in (root / name, Path(name)):
        if any((path / mark).is_file() for mark in marks):
            return path
    known = sorted(path.parent for path in made)
    close = get_close_matches(Path(name).name, [path.name for path in known], n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "lstmctl runs list shows what there is"
    raise RunError(f"no comparison `{name}`, neither as a folder nor under {root}", hint=hint)


def summarise_comparison(folder: Path) -> dict[str, Any]:
    """Name, path, status, arms and runs of a comparison; a damaged one says so as its status."""
    row: dict[str, Any] = {"comparison": folder.name, "path": str(folder), "status": "damaged", "arms": [], "runs": 0}
    try:
        plan = read_json(folder / PLAN)
        row |= {
            "arms": [str(arm["name"]) for arm in plan["arms"]],
            "runs": len(plan["arms"]) * len(plan["seeds"]),
            "status": _status(folder, [folder / RESULT]),
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
            "status": _status(folder, [comparison / RESULT for comparison in inner]),
        }
    except (RunError, KeyError, TypeError, IndexError):
        pass
    return row


def _status(folder: Path, results: Sequence[Path]) -> str:
    if is_locked(folder):
        return "running"
    return "finished" if all(path.is_file() for path in results) else "stopped"
