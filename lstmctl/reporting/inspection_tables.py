"""Findings of an inspection as tables and sentences for a terminal, a page or a notebook."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import compress
from pathlib import PurePath

from lstmctl.reporting.blocks import Block, Prose, Table
from lstmctl.reporting.console import inert
from lstmctl.reporting.quantities import figure
from lstmctl.results.inspection import (
    TRACKS,
    GateFindings,
    GradientCourse,
    GradientFindings,
    LayerMemory,
    MemoryFindings,
    RecallFindings,
    Subject,
    Tracked,
)

DIRECTION, DOUBLING = "direction", "doubling"
SELDOM = (DIRECTION, DOUBLING)
"""Columns that are left out if they are empty."""
TEXT_COLUMNS = ("property", "run", "gate", "gate that keeps", DIRECTION, "state", "distance", "")


def gate_blocks(findings: GateFindings) -> list[Block]:
    """Return a table with the unit that correlates best with each property of the input."""
    if not findings.tracked:
        return _prose(findings.notes)
    rows = [
        (
            one.what,
            *_where(one),
            one.state,
            one.unit,
            _signed(one.chosen),
            _signed(one.correlation),
            "tracks" if one.tracks else "",
        )
        for one in findings.tracked
    ]
    examined = (
        f"{findings.examined:,} steps. Each unit is the best of {findings.candidates:,} states on the first half; "
        f"the second half, which did not choose it, says whether it tracks (|r| ≥ {TRACKS})."
    )
    columns = ("property", "layer", DIRECTION, "state", "unit", "r, first half", "r, second half", "")
    title = f"{_name(findings.about)}: units that track something in {findings.tracked_in}"
    return [_table("tracked", title, columns, rows, (examined, *findings.notes))]


def memory_blocks(findings: MemoryFindings) -> list[Block]:
    """Return tables of each layer's time constants, of each gate's saturation, and of the spectrum."""
    title = f"{_name(findings.about)}: memory over {findings.steps:,} steps of {findings.about.source}"
    constants = [
        (*_where(layer), layer.keeping_gate or "", *map(_steps, (*layer.quartiles, layer.longest or 0.0)))
        for layer in findings.layers
        if layer.quartiles is not None
    ]
    saturation = [
        (
            *_where(layer),
            gate.gate,
            _percent(sum(gate.left) / len(gate.left)),
            _percent(sum(gate.right) / len(gate.right)),
            sum(share > 0.5 for share in gate.left),
            sum(share > 0.5 for share in gate.right),
        )
        for layer in findings.layers
        for gate in layer.saturation
    ]
    spectra = [
        (*_where(layer), figure(layer.spectrum.radius), figure(layer.spectrum.largest_singular_value))
        for layer in findings.layers
        if layer.spectrum is not None
    ]
    quartiles = ("time constant: lower quartile", "median", "upper quartile", "longest")
    shares = ("below 0.1", "above 0.9", "units mostly below 0.1", "units mostly above 0.9")
    found = [
        _table(name, title, columns, rows)
        for name, columns, rows in (
            ("constants", ("layer", DIRECTION, "gate that keeps", *quartiles), constants),
            ("saturation", ("layer", DIRECTION, "gate", *shares), saturation),
            ("spectrum", ("layer", DIRECTION, "spectral radius of U", "largest singular value"), spectra),
        )
        if rows
    ]
    if not found:
        return _prose(findings.notes)
    first, *others = found
    tables = [first, *(replace(table, title="") for table in others)]
    return [*tables[:-1], replace(tables[-1], notes=findings.notes)]


def gradient_blocks(findings: Sequence[GradientFindings]) -> list[Block]:
    """Return a table of how fast the gradient of each state decays."""
    rows = [
        (
            name,
            *_where(course),
            course.state,
            "" if course.rate is None else f"{course.rate:.3f}",
            _pace(course.half_life) if course.rate is not None else "",
            "" if course.doubling_time is None else f"{course.doubling_time:.1f}",
            *(_left(course.norms, k) for k in _distances(findings)),
        )
        for one, name in zip(findings, run_names(findings), strict=True)
        for course in one.courses
    ]
    notes = [
        note if len(findings) == 1 else f"{name}: {note}"
        for one, name in zip(findings, run_names(findings), strict=True)
        for note in one.notes
    ]
    if not rows:
        return _prose(notes)
    positions = ", ".join(dict.fromkeys(f"{one.positions:,}" for one in findings))
    source = ", ".join(dict.fromkeys(one.about.source for one in findings))
    title = f"gradient of the loss at t by the state at t − k, at {positions} positions of {source}"
    left = [f"left at k = {k}" for k in _distances(findings)]
    columns = ("run", "layer", DIRECTION, "state", "rate per step", "half-life", DOUBLING, *left)
    return [_table("gradients", title, columns, rows, notes)]


def recall_blocks(findings: Sequence[RecallFindings]) -> list[Block]:
    """Return one table of accuracy by distance per run, next to rules that need no network."""
    return [_recall(one) for one in findings]


def _recall(findings: RecallFindings) -> Table:
    *bins, _ = findings.bins
    rows = [
        (
            f"{one.nearest:,}–{one.farthest:,}" if place < len(bins) else "all",
            f"{one.answers:,}",
            f"{_percent(one.right)} [{100 * one.low:.0f}, {100 * one.high:.0f}]",
            _percent(one.probability),
            "" if one.last_named is None else _percent(one.last_named),
            _percent(one.most_frequent),
            _percent(findings.chance),
        )
        for place, one in enumerate(findings.bins)
    ]
    title = (
        f"{_name(findings.about)}: recall of the {findings.kind} in {findings.about.source}, "
        f"of {len(findings.candidates)} candidates"
    )
    columns = ("distance", "answers", "right [95 %]", "probability", "last named", "most frequent", "uniform")
    return _table("recall", title, columns, rows)


def run_names(findings: Sequence[GradientFindings | RecallFindings]) -> list[str]:
    """Each run's name, with its cell unless the name contains it, and with `initial` if it was not trained."""
    names = []
    for one in findings:
        name = _name(one.about)
        name += "" if one.about.cell in name else f" ({inert(one.about.cell)})"
        names.append(name + (", initial" if isinstance(one, GradientFindings) and one.weights == "initial" else ""))
    counts = Counter(names)
    # Runs of two folders may share a name; then the folder says which is which.
    return [name if counts[name] == 1 else inert(one.about.run) for name, one in zip(names, findings, strict=True)]


def _table(
    name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], notes: Sequence[str] = ()
) -> Table:
    """Return a table without its empty `SELDOM` columns."""
    shown = [name not in SELDOM or any(row[place] != "" for row in rows) for place, name in enumerate(columns)]
    return Table(
        name,
        title,
        tuple(compress(columns, shown)),
        tuple(tuple(map(str, compress(row, shown))) for row in rows),
        notes=tuple(notes),
        text_columns=TEXT_COLUMNS,
    )


def _prose(notes: Sequence[str]) -> list[Block]:
    return [Prose(note) for note in notes]


def _name(about: Subject) -> str:
    return inert(PurePath(about.run).name)


def _where(found: Tracked | LayerMemory | GradientCourse) -> tuple[int, str]:
    return found.layer, found.direction or ""


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _steps(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:,.1f}"


def _pace(half_life: float | None) -> str:
    return "∞" if half_life is None else f"{half_life:,.1f}"


def _distances(findings: Sequence[GradientFindings]) -> list[int]:
    """Distances at which to show the remaining gradient: a few within the shortest curve."""
    shortest = min((one.steps for one in findings if one.courses), default=0)
    return sorted({k for k in (10, 50, shortest) if 0 < k <= shortest})


def _left(norms: Sequence[float], k: int) -> str:
    """The norm at k as a share of that at 0."""
    return f"{norms[k] / norms[0]:.1e}" if norms[0] > 0 else ""
