"""Every gate and state over an input, and the units that track something there."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lstmctl.api import Run
from lstmctl.errors import DataError, UsageError
from lstmctl.findings import Direction, GateFindings, Panel, Tracked
from lstmctl.inspection.passages import Passage, about, from_file, from_text, held_out
from lstmctl.inspection.trace import CellTrace, Place, Trace, trace

log = logging.getLogger(__name__)

MOST_UNITS = 64
"""Shown at once: more would be narrower than a dot."""
MOST_SYMBOLS = 100
EXAMINED = 5000
"""Steps in which units are looked for that track something."""
FEWEST_EXAMINED = 1000
"""In fewer steps a correlation of one of many units is found by chance."""
OUTPUT = "output"
"""What a layer without a state hands on, where nothing else can be shown of it."""


@torch.no_grad()
def inspect_gates(
    run: Run,
    *,
    text: str | None = None,
    file: str | None = None,
    label: str | None = None,
    split: str | None = None,
    layer: int | None = None,
    units: Sequence[int] = (),
    symbols: int = MOST_SYMBOLS,
) -> GateFindings:
    """Show a layer's gates and states over an input, and name the units of all layers that track something.

    Each property's unit is chosen by its correlation on the first half of the steps, and the correlation that is
    reported is that on the second half: the best of many units looks good by chance where it is chosen.

    Args:
        text, file: what to read; at most one. By default the beginning of the run's own held-out data.
        label: what the text was written for, of a run that writes for labels.
        split: the part of that data; the test part where there is one, else the validation part.
        layer: from 1; the last by default.
        units: those to show, from 0; by default the 64 whose state varies most.
        symbols: how many steps to show.

    Raises:
        UsageError: there is no such layer or unit, or the text cannot be read by the run.
        DataError: the data or the file is missing or unfit.
    """
    if sum(given is not None for given in (text, file, split)) > 1:
        raise UsageError("a text, a FILE and --split say the same thing: what is read; give one of them")
    if symbols < 1:
        raise UsageError(f"at least one step must be shown, not {symbols}")
    if label is not None and text is None:
        raise UsageError("a label is that of a text: give the text too; those of a FILE have theirs beside them")
    given = _passage(run, text, label, file, split)
    shown = run.task.inspected(run.model, given.part, steps=max(symbols, EXAMINED), lanes=1)
    read = trace(shown.recurrence, shown.input)
    cells, notes = _layer(read, layer)
    notes = [*shown.notes, *notes]
    parts = _parts(read, cells, notes)
    shortened = [(cell, {name: values[:symbols, 0] for name, values in each.items()}) for cell, each in parts]
    chosen = _units([each for _, each in shortened], units)
    tracked_in, examined, properties = given.source, read, shown.properties()
    if text is not None or file is not None:
        steps = shown.input.shape[0] * shown.input.shape[1]
        if steps < FEWEST_EXAMINED and (instead := _own_data(run)) is not None:
            longer = run.task.inspected(run.model, instead.part, steps=EXAMINED, lanes=1)
            examined, properties = trace(longer.recurrence, longer.input), longer.properties()
            tracked_in = instead.source
    candidates = _candidates(examined)
    found, seen = tracking(properties, candidates) if candidates else ((), len(_flat(examined.outputs)))
    if candidates and seen < FEWEST_EXAMINED:
        notes.append(f"Units were looked for in {seen:,} steps only: correlations this large come by chance as well.")
    return GateFindings(
        about=about(run, given.source),
        layer=cells[0].layer + 1,
        layers=read.layers,
        units=chosen,
        hidden=next(iter(shortened[0][1].values())).shape[-1],
        symbols=shown.symbols[:symbols],
        step=shown.step,
        panels=tuple(
            _panel(name, values, chosen, is_gate=name in cell.gates, direction=cell.direction)
            for cell, each in shortened
            for name, values in each.items()
        ),
        tracked=found,
        examined=seen,
        candidates=sum(values.shape[1] for values in candidates.values()),
        tracked_in=tracked_in,
        notes=tuple(notes),
    )


def tracking(properties: Mapping[str, Tensor], candidates: Mapping[Place, Tensor]) -> tuple[tuple[Tracked, ...], int]:
    """For each property the unit that goes along with it best.

    Args:
        properties: by name, (time, batch).
        candidates: the states of all layers, (steps, hidden), lane after lane as `_flat` puts them.

    Returns:
        One for each property that varies on the first half of the steps, the best first; and how many steps there are.
    """
    found = []
    steps = 0
    for name, values in properties.items():
        wanted = values.t().flatten().double()
        steps = len(wanted)
        half = steps // 2
        best: tuple[float, Place, int] | None = None
        for place, units in candidates.items():
            related = correlations(wanted[:half], units[:half])
            unit = int(related.abs().nan_to_num(-1).argmax())
            value = float(related[unit])
            if value == value and (best is None or abs(value) > abs(best[0])):
                best = (value, place, unit)
        if best is not None:
            chosen, place, unit = best
            later = float(correlations(wanted[half:], candidates[place][half:, unit : unit + 1])[0])
            known = later if later == later else None
            found.append(Tracked(name, place.layer + 1, place.state, unit, chosen, known, place.direction))
    return tuple(sorted(found, key=lambda one: -abs(one.correlation or 0.0))), steps


def correlations(wanted: Tensor, units: Tensor) -> Tensor:
    """Pearson's correlation of (steps,) with each column of (steps, units), in float64; NaN where one is constant."""
    wanted, units = wanted.double(), units.double()
    wanted, units = wanted - wanted.mean(), units - units.mean(0)
    related: Tensor = (wanted @ units) / (wanted.norm() * units.norm(dim=0))
    return related


def _passage(run: Run, text: str | None, label: str | None, file: str | None, split: str | None) -> Passage:
    if text is not None:
        return from_text(run, text, label)
    return held_out(run, split) if file is None else from_file(run, file)


def _own_data(run: Run) -> Passage | None:
    """The run's held-out data, where it is still there."""
    try:
        return held_out(run)
    except DataError as error:
        log.warning("%s; units that track something are looked for in what was given", error)
        return None


def _layer(read: Trace, layer: int | None) -> tuple[list[CellTrace], list[str]]:
    """The cells of the layer to show, one a direction, and what must be said of them."""
    if layer is not None and not 1 <= layer <= read.layers:
        raise UsageError(f"there is no layer {layer}; the network has {read.layers}")
    number = read.layers if layer is None else layer
    cells = [cell for cell in read.cells if cell.layer == number - 1]
    if not cells[0].states:
        return cells, ["This cell carries nothing from step to step: what is shown is the output of each step alone."]
    if not cells[0].cell.gates:
        return cells, ["This cell has no gate: every step writes its whole state anew. Its state is shown."]
    return cells, []


def _parts(read: Trace, cells: list[CellTrace], notes: list[str]) -> list[tuple[CellTrace, dict[str, Tensor]]]:
    """All gates, then all states, of each cell (time, batch, hidden), or the output where they have neither."""
    parts = [(cell, cell.parts()) for cell in cells]
    if parts[0][1]:
        return parts
    if cells[0].layer != read.layers - 1:
        notes.append("The output shown is that of the last layer: those before keep nothing to show.")
    outputs = torch.stack(read.outputs).chunk(len(cells), dim=-1)
    return [(cell, {OUTPUT: output}) for cell, output in zip(cells, outputs, strict=True)]


def _units(parts: Sequence[Mapping[str, Tensor]], units: Sequence[int]) -> tuple[int, ...]:
    """The units to show, in order."""
    lasts = [list(each.values())[-1] for each in parts]
    hidden = lasts[0].shape[-1]
    if wrong := [unit for unit in units if not 0 <= unit < hidden]:
        raise UsageError(f"there is no unit {wrong[0]}; the layer has {hidden}, counted from 0 to {hidden - 1}")
    if len(units) > MOST_UNITS:
        raise UsageError(f"{len(units)} units are too many for one picture; {MOST_UNITS} fit")
    if units:
        return tuple(dict.fromkeys(units))
    # By the last state: an LSTM's cell, the others' hidden; in the direction in which it varies most.
    varies = torch.stack([last.double().var(dim=0, correction=0) for last in lasts]).amax(0)
    return tuple(sorted(varies.argsort(descending=True, stable=True)[:MOST_UNITS].tolist()))


def _panel(name: str, values: Tensor, units: tuple[int, ...], *, is_gate: bool, direction: Direction | None) -> Panel:
    is_share = is_gate and bool((values >= 0).all() and (values <= 1).all())
    rows = values[:, list(units)].t().tolist()
    return Panel(name, "gate" if is_gate else "state", is_share, tuple(map(tuple, rows)), direction)


def _candidates(read: Trace) -> dict[Place, Tensor]:
    """Every state of every layer, lane after lane, (steps, hidden)."""
    return {
        Place(cell.layer, name, cell.direction): _flat(values)
        for cell in read.cells
        for name, values in cell.states.items()
    }


def _flat(values: list[Tensor]) -> Tensor:
    """(batch, hidden) at each time to (batch · time, hidden), lane after lane."""
    return torch.stack(values).transpose(0, 1).flatten(0, 1)
