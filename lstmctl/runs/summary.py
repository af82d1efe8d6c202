"""A run in one line."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from lstmctl.errors import RunError
from lstmctl.runs.folder import RunFolder


def summarise(folder: RunFolder) -> dict[str, Any]:
    """Name, path, status, kind, progress and primary metric of a run; a damaged run has the problem as its status."""
    empty = dict.fromkeys(("config", "data", "cell", "parameters", "step", "primary", "started"))
    try:
        info = folder.info() if folder.listed is None else folder.listed
    except RunError:
        info = {}
    if not info:
        return {"run": folder.name, "path": str(folder.path), "status": "damaged", **empty}
    status = info.get("status")
    if status == "running" and not folder.is_held():
        status = "stopped"
    metrics = info.get("metrics") or {}
    figures = metrics.get("test") or metrics.get("validation") or {}
    primary = next(((name, value) for name, value in figures.items()), None)
    done, steps = info.get("step"), info.get("steps")
    return {
        "run": folder.name,
        "path": str(folder.path),
        "status": status,
        "config": info.get("config"),
        "data": _data(info.get("data")),
        "cell": info.get("cell"),
        "parameters": info.get("parameters"),
        "step": f"{done:,}/{steps:,}" if done is not None and steps is not None else None,
        "primary": f"{primary[1]:.4f} {primary[0]}" if primary else None,
        "started": info.get("started"),
    }


def _data(data: object) -> str | None:
    """The names of the files of a run's data, without their folders."""
    files = data.get("files") if isinstance(data, dict) else None
    return ", ".join(PurePath(str(file)).name for file in files) if isinstance(files, list) and files else None
