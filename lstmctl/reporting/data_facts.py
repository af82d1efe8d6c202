"""Facts about the data from `run.json`, for a page; nothing in the file is taken for granted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from lstmctl.reporting.blocks import Prose
from lstmctl.reporting.quantities import count, size

MOST_CHANNELS = 24


def data_facts(data: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Names and values, the values None or empty where nothing is known."""
    is_series = "channels" in data or "series" in data
    channels = [str(name) for name in _listed(data.get("channels"))]
    more = f" and {count(len(channels) - MOST_CHANNELS)} more" if len(channels) > MOST_CHANNELS else ""
    season = data.get("season")
    return [
        ("files", ", ".join(map(str, _listed(data.get("files"))))),
        ("size", size(data["bytes"]) if is_number(data.get("bytes")) else None),
        ("series", number(data.get("series"))),
        ("channels", f"{count(len(channels))}: {', '.join(channels[:MOST_CHANNELS])}{more}" if channels else None),
        ("step", data.get("step")),
        ("season", f"{count(season)} rows" if is_number(season) and season > 1 else "none" if season == 1 else season),
        ("symbols", number(data.get("symbols"))),
        ("vocabulary", number(data.get("vocabulary"))),
        ("vocabulary of targets", number(data.get("target_vocabulary"))),
        ("rows in each part" if is_series else "parts", _parts(data.get("parts"))),
        ("windows in each part", _parts(data.get("windows"))),
        ("scaled by", data.get("scaled_by")),
        ("transform before scaling", data.get("transform")),
        ("SHA-256", data.get("sha256")),
    ]


def data_notes(data: Mapping[str, Any]) -> list[Prose]:
    """Warnings about the data, changes to the table on reading, and remarks about it, as paragraphs."""
    warnings = [Prose(f"{warning}.", "warning") for warning in _listed(data.get("warnings")) if warning]
    return [*warnings, *(Prose(str(note), "soft") for note in _listed(data.get("notes")) if note)]


def is_number(value: object) -> TypeGuard[int | float]:
    """Return True if a value from a file is a number that can be formatted."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any) -> str | None:
    """Format a number with thousands separators; return anything else unchanged."""
    if value is None:
        return None
    return count(value) if is_number(value) else str(value)


def _parts(parts: object) -> str:
    """Lengths by the part's name; a part that is not there has none."""
    if not isinstance(parts, Mapping):
        return ""
    return ", ".join(f"{name} {number(length)}" for name, length in parts.items() if length is not None)


def _listed(value: Any) -> list[Any]:
    """Return a list unchanged, None as an empty list, and anything else as a list of one."""
    if value in (None, ""):
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
