"""Numbers for people: counts, rates, times and names of metrics."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

SPARKS = "▁▂▃▄▅▆▇█"
ASCII_SPARKS = "_.:-=+*#"
LEAST_KNOWN = 3
"""Minimum number of known values in a sparkline, however narrow the line is."""


def count(value: float) -> str:
    """An integer with thousands separators: `61,200`."""
    return f"{round(value):,}" if math.isfinite(value) else str(value)


def short_count(value: float) -> str:
    """About two or three digits: `0.4`, `3.2`, `512`, `6.2k`, `62k`, `1.3M`."""
    if not math.isfinite(value):
        return str(value)
    if 0 < value < 9.95 and value != int(value):
        return f"{value:.2g}"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        # Half a thousandth below the border, rounding would write 1000k for 1.0M.
        if value >= size * 0.9995:
            scaled = value / size
            return f"{scaled:.1f}{letter}" if scaled < 9.95 else f"{scaled:.0f}{letter}"
    return f"{value:.0f}"


def duration(seconds: float) -> str:
    """A time as a clock shows it: `0:42`, `1:02:03`, `2 d 3:04:05`."""
    if not math.isfinite(seconds) or seconds < 0:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    clock = f"{hours}:{minutes:02d}:{rest:02d}" if hours or days else f"{minutes}:{rest:02d}"
    return f"{days} d {clock}" if days else clock


def size(amount: float) -> str:
    """An amount of storage in decimal units: `1.04 MB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= factor:
            return f"{amount / factor:.3g} {unit}"
    return f"{amount:.0f} bytes"


def figure(value: float) -> str:
    """A loss or metric: four significant digits, three decimals where they say enough."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.3f}" if value == 0 or 0.1 <= abs(value) < 1000 else f"{value:.4g}"


def is_course(text: str) -> bool:
    """Return True if `text` consists of sparklines, as a forecaster's samples do: `▁▂▃ → ▅▆▇  OT`."""
    parts = [line.partition(" → ") for line in text.strip("\n").split("\n")]
    return all(
        arrow and not before.strip(SPARKS) and (before + after)[:1] in tuple(SPARKS) for before, arrow, after in parts
    )


def fitted_course(line: str, width: int, *, ascii_only: bool = False) -> str:
    """A line of a sample, `▁▂▃ → ▅▆▇  OT`, in at most `width` characters, those marks replaced that ASCII lacks.

    Known values are dropped first, from the oldest on, then the end of the name; the forecast is kept as long as
    possible.
    """
    before, _, rest = line.partition(" → ")
    after, _, name = rest.partition("  ")
    arrow, cut = (" -> ", "...") if ascii_only else (" → ", "…")
    room = width - len(arrow) - len(after) - len(name) - 2
    if room < LEAST_KNOWN:
        shown = max(len(cut), len(name) + min(0, room - LEAST_KNOWN))
        name = name if len(name) <= shown else name[: shown - len(cut)] + cut
        room = width - len(arrow) - len(after) - len(name) - 2
    before = before[max(0, len(before) - max(LEAST_KNOWN, room)) :]
    course = f"{before}{arrow}{after}"
    if ascii_only:
        course = course.translate(str.maketrans(SPARKS, ASCII_SPARKS))
    return f"{course}  {name}"[:width].rstrip()


def sparkline(values: Sequence[float], width: int, *, ascii_only: bool = False) -> str:
    """A sparkline of `values` in at most `width` characters; values that are not finite are left out."""
    marks = ASCII_SPARKS if ascii_only else SPARKS
    means = thinned([value for value in values if math.isfinite(value)], width)
    if not means:
        return ""
    low, high = min(means), max(means)
    span = high - low
    if span == 0:
        return marks[0] * len(means)
    return "".join(marks[min(len(marks) - 1, int((value - low) / span * len(marks)))] for value in means)


def thinned(values: Sequence[float], width: int) -> list[float]:
    """At most `width` means of neighbouring `values`."""
    if width <= 0:
        return []
    if len(values) <= width:
        return list(values)
    edges = [round(index * len(values) / width) for index in range(width + 1)]
    return [statistics.fmean(values[start:stop]) for start, stop in pairwise(edges)]


def smoothed(values: Sequence[float], memory: float) -> list[float]:
    """Exponential moving averages: a value's weight falls to 1/e within `memory` later ones.

    The first averages are not biased towards zero, since each is divided by its sum of weights.
    """
    keep = math.exp(-1 / memory) if memory > 0 else 0.0
    total = weight = 0.0
    means = []
    for value in values:
        if math.isfinite(value):
            total, weight = keep * total + value, keep * weight + 1
        means.append(total / weight if weight else math.nan)
    return means
