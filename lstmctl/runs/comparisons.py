"""Comparisons on the disk: folders with a plan, whose runs lie inside them."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lstmctl.errors import RunError
from lstmctl.runs.place import is_locked
from lstmctl.storage import read_json

PLAN, RESULT = "plan.json", "comparison.json"


def list_comparisons(root: Path) -> list[Path]:
    """The folders of all comparisons below `root`, by name."""
    return sorted(path.parent for path in root.glob(f"*/{PLAN}"))


def find_comparison(name: str, root: Path) -> Path:
    """The folder of the comparison that a user means: a path, a name under `root`, or `latest`.

    Raises:
        RunError: there is none; near-miss names are suggested.
    """
    known = list_comparisons(root)
    if name == "latest":
        if not known:
            raise RunError(f"no comparison under {root}", hint="make one: lstmctl compare rnn lstm")
        return max(known, key=lambda path: (path / PLAN).stat().st_mtime_ns)
    for path in (root / name, Path(name)):
        if (path / PLAN).is_file():
            return path
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
            "status": _status(folder),
        }
    except (RunError, KeyError, TypeError):
        pass
    return row


def _status(folder: Path) -> str:
    if is_locked(folder):
        return "running"
    return "finished" if (folder / RESULT).is_file() else "stopped"
