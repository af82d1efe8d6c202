"""The memoryless baseline: a cell without recurrence.

    h = tanh(W x + b)

Source: the baseline of what needs no memory
Parameters: h(x + 1)
In time: parallel, since no step depends on another
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstmctl.cells.cell import Cell, CellOptions, State, Step


class FeedForward(Cell):
    """h = tanh(W x + b): no state is carried between steps."""

    states = ()

    def __init__(self, inputs: int, hidden: int, options: CellOptions) -> None:
        super().__init__(inputs, hidden, options)
        self.linear = nn.Linear(inputs, hidden)

    def project(self, input: Tensor) -> Tensor:
        projected: Tensor = self.linear(input)
        return projected

    def step(self, projected: Tensor, state: State) -> Step:
        return Step(torch.tanh(projected), (), {})

    def sequence(self, input: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Compute all steps at once, since no step depends on another."""
        return torch.tanh(self.project(input)), ()
