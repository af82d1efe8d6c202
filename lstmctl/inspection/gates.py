"""Every gate and state over an input, and the units that track something there."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lstmctl.api import Run
from lstmctl.errors import DataError, UsageError
from lstmctl.findings import GateFindings, Panel, Tracked
from lstmctl.inspection.passages import Passage, about, from_file, from_text, held_out
from lstmctl.inspection.trace import Trace, cells_of, trace
from lstmctl.models.recurrence import Recurrence

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
    given = _passage(run, text, file, split)
    shown = run.task.inspected(run.model, given.part, steps=max(symbols, EXAMINED), lanes=1)
    read = trace(shown.recurrence, shown.input)
    index, notes = _layer(shown.recurrence, layer)
    parts = _parts(shown.recurrence, read, index, notes)
    first = {name: values[:symbols, 0] for name, values in parts.items()}
    chosen = _units(first, units)
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
        layer=index + 1,
        layers=len(read.states),
        units=chosen,
        hidden=next(iter(parts.values())).shape[-1],
        symbols=shown.symbols[:symbols],
        step=shown.step,
        panels=tuple(_panel(name, values, chosen, is_gate=name in read.gates[index]) for name, values in first.items()),
        tracked=found,
        examined=seen,
        candidates=sum(values.shape[1] for values in candidates.values()),
        tracked_in=tracked_in,
        notes=tuple(notes),
    )


def tracking(
    properties: Mapping[str, Tensor], candidates: Mapping[tuple[int, str], Tensor]
) -> tuple[tuple[Tracked, ...], int]:
    """For each property the unit that goes along with it best.

    Args:
        properties: by name, (time, batch).
        candidates: by layer (from 0) and state, (steps, hidden), lane after lane as `_flat` puts them.

    Returns:
        One for each property that varies on the first half of the steps, the best first; and how many steps there are.
    """
    found = []
    steps = 0
    for name, values in properties.items():
        wanted = values.t().flatten().double()
        steps = len(wanted)
        half = steps // 2
        best: tuple[float, int, str, int] | None = None
        for (layer, state), units in candidates.items():
            related = correlations(wanted[:half], units[:half])
            unit = int(related.abs().nan_to_num(-1).argmax())
            value = float(related[unit])
            if value == value and (best is None or abs(value) > abs(best[0])):
                best = (value, layer, state, unit)
        if best is not None:
            chosen, layer, state, unit = best
            later = float(correlations(wanted[half:], candidates[layer, state][half:, unit : unit + 1])[0])
            found.append(Tracked(name, layer + 1, state, unit, chosen, later if later == later else None))
    return tuple(sorted(found, key=lambda one: -abs(one.correlation or 0.0))), steps


def correlations(wanted: Tensor, units: Tensor) -> Tensor:
    """Pearson's correlation of (steps,) with each column of (steps, units), in float64; NaN where one is constant."""
    wanted, units = wanted.double(), units.double()
    wanted, units = wanted - wanted.mean(), units - units.mean(0)
    related: Tensor = (wanted @ units) / (wanted.norm() * units.norm(dim=0))
    return related


def _passage(run: Run, text: str | None, file: str | None, split: str | None) -> Passage:
    if text is not None:
        return from_text(run, text)
    return held_out(run, split) if file is None else from_file(run, file)


def _own_data(run: Run) -> Passage | None:
    """The run's held-out data, where it is still there."""
    try:
        return held_out(run)
    except DataError as error:
        log.warning("%s; units that track something are looked for in what was given", error)
        return None


def _layer(recurrence: Recurrence, layer: int | None) -> tuple[int, list[str]]:
    """The layer to show, from 0, and what must be said of its cell."""
    cells = cells_of(recurrence)
    if layer is not None and not 1 <= layer <= len(cells):
        raise UsageError(f"there is no layer {layer}; the network has {len(cells)}")
    index = len(cells) - 1 if layer is None else layer - 1
    cell = cells[index]
    if not cell.states:
        return index, ["This cell carries nothing from step to step: what is shown is the output of each step alone."]
    if not cell.gates:
        return index, ["This cell has no gate: every step writes its whole state anew. Its state is shown."]
    return index, []


def _parts(recurrence: Recurrence, read: Trace, index: int, notes: list[str]) -> dict[str, Tensor]:
    """All gates, then all states, of a layer (time, batch, hidden), or its output where it has neither."""
    parts = read.layer(index)
    if parts:
        return parts
    if index != len(read.states) - 1:
        notes.append("The output shown is that of the last layer: those before keep nothing to show.")
    return {OUTPUT: torch.stack(read.outputs)}


def _units(parts: Mapping[str, Tensor], units: Sequence[int]) -> tuple[int, ...]:
    """The units to show, in order."""
    *_, last = parts.values()
    hidden = last.shape[-1]
    if wrong := [unit for unit in units if not 0 <= unit < hidden]:
        raise UsageError(f"there is no unit {wrong[0]}; the layer has {hidden}, counted from 0 to {hidden - 1}")
    if len(units) > MOST_UNITS:
        raise UsageError(f"{len(units)} units are too many for one picture; {MOST_UNITS} fit")
    if units:
        return tuple(dict.fromkeys(units))
    # By the last state: an LSTM's cell, the others' hidden.
    varies = last.double().var(dim=0, correction=0)
    return tuple(sorted(varies.argsort(descending=True, stable=True)[:MOST_UNITS].tolist()))


def _panel(name: str, values: Tensor, units: tuple[int, ...], *, is_gate: bool) -> Panel:
    is_share = is_gate and bool((values >= 0).all() and (values <= 1).all())
    rows = values[:, list(units)].t().tolist()
    return Panel(name, "gate" if is_gate else "state", is_share, tuple(map(tuple, rows)))


def _candidates(read: Trace) -> dict[tuple[int, str], Tensor]:
    """Every state of every layer, lane after lane, (steps, hidden)."""
    return {(layer, name): _flat(values) for layer, states in enumerate(read.states) for name, values in states.items()}


def _flat(values: list[Tensor]) -> Tensor:
    """(batch, hidden) at each time to (batch · time, hidden), lane after lane."""
    return torch.stack(values).transpose(0, 1).flatten(0, 1)
