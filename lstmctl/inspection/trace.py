"""A recurrence step by step over an input, with every gate and state kept.

It is the stepwise path itself, `Recurrence.step` after `Recurrence.step`, and nothing is computed anew: what is seen
here is bit for bit what runs where nobody looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lstmctl.cells.cell import Cell
from lstmctl.errors import UsageError
from lstmctl.models.recurrence import Recurrence
from lstmctl.protocols import ModelState


@dataclass(frozen=True)
class Trace:
    """Everything a recurrence computed, time-first."""

    outputs: list[Tensor]
    """For each step what the last layer hands on, (batch, outputs)."""
    states: list[dict[str, list[Tensor]]]
    """For each layer, by the name of the state, its value after each step, (batch, hidden)."""
    gates: list[dict[str, list[Tensor]]]
    """For each layer, by the name of the gate, its value at each step, (batch, hidden)."""
    after: ModelState
    """What would be carried into the next step."""

    def layer(self, index: int) -> dict[str, Tensor]:
        """All gates, then all states, of a layer (counted from 0), (time, batch, hidden) each."""
        return {name: torch.stack(values) for name, values in (self.gates[index] | self.states[index]).items()}


def cells_of(recurrence: Recurrence) -> list[Cell]:
    """The cell of each layer."""
    return [cell for cell in recurrence.forward_cells if isinstance(cell, Cell)]


def trace(recurrence: Recurrence, input: Tensor, state: ModelState | None = None) -> Trace:
    """Read an input step by step.

    The tensors kept are those of the computation itself, so gradients can be asked of them where they are recorded.

    Args:
        input: (time, batch, features), at least one step.
        state: before the first step; zeros by default.

    Raises:
        UsageError: the recurrence reads in both directions, so that no step is complete before the sequence is.
    """
    if recurrence.backward_cells:
        raise UsageError("a bidirectional network cannot be read step by step: each step needs the whole sequence")
    cells = cells_of(recurrence)
    state = recurrence.initial_state(input.shape[1], input) if state is None else state
    outputs: list[Tensor] = []
    states: list[dict[str, list[Tensor]]] = [{name: [] for name in cell.states} for cell in cells]
    gates: list[dict[str, list[Tensor]]] = [{} for _ in cells]
    for moment in input:
        # In memory of its own, as a step's input is everywhere: a product's last bit can depend on where it lies.
        step = recurrence.step(moment.clone(), state)
        state = step.state
        outputs.append(step.output)
        for kept, values in zip(states, state, strict=True):
            for name, value in zip(kept, values, strict=True):
                kept[name].append(value)
        for kept, open_gates in zip(gates, step.gates, strict=True):
            for name, value in open_gates.items():
                kept.setdefault(name, []).append(value)
    return Trace(outputs, states, gates, state)
