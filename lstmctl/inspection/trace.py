"""A recurrence run step by step over an input, with every gate and state recorded.

The trace consists of the actual calls of `Cell.step`, so it matches `Recurrence.step` bit for bit. Each layer reads the
whole input before the next one, so bidirectional layers can be traced too: their backward cells run from the last step
to the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from lstmctl.cells.cell import Cell, State
from lstmctl.models.recurrence import Recurrence
from lstmctl.protocols import ModelState
from lstmctl.results.inspection import Direction


class Place(NamedTuple):
    """A state of a layer; layers count from 0."""

    layer: int
    state: str
    direction: Direction | None = None


@dataclass(frozen=True)
class CellTrace:
    """Everything one cell computed, in the order of the input, whichever direction it read in."""

    cell: Cell
    layer: int
    """From 0."""
    direction: Direction | None
    """None if the network reads forwards only."""
    states: dict[str, list[Tensor]]
    """Values (batch, …) after each step, by state."""
    gates: dict[str, list[Tensor]] = field(default_factory=dict)
    """Values (batch, hidden) at each step, by gate."""

    def parts(self) -> dict[str, Tensor]:
        """Return all gates, then all states, (time, batch, hidden) each."""
        return {name: torch.stack(values) for name, values in (self.gates | self.states).items()}


@dataclass(frozen=True)
class Trace:
    """Everything a recurrence computed, time-first."""

    outputs: list[Tensor]
    """The last layer's output at each step, (batch, outputs)."""
    cells: list[CellTrace]
    """In order of layers; the forward cell of a bidirectional layer comes first."""
    after: ModelState
    """State of each cell after its own last step."""

    @property
    def layers(self) -> int:
        return self.cells[-1].layer + 1


def trace(
    recurrence: Recurrence, input: Tensor, state: ModelState | None = None, *, every_state: bool = False
) -> Trace:
    """Run a recurrence over an input step by step.

    The recorded tensors belong to the computation itself, so gradients with respect to them are available if gradients
    are enabled.

    Args:
        input: (time, batch, features), at least one step.
        state: state before each cell's first step; zeros by default.
        every_state: also record states that are not one value per unit, such as the matrix of an mLSTM.
    """
    state = recurrence.initial_state(input.shape[1], input) if state is None else state

    def nothing(cell: Cell) -> dict[str, list[Tensor]]:
        return {name: [] for name in (cell.states if every_state else cell.vectors())}

    # Clone each step, since the last bit of a product can depend on the memory layout.
    moments = [moment.clone() for moment in input]
    kept: list[CellTrace] = []
    after: list[State] = []
    for number, (layer, before) in enumerate(zip(recurrence.layers(), state, strict=True)):
        carried = len(before) // len(layer.cells)
        two_ways = len(layer.cells) == 2
        forward = CellTrace(layer.cells[0], number, "forward" if two_ways else None, nothing(layer.cells[0]))
        outputs, now = _read(forward, moments, before[:carried])
        kept.append(forward)
        if two_ways:
            backward = CellTrace(layer.cells[1], number, "backward", nothing(layer.cells[1]))
            others, last = _read(backward, moments[::-1], before[carried:])
            for values in (others, *backward.states.values(), *backward.gates.values()):
                values.reverse()
            kept.append(backward)
            outputs = [torch.cat(both, dim=-1) for both in zip(outputs, others, strict=True)]
            now = (*now, *last)
        moments = [recurrence.handed_on(layer, *both) for both in zip(moments, outputs, strict=True)]
        after.append(now)
    return Trace(moments, kept, tuple(after))


def _read(kept: CellTrace, moments: Sequence[Tensor], state: State) -> tuple[list[Tensor], State]:
    """Run one cell over all steps, (batch, inputs) each; return its outputs and last state."""
    outputs = []
    for moment in moments:
        output, state, gates = kept.cell.step(kept.cell.project(moment), state)
        outputs.append(output)
        for name, value in zip(kept.cell.states, state, strict=True):
            if name in kept.states:
                kept.states[name].append(value)
        for name, value in gates.items():
            kept.gates.setdefault(name, []).append(value)
    return outputs, state
