"""The minimal GRU, whose gate does not see the state, so that all steps can be computed at once.

    k = σ(W_k x + b_k)        the share of a unit that is kept
    n = g(W_n x + b_n)        candidate, with g(a) = a + ½ for a ≥ 0, else σ(a), which is above 0
    h' = k ⊙ h + (1 − k) ⊙ n

The paper scans logarithms; this file scans the values themselves (`cells/scan.py`).

Source: L. Feng, F. Tung, M. Ahmed, Y. Bengio & H. Hajimirsadeghi, "Were RNNs All We Needed?" (2024), algorithm 6, with
    k for its 1 − z
Parameters: 2h(x + 1)
In time: parallel, by an associative scan
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from lstmctl.cells.cell import Cell, CellOptions, State, Step
from lstmctl.cells.drawing import RetentionOptions, draw_weights
from lstmctl.cells.gated import start_retention
from lstmctl.cells.scan import linear_recurrence


def above_zero(values: Tensor) -> Tensor:
    """Compute g(a) = a + ½ for a ≥ 0, else σ(a): continuous, increasing and positive."""
    return torch.relu(values) + torch.sigmoid(-torch.relu(-values))


class MinGRU(Cell):
    """h' = k ⊙ h + (1 − k) ⊙ n."""

    gates = ("k", "n")
    keeps = "k"
    path = "scan"
    Options: ClassVar[type[CellOptions]] = RetentionOptions

    def __init__(self, inputs: int, hidden: int, options: RetentionOptions) -> None:
        super().__init__(inputs, hidden, options)
        self.input = nn.Linear(inputs, 2 * hidden)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights by `draw_weights`; the biases of k start at 1 or by `longest_memory`, the others at 0."""
        draw_weights(self.input.weight, None, generator)
        start_retention(self.input.bias.chunk(2), self.options, 0, None, generator)

    def project(self, input: Tensor) -> Tensor:
        projected: Tensor = self.input(input)
        return projected

    def step(self, projected: Tensor, state: State) -> Step:
        (hidden,) = state
        k, n = _gates(projected)
        hidden = k * hidden + (1 - k) * n
        return Step(hidden, (hidden,), {"k": k, "n": n})

    def sequence(self, input: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Compute all time steps by a scan unless there is a mask."""
        if mask is not None:
            return super().sequence(input, state, mask)
        (hidden,) = state
        k, n = _gates(self.project(input).to(hidden.dtype))
        output = linear_recurrence(k, (1 - k) * n, hidden)
        return output, (output[-1].clone(),)  # a view would keep every step in memory


def _gates(projected: Tensor) -> tuple[Tensor, Tensor]:
    k, n = projected.chunk(2, dim=-1)
    return torch.sigmoid(k), above_zero(n)
