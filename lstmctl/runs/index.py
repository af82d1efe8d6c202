"""An index of the facts by which runs are listed and found, for thousands of runs.

`.index.json` in the folder of runs is only a copy: an entry is valid while its `run.json` is unchanged, and the index
can be deleted at any time.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lstmctl.errors import LstmctlError, RunError
from lstmctl.storage import read_plain, replace_file

log = logging.getLogger(__name__)

INDEX = ".index.json"
FORMAT = 1
KEPT = (*("order", "started", "status", "task", "config", "cell", "parameters", "step", "steps"),)
WORTH_KEEPING = 200
"""Runs that have to be read before the index is written."""


def read_facts(root: Path, read: Callable[[Path], Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the facts in `KEPT`, the files of the data, and the first metric of each part, of every run below `root`,
    by the name of its folder.

    Args:
        root: the folder of runs.
        read: returns all facts of a run's folder, or raises RunError if it is damaged; its facts are then empty.
    """
    known = _read_index(root / INDEX)
    found: dict[str, list[Any]] = {}
    fresh = 0
    with os.scandir(root) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        try:
            status = os.stat(f"{root}/{name}/run.json")  # noqa: PTH116 - of thousands, each a third of a Path's time
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            log.warning("%s cannot be read and is left out: %s", root / name, error.strerror)
            continue
        if not stat.S_ISREG(status.st_mode):
            continue
        stamp = [status.st_mtime_ns, status.st_size, status.st_ino]
        entry = known.get(name)
        if entry is None or entry[:3] != stamp:
            entry = [*stamp, _facts(root / name, read)]
            fresh += 1
        found[name] = entry
    if fresh > WORTH_KEEPING:
        _write_index(root / INDEX, found)
    return {name: entry[3] for name, entry in found.items()}


def _facts(folder: Path, read: Callable[[Path], Mapping[str, Any]]) -> dict[str, Any]:
    try:
        info = read(folder)
    except RunError:
        return {}
    facts = {key: info[key] for key in KEPT if key in info}
    data = info.get("data") or {}
    metrics = {part: dict(list(found.items())[:1]) for part, found in (info.get("metrics") or {}).items() if found}
    return facts | {"metrics": metrics, "data": {"files": data.get("files", [])}}


def _read_index(path: Path) -> Mapping[str, list[Any]]:
    """Return the entries of an index; none if there is none, or it is damaged."""
    try:
        content = json.loads(read_plain(path))
    except (OSError, ValueError, LstmctlError, RecursionError):
        return {}
    entries = content.get("runs") if isinstance(content, dict) and content.get("format") == FORMAT else None
    if not isinstance(entries, dict):
        return {}
    return {
        name: entry
        for name, entry in entries.items()
        if isinstance(entry, list) and len(entry) == 4 and isinstance(entry[3], dict)
    }


def _write_index(path: Path, entries: Mapping[str, list[Any]]) -> None:
    try:
        replace_file(path, json.dumps({"format": FORMAT, "runs": entries}, separators=(",", ":")).encode())
    except LstmctlError as error:  # a folder that may only be read
        log.debug("%s was not written: %s", path, error)
