"""Gates and states over an input, and the units that track properties of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lstmctl.api import Run
from lstmctl.cells.cell import Cell
from lstmctl.errors import DataError, UsageError
from lstmctl.inspection.passages import Passage, about, from_file, from_text, held_out
from lstmctl.inspection.trace import CellTrace, Place, Trace, trace
from lstmctl.results.clips import first_frames
from lstmctl.results.inspection import Direction, GateFindings, Panel, Tracked

log = logging.getLogger(__name__)

MOST_UNITS = 64
"""Maximum number of units shown at once: more would be narrower than a dot."""
MOST_SYMBOLS = 100
EXAMINED = 5000
"""Number of steps searched for units that track something."""
FEWEST_EXAMINED = 1000
"""With fewer steps, the best of many units correlates by chance."""
OUTPUT = "output"
"""Name of a layer's output, shown if it has neither gates nor states."""


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
    """Show a layer's gates and states over an input, and find the units of all layers that track properties of it.

    Each property's unit is chosen by its correlation on the first half of the steps, and the reported correlation is
    the one on the second half, since the best of many units looks good by chance on the data it was chosen on.

    Args:
        text: the input; by default the beginning of the run's own held-out data.
        file: a file to read as the input instead of `text`.
        label: the label of the text, for a run that generates text from labels.
        split: the part of the run's data; by default the test part, or the validation part if there is none.
        layer: the layer to show, from 1; the last by default.
        units: the units to show, from 0; by default the 64 whose state varies most.
        symbols: the number of steps to show.

    Raises:
        UsageError: the layer or unit does not exist, or the run cannot read the text.
        DataError: the data or the file is missing or unsuitable.
    """
    if sum(given is not None for given in (text, file, split)) > 1:
        raise UsageError("a text, a FILE and --split all select the input; use only one of them")
    if symbols < 1:
        raise UsageError(f"the number of steps to show must be 1 or more, not {symbols}")
    if label is not None and text is None:
        raise UsageError("a label needs a text; for a FILE, the labels are in the file")
    given = _passage(run, text, label, file, split)
    shown = run.task.inspection_input(run.model, given.part, steps=max(symbols, EXAMINED), lanes=1)
    _require_units(shown.recurrence.layers()[0].cells[0])
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
            longer = run.task.inspection_input(run.model, instead.part, steps=EXAMINED, lanes=1)
            examined, properties = trace(longer.recurrence, longer.input), longer.properties()
            tracked_in = instead.source
    candidates = _candidates(examined)
    found, seen = tracking(properties, candidates) if candidates else ((), len(_flat(examined.outputs)))
    if candidates and seen < FEWEST_EXAMINED:
        notes.append(f"Only {seen:,} steps were searched for units: correlations this large also occur by chance.")
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
        clip=None if shown.clip is None else first_frames(shown.clip(), symbols),
    )


def _require_units(cell: Cell) -> None:
    """Refuse a cell whose memory does not consist of units.

    Raises:
        UsageError: it carries state, but has neither gates nor a state with one value per unit.
    """
    if cell.states and not cell.vectors() and not cell.gates:
        raise UsageError(
            f"inspect gates does not apply to {type(cell).__name__}: it has no gates, and its memory "
            f"({', '.join(cell.states)}) has no units to show",
            hint="lstmctl inspect gradients works for every cell",
        )


def tracking(properties: Mapping[str, Tensor], candidates: Mapping[Place, Tensor]) -> tuple[tuple[Tracked, ...], int]:
    """Find the unit that correlates best with each property.

    Args:
        properties: (time, batch) by name.
        candidates: the states of all layers, (steps, hidden), in the lane order of `_flat`.

    Returns:
        One result for each property that varies on the first half of the steps, the best first, and the number of
        steps.
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
    """Compute Pearson's correlation of (steps,) with each column of (steps, units), in float64; NaN if constant."""
    wanted, units = wanted.double(), units.double()
    wanted, units = wanted - wanted.mean(), units - units.mean(0)
    related: Tensor = (wanted @ units) / (wanted.norm() * units.norm(dim=0))
    return related


def _passage(run: Run, text: str | None, label: str | None, file: str | None, split: str | None) -> Passage:
    if text is not None:
        return from_text(run, text, label)
    return held_out(run, split) if file is None else from_file(run, file)


def _own_data(run: Run) -> Passage | None:
    """Return the run's held-out data if it is still available."""
    try:
        return held_out(run)
    except DataError as error:
        log.warning("%s; units that track something are searched for in the given input instead", error)
        return None


def _layer(read: Trace, layer: int | None) -> tuple[list[CellTrace], list[str]]:
    """Return the cells of the layer to show, one per direction, and notes about them."""
    if layer is not None and not 1 <= layer <= read.layers:
        raise UsageError(f"layer {layer} does not exist; the network has {read.layers}")
    number = read.layers if layer is None else layer
    cells = [cell for cell in read.cells if cell.layer == number - 1]
    if not cells[0].cell.states:
        return cells, ["This cell carries no state from step to step, so the output of each step is shown."]
    if not cells[0].cell.gates:
        return cells, ["This cell has no gate: every step overwrites its whole state. The state is shown."]
    return cells, []


def _parts(read: Trace, cells: list[CellTrace], notes: list[str]) -> list[tuple[CellTrace, dict[str, Tensor]]]:
    """Return all gates, then all states, of each cell (time, batch, hidden), or its output if it has neither."""
    parts = [(cell, cell.parts()) for cell in cells]
    if parts[0][1]:
        return parts
    if cells[0].layer != read.layers - 1:
        notes.append("The output shown is the last layer's: earlier layers have neither gates nor states to show.")
    outputs = torch.stack(read.outputs).chunk(len(cells), dim=-1)
    return [(cell, {OUTPUT: output}) for cell, output in zip(cells, outputs, strict=True)]


def _units(parts: Sequence[Mapping[str, Tensor]], units: Sequence[int]) -> tuple[int, ...]:
    """Return the units to show, in order."""
    lasts = [list(each.values())[-1] for each in parts]
    hidden = lasts[0].shape[-1]
    if wrong := [unit for unit in units if not 0 <= unit < hidden]:
        raise UsageError(f"unit {wrong[0]} does not exist; the layer has {hidden}, numbered from 0 to {hidden - 1}")
    if len(units) > MOST_UNITS:
        raise UsageError(f"{len(units)} units are too many for one plot; show at most {MOST_UNITS}")
    if units:
        return tuple(dict.fromkeys(units))
    # By the last state (an LSTM's cell state, otherwise hidden), in the direction in which it varies most.
    varies = torch.stack([last.double().var(dim=0, correction=0) for last in lasts]).amax(0)
    return tuple(sorted(varies.argsort(descending=True, stable=True)[:MOST_UNITS].tolist()))


def _panel(name: str, values: Tensor, units: tuple[int, ...], *, is_gate: bool, direction: Direction | None) -> Panel:
    is_share = is_gate and bool((values >= 0).all() and (values <= 1).all())
    rows = values[:, list(units)].t().tolist()
    return Panel(name, "gate" if is_gate else "state", is_share, tuple(map(tuple, rows)), direction)


def _candidates(read: Trace) -> dict[Place, Tensor]:
    """Return every state of every layer, (steps, hidden), in the lane order of `_flat`."""
    return {
        Place(cell.layer, name, cell.direction): _flat(values)
        for cell in read.cells
        for name, values in cell.states.items()
    }


def _flat(values: list[Tensor]) -> Tensor:
    """Flatten (batch, hidden) at each time to (batch · time, hidden), one lane after the other."""
    return torch.stack(values).transpose(0, 1).flatten(0, 1)
