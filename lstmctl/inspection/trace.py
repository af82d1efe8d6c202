"""A recurrence step by step over an input, with every gate and state kept.

It is the stepwise path itself, `Cell.step` after `Cell.step`, and nothing is computed anew: what is seen here is bit
for bit what `Recurrence.step` gives where nobody looks. Layer after layer reads the whole input, so that a layer that
reads in both directions has a stepwise path too: its backward cell goes from the last step to the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from lstmctl.cells.cell import Cell, State
from lstmctl.findings import Direction
from lstmctl.models.recurrence import Recurrence
from lstmctl.protocols import ModelState


class Place(NamedTuple):
    """A state of a layer, counted from 0."""

    layer: int
    state: str
    direction: Direction | None = None


@dataclass(frozen=True)
class CellTrace:
    """Everything one cell computed, in the order of the input, whichever way it read."""

    cell: Cell
    layer: int
    """From 0."""
    direction: Direction | None
    """None where the network reads forward alone."""
    states: dict[str, list[Tensor]]
    """By the name of the state, its value after each step, (batch, hidden)."""
    gates: dict[str, list[Tensor]] = field(default_factory=dict)
    """By the name of the gate, its value at each step, (batch, hidden)."""

    def parts(self) -> dict[str, Tensor]:
        """All gates, then all states, (time, batch, hidden) each."""
        return {name: torch.stack(values) for name, values in (self.gates | self.states).items()}


@dataclass(frozen=True)
class Trace:
    """Everything a recurrence computed, time-first."""

    outputs: list[Tensor]
    """For each step what the last layer hands on, (batch, outputs)."""
    cells: list[CellTrace]
    """Layer after layer; of a layer that reads in both directions the forward cell comes first."""
    after: ModelState
    """What each cell holds after its own last step."""

    @property
    def layers(self) -> int:
        return self.cells[-1].layer + 1


def trace(recurrence: Recurrence, input: Tensor, state: ModelState | None = None) -> Trace:
    """Read an input step by step.

    The tensors kept are those of the computation itself, so gradients can be asked of them where they are recorded.

    Args:
        input: (time, batch, features), at least one step.
        state: before each cell's first step; zeros by default.
    """
    state = recurrence.initial_state(input.shape[1], input) if state is None else state
    # In memory of its own, as a step's input is everywhere: a product's last bit can depend on where it lies.
    moments = [moment.clone() for moment in input]
    kept: list[CellTrace] = []
    after: list[State] = []
    for number, (layer, before) in enumerate(zip(recurrence.layers(), state, strict=True)):
        carried = len(before) // len(layer.cells)
        two_ways = len(layer.cells) == 2
        forward = CellTrace(layer.cells[0], number, "forward" if two_ways else None, _nothing(layer.cells[0]))
        outputs, now = _read(forward, moments, before[:carried])
        kept.append(forward)
        if two_ways:
            backward = CellTrace(layer.cells[1], number, "backward", _nothing(layer.cells[1]))
            others, last = _read(backward, moments[::-1], before[carried:])
            for values in (others, *backward.states.values(), *backward.gates.values()):
                values.reverse()
            kept.append(backward)
            outputs = [torch.cat(both, dim=-1) for both in zip(outputs, others, strict=True)]
            now = (*now, *last)
        moments = [recurrence.handed_on(layer, *both) for both in zip(moments, outputs, strict=True)]
        after.append(now)
    return Trace(moments, kept, tuple(after))


def _nothing(cell: Cell) -> dict[str, list[Tensor]]:
    return {name: [] for name in cell.states}


def _read(kept: CellTrace, moments: Sequence[Tensor], state: State) -> tuple[list[Tensor], State]:
    """Take one cell through all moments, (batch, inputs) each; its outputs and its last state."""
    outputs = []
    for moment in moments:
        output, state, gates = kept.cell.step(kept.cell.project(moment), state)
        outputs.append(output)
        for name, value in zip(kept.states, state, strict=True):
            kept.states[name].append(value)
        for name, value in gates.items():
            kept.gates.setdefault(name, []).append(value)
    return outputs, state
