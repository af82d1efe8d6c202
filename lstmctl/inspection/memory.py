"""Retention of units' states over time, and saturation of their gates."""

from __future__ import annotations

import torch
from torch import Tensor

from lstmctl.api import Run
from lstmctl.cells.cell import Cell
from lstmctl.cells.rnn import RNN, RNNOptions
from lstmctl.errors import UsageError
from lstmctl.inspection.passages import about, from_file, held_out
from lstmctl.inspection.trace import CellTrace, trace
from lstmctl.results.inspection import LayerMemory, MemoryFindings, Saturation, Spectrum

STEPS = 5000
SHUT, OPEN = 0.1, 0.9
RELU = RNNOptions(nonlinearity="relu")


@torch.no_grad()
def inspect_memory(
    run: Run, *, file: str | None = None, split: str | None = None, steps: int = STEPS
) -> MemoryFindings:
    """Measure time constants and gate saturation of every layer's units over a stretch of data.

    Args:
        file: the input; by default the beginning of the run's own held-out data.
        split: the part of the run's data; by default the test part, or the validation part if there is none.
        steps: number of steps to read.

    Raises:
        UsageError: `file` and `split` are both given, or `steps` is below 1.
        DataError: the data or the file is missing or unsuitable.
    """
    if file is not None and split is not None:
        raise UsageError("--split selects a part of the run's own data; use either it or a FILE")
    if steps < 1:
        raise UsageError(f"steps must be 1 or more, not {steps}")
    passage = held_out(run, split) if file is None else from_file(run, file)
    shown = run.task.inspection_input(run.model, passage.part, steps=steps, lanes=1)
    read = trace(shown.recurrence, shown.input)
    layers = [_layer(cell) for cell in read.cells]
    return MemoryFindings(
        about=about(run, passage.source),
        steps=shown.input.shape[0] * shown.input.shape[1],
        layers=tuple(layers),
        notes=(*shown.notes, *_notes(read.cells[0].cell, layers)),
    )


def time_constants(gate: Tensor) -> Tensor:
    """Compute −1/ln f̄ for each unit, where f̄ is the geometric mean of the retention gate (time, batch, hidden).

    The gate is in [0, 1]. A unit's state is multiplied by Π f over time, which on average falls to e⁻¹ after this many
    steps. The result is infinite if the gate was always exactly 1, and 0 if it was ever exactly 0.
    """
    return 1 / gate.double().log().mean((0, 1)).abs()


def saturation(name: str, gate: Tensor) -> Saturation:
    """Compute, for each unit, the shares of steps with a gate (time, batch, hidden) below 0.1 and above 0.9."""
    left, right = (gate < SHUT).double().mean((0, 1)), (gate > OPEN).double().mean((0, 1))
    return Saturation(name, tuple(left.tolist()), tuple(right.tolist()))


def spectrum(recurrent: Tensor) -> Spectrum:
    """Compute the spectrum of a recurrent matrix U (hidden, hidden), in float64."""
    values = torch.linalg.eigvals(recurrent.double())
    return Spectrum(
        radius=float(values.abs().max()),
        largest_singular_value=float(torch.linalg.matrix_norm(recurrent.double(), 2)),
        eigenvalues=tuple(zip(values.real.tolist(), values.imag.tolist(), strict=True)),
    )


def _layer(read: CellTrace) -> LayerMemory:
    cell, gates = read.cell, {name: torch.stack(values) for name, values in read.gates.items()}
    constants: tuple[float, ...] = ()
    quartiles = None
    # A user's cell may name a gate that it does not return, or one that leaves [0, 1]; neither has a time constant.
    keeping = cell.keeps if cell.keeps in gates and _is_share(gates[cell.keeps]) else None
    if keeping is not None:
        found = time_constants(gates[keeping])
        constants = tuple(found.tolist())
        # Nearest rank, since interpolating between a number and infinity is meaningless.
        low, median, high = found.quantile(torch.tensor([0.25, 0.5, 0.75]).double(), interpolation="nearest").tolist()
        quartiles = (low, median, high)
    return LayerMemory(
        layer=read.layer + 1,
        keeping_gate=keeping,
        time_constants=constants,
        quartiles=quartiles,
        saturation=tuple(saturation(name, gate) for name, gate in gates.items() if _is_share(gate)),
        spectrum=spectrum(cell.recurrent_weight) if isinstance(cell, RNN) else None,
        direction=read.direction,
    )


def _is_share(gate: Tensor) -> bool:
    return bool((gate >= 0).all() and (gate <= 1).all())


def _notes(cell: Cell, layers: list[LayerMemory]) -> list[str]:
    """Return notes about a cell without a retention gate."""
    if not cell.states:
        return ["This cell carries no state from step to step: it has no memory to measure."]
    if any(layer.keeping_gate for layer in layers):
        return []
    notes = ["This cell has no gate that retains its state, so its units have no time constants."]
    for layer in layers:
        if layer.spectrum is not None:
            radius = layer.spectrum.radius
            name = f"Layer {layer.layer}" + ("" if layer.direction is None else f", {layer.direction}")
            fate = "fades" if radius < 1 else "grows" if radius > 1 else "persists"
            linear = "If every unit is active" if cell.options == RELU else "At h = 0, where the slope of tanh is 1"
            beyond = (
                "inactive units pass nothing on."
                if cell.options == RELU
                else "if units saturate, the slope 1 − h² is below 1 and it fades faster."
            )
            notes.append(
                f"{name}: U has spectral radius {radius:.3f}. {linear}, a trace of the past {fate}: in the long run it "
                f"is multiplied by {radius:.3f} per step; {beyond}"
            )
    return notes
